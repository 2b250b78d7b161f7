"""Quality and speed of the engines of `extract` on real pages with known text, and what reading costs beside them.

    python -m tests.benchmarks.extract_f1 [PAGES [ENGINE ...]]

Needs DATAPIPE_REAL_DATA; PAGES of its WCXB set are drawn by hash (default 300). Prints, for each ENGINE
of the table below or all, F1 of the bag of words averaged over the pages, over pages of each type, the shares of
snippets kept and leaked, and CPU time as a ratio to a bare loop of `trafilatura.extract` over the same slices of pages,
in turn. Then CPU time of reading the pages from a WARC file and decoding them, against that loop.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from datapipe.text import decode_html
from stages.extract import STAGE, Config
from stages.read import warc
from tests.benchmarks.pages import record
from tests.real.scoring import BARE, score, wcxb

CONFIGS = {
    "trafilatura": Config(),
    "trafilatura, no comments": Config(comments=False),
    "trafilatura, fast": Config(mode="fast"),
    "trafilatura, recall": Config(mode="recall"),
    "trafilatura, precision": Config(mode="precision"),
    "trafilatura, Markdown": Config(format="markdown"),
    "justext": Config(engine="justext"),
    "justext, Markdown": Config(engine="justext", format="markdown"),
    "resiliparse": Config(engine="resiliparse"),
    "resiliparse, Markdown": Config(engine="resiliparse", format="markdown"),
    "resiliparse, ftfy": Config(engine="resiliparse", ftfy=True),
}
SLICE = 16  # pages, as the guard hands them over


def timed(call: Any, *arguments: Any) -> tuple[float, Any]:
    """CPU seconds, and the answer."""
    start = time.process_time()
    answer = call(*arguments)
    return time.process_time() - start, answer


def texts(pages: list[bytes], config: Config) -> list[str]:
    """What the stage finds."""
    html, kinds = pa.array(pages, pa.large_binary()), pa.array(["text/html"] * len(pages), pa.string())
    batch = pa.RecordBatch.from_arrays([html, kinds], names=["html", "content_type"])
    return [text or "" for text in STAGE.process(batch, config, None)["text"].to_pylist()]


def read_and_decode(archive: Path) -> int:
    """Characters of all pages of a WARC file."""
    config = warc.Config(paths=(str(archive),), source="real")
    characters = 0
    for split in warc.splits(config):
        for batch in warc.read(split, config, 0):
            characters += sum(len(decode_html(value.as_buffer().to_pybytes())[0]) for value in batch["html"])
    return characters


def slices(pages: list[bytes]) -> Iterator[list[bytes]]:
    """The pages in order, some at a time."""
    for start in range(0, len(pages), SLICE):
        yield pages[start : start + SLICE]


def main() -> None:
    """Print the table."""
    data, count = Path(os.environ["DATAPIPE_REAL_DATA"]), int(sys.argv[1]) if len(sys.argv) > 1 else 300
    configs = {name: CONFIGS[name] for name in sys.argv[2:] or CONFIGS}
    pages = wcxb(data, count)
    bodies = [page.html() for page in pages]
    logging.disable(logging.CRITICAL)
    for config in configs.values():
        texts(bodies[:2], config)
    seconds: dict[str, float] = defaultdict(float)
    found: dict[str, list[str]] = defaultdict(list)
    for some in slices(bodies):
        seconds["bare"] += timed(lambda bodies: [BARE["trafilatura"](body, "") for body in bodies], some)[0]
        for name, config in configs.items():
            took, answer = timed(texts, some, config)
            seconds[name] += took
            found[name] += answer
    print(f"{len(pages)} pages, {sum(map(len, bodies)) / len(pages) / 1e3:.0f} KB each; {dict(_kinds(pages))}")
    for name in configs:
        scores = score(pages, dict(zip((page.file for page in pages), found[name], strict=True)))
        by_kind = "  ".join(f"{kind} {value:.3f}" for kind, value in scores.by_kind.items())
        speed = f"{len(pages) / seconds[name]:6.1f} pages/s, {seconds[name] / seconds['bare']:5.2f} x the time of bare"
        snippets = f"kept {scores.kept:.3f} leaked {scores.leaked:.3f}"
        print(f"{name:26} F1 {scores.f1:.3f}  {speed}  {snippets}  | {by_kind}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "pages.warc.gz"
        archive.write_bytes(b"".join(record(f"http://pages.example/{n}", body) for n, body in enumerate(bodies)))
        read_and_decode(archive)
        took, _ = timed(read_and_decode, archive)
    print(f"reading and decoding: {took:.2f} s of CPU time, {took / seconds['bare']:.1%} of trafilatura's own")


def _kinds(pages: Any) -> Iterator[tuple[str, int]]:
    kinds = [page.kind for page in pages]
    yield from ((kind, kinds.count(kind)) for kind in sorted(set(kinds)))


if __name__ == "__main__":
    main()
