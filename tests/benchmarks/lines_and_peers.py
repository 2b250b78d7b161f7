"""Speed of filter.lines, filter.repetition and of `like: datatrove`, in MB of UTF-8 a second of one core's time.

    DATAPIPE_REAL_DATA=... PYTHONPATH=. python tests/benchmarks/lines_and_peers.py

Medians of some rounds of process time over batches of 256 documents of English web pages and of a Chinese wiki.
Parts that read the segmentation are timed beside it: it is made before the clock starts.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from datapipe.text import corrected_lines, forget, kept_lines, peer_gopher_measures, peer_line_measures, segment
from datapipe.text.peer_words import peer_words
from datapipe.text.quality import GOPHER_STOP_WORDS
from stages.filter import c4, fineweb, gopher, lines, repetition
from tests.peers.comparing import english_web, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
ROWS = 256
LINES = lines.Config()
RULES: dict[str, Any] = {
    "upper": LINES.max_upper_case,
    "min_words": LINES.min_words_per_line,
    "short": LINES.short_line_words,
    "counted": LINES.counted,
    "at_start": LINES.at_start,
    "at_end": LINES.at_end,
    "anywhere": LINES.anywhere,
}


def _stage(module: Any, **options: Any) -> Callable[[pa.RecordBatch], object]:
    config = module.Config(**options)
    return lambda batch: module.STAGE.process(batch, config, None)


PARTS: dict[str, Callable[[pa.RecordBatch], object]] = {
    "corrected_lines": lambda batch: corrected_lines(batch["text"], segment(batch["text"]), **RULES),
    "filter.lines": _stage(lines),
    "filter.repetition": _stage(repetition),
    "peer_words": lambda batch: peer_words(batch["text"]),
    "peer_gopher_measures": lambda batch: peer_gopher_measures(batch["text"], stop_words=GOPHER_STOP_WORDS),
    "peer_line_measures": lambda batch: peer_line_measures(batch["text"], short=30),
    "kept_lines, peer": lambda batch: kept_lines(batch["text"], segment(batch["text"]), peer=True),
    **{f"{module.STAGE.name}, like datatrove": _stage(module, like="datatrove") for module in (gopher, fineweb, c4)},
}


def rates(texts: list[str], language: str) -> dict[str, float]:
    """MB/s of each part."""
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string()), "language": pa.array([language] * len(texts))})
    rounds: dict[str, list[float]] = {name: [] for name in PARTS}
    for _ in range(ROUNDS + 1):
        seconds = dict.fromkeys(PARTS, 0.0)
        for start in range(0, len(texts), ROWS):
            rows = batch.slice(start, ROWS)
            cut = segment(rows["text"])
            for each in (cut.words, cut.lines, cut.sentences):
                assert each is not None
            for name, part in PARTS.items():
                began = time.process_time()
                part(rows)
                seconds[name] += time.process_time() - began
            forget()
        for name, taken in seconds.items():
            rounds[name].append(taken)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    return {name: megabytes / statistics.median(taken[1:]) for name, taken in rounds.items()}  # the first compiles


def main() -> None:
    """Print everything."""
    folder = os.environ.get("DATAPIPE_REAL_DATA")
    if not folder:
        sys.exit("set DATAPIPE_REAL_DATA to the folder of real data")
    data = Path(folder)
    for language, texts in (("en", english_web(data)), ("zh", texts_of(data / "raw" / "oiwiki_zh.jsonl.gz"))):
        for name, rate in rates(texts, language).items():
            print(f"{language} {name}: {rate:.0f} MB/s")


if __name__ == "__main__":
    main()
