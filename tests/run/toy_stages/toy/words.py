"""Expand for tests: every word of a text becomes a document; texts without words are `wordless`."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.schema import COLUMNS
from datapipe.stage import TEXT, Expand, StageConfig, columns, schema


class Config(StageConfig):
    """No options."""


def expand(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """One row a word."""
    words = [(row, word) for row, text in enumerate(batch.column("text").to_pylist()) for word in (text or "").split()]
    rows = pa.array([row for row, _ in words], pa.uint32())
    return columns(parent_row=rows, text=pa.array([word for _, word in words], pa.large_string()))


STAGE = Expand(
    name="toy.words",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(text=COLUMNS["text"]),
    reasons={"wordless": "the text has no words"},
    childless="wordless",
    expand=expand,
)
