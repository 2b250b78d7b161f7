"""Map for tests: counts the bytes of each page."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.stage import Map, StageConfig, columns, schema


class Config(StageConfig):
    """No options."""


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Bytes of each page."""
    return columns(size=pa.array([len(page or b"") for page in batch.column("html").to_pylist()], pa.int64()))


STAGE = Map(
    name="toy.pages",
    version=1,
    config=Config,
    reads=("html",),
    adds=schema(size=pa.int64()),
    process=process,
)
