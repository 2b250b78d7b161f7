"""Quality and speed of the engines of `extract` on real pages with known text.

    python -m tests.benchmarks.extract_f1 FOLDER [PAGES]

FOLDER is the WCXB set (`extract-wcxb` of the real data), PAGES how many are drawn from it by hash (default 300).
Prints, for each engine, F1 of the bag of words averaged over the pages, the same over pages of each type, pages a
second of CPU time, and that speed as a ratio to the bare loop of `trafilatura.extract`, run side by side.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import statistics
import sys
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import trafilatura

from stages.extract import STAGE, Config

WORD = re.compile(r"\w+")
CONFIGS = {
    "trafilatura": Config(),
    "trafilatura without comments": Config(comments=False),
    "trafilatura fast": Config(mode="fast"),
    "trafilatura recall": Config(mode="recall"),
    "trafilatura precision": Config(mode="precision"),
    "justext": Config(engine="justext"),
    "resiliparse": Config(engine="resiliparse"),
}
BATCH = 16


class Sample(NamedTuple):
    """Pages and what should be found in them."""

    pages: list[bytes]
    gold: list[str]
    kinds: list[str]


def f1(found: str, gold: str) -> float:
    """F1 of two bags of words, lower case."""
    a, b = Counter(WORD.findall(found.lower())), Counter(WORD.findall(gold.lower()))
    if not a or not b:
        return float(a == b)
    return 2 * (a & b).total() / (a.total() + b.total())


def read(folder: Path, count: int) -> Sample:
    """The pages whose ids hash lowest."""
    with gzip.open(folder / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = sorted(map(json.loads, lines), key=lambda row: zlib.crc32(row["id"].encode()))[:count]
    pages = [gzip.decompress((folder / "html" / f"{row['id']}.html.gz").read_bytes()) for row in rows]
    return Sample(pages, [row["main_content"] for row in rows], [row["page_type"] for row in rows])


def batches(pages: list[bytes]) -> Iterator[pa.RecordBatch]:
    """The pages as the guard hands them over."""
    for start in range(0, len(pages), BATCH):
        some = pages[start : start + BATCH]
        html, kinds = pa.array(some, pa.large_binary()), pa.array(["text/html"] * len(some), pa.string())
        yield pa.RecordBatch.from_arrays([html, kinds], names=["html", "content_type"])


def texts(pages: list[bytes], config: Config) -> list[str]:
    """What the stage finds."""
    return [text or "" for batch in batches(pages) for text in STAGE.process(batch, config, None)["text"].to_pylist()]


def timed(call: Any, *arguments: Any) -> tuple[float, Any]:
    """CPU seconds, and the answer."""
    start = time.process_time()
    answer = call(*arguments)
    return time.process_time() - start, answer


def main() -> None:
    """Print the table."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300
    sample = read(folder, count)
    logging.disable(logging.CRITICAL)
    for config in CONFIGS.values():
        texts(sample.pages[:2], config)
    kinds = sorted(set(sample.kinds))
    print(f"{len(sample.pages)} pages, {sum(map(len, sample.pages)) / len(sample.pages) / 1e3:.0f} KB each")
    for name, config in CONFIGS.items():
        bare, _ = timed(lambda: [trafilatura.extract(page) for page in sample.pages])
        seconds, found = timed(texts, sample.pages, config)
        scores: dict[str, list[float]] = defaultdict(list)
        for text, gold, kind in zip(found, sample.gold, sample.kinds, strict=True):
            scores[kind].append(f1(text, gold))
        mean = statistics.fmean(score for some in scores.values() for score in some)
        by_kind = "  ".join(f"{kind} {statistics.fmean(scores[kind]):.3f}" for kind in kinds)
        speed = f"{len(sample.pages) / seconds:6.1f} pages/s  {bare / seconds:5.2f} x bare trafilatura"
        print(f"{name:30} F1 {mean:.3f}  {speed}  | {by_kind}", flush=True)


if __name__ == "__main__":
    main()
