"""Map for tests: counts words and drops short texts; can be slow, hang, crash or bloat on a mark in the text."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pyarrow as pa

from datapipe.stage import TEXT, Map, StageConfig, below, columns, decide, first_of, measure, place, schema

TOO_SHORT = "too_short"


class Config(StageConfig):
    """Options of the test filter."""

    min_words: int | None = decide(3, "words; fewer leave as too_short")
    pause: float = place(0.0, "seconds that each document takes")
    unit: int = measure(1, "words that count as one", gt=0)
    journal: str | None = place(None, "file that gets a line for each document measured")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Words of each text."""
    texts = [text or "" for text in batch.column("text").to_pylist()]
    for text in texts:
        time.sleep(config.pause)
        if config.journal:
            with Path(config.journal).open("a", encoding="utf-8") as journal:
                journal.write(f"{text}\n")
        while "HANG" in text:
            pass
        if "ABORT" in text:
            os.abort()
        if "BLOAT" in text:
            _ = bytearray(8 << 30)
        if "RAISE" in text:
            raise ValueError(text)
        if "SPEAK" in text:
            sys.stdout.write("some library prints\n")
            sys.stdout.flush()
    return columns(words=pa.array([len(text.split()) // config.unit for text in texts], pa.int32()))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Short texts leave."""
    return first_of((below(measured.column("words"), config.min_words), TOO_SHORT))


STAGE = Map(
    name="toy.count",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(words=pa.int32()),
    reasons={TOO_SHORT: "the text has too few words"},
    process=process,
    decide=decide_reasons,
)
