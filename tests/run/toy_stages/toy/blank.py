"""Map for tests: takes away the text of every document whose record begins its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datapipe.schema import COLUMNS
from datapipe.stage import Map, StageConfig, columns, schema


class Config(StageConfig):
    """No options."""


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Null for the first record of each file."""
    nothing: Any = pa.scalar(None, pa.large_string())
    first: Any = pc.equal(batch.column("record"), pa.scalar(0))
    return columns(text=pc.if_else(first, nothing, batch.column("text")))


STAGE = Map(
    name="toy.blank",
    version=1,
    config=Config,
    reads=("record", "text"),
    adds=schema(text=COLUMNS["text"]),
    process=process,
)
