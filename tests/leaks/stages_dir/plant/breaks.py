"""Break down with the text in what is said, out of each kind of function. For tests only."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.stage import TEXT, Map, StageConfig, columns, measure, schema


class Config(StageConfig):
    how: str = measure("process", "where it breaks: process, decide or message")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The first word, if it could."""
    texts = list(map(str, batch["text"].to_pylist()))
    if config.how == "process":
        try:
            int(texts[0])
        except ValueError as error:
            raise KeyError(texts[0]) from error
    return columns(first=pa.array([text.split()[0] for text in texts]))


def decide(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Nothing but an error that says what was measured."""
    raise RuntimeError(measured["first"].to_pylist()[0])


STAGE = Map(
    name="plant.breaks",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(first=pa.string()),
    reasons={"first": "never given"},
    process=process,
    decide=decide,
)
