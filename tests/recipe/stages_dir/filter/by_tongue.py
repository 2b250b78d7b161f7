"""Reads the language, so that some stage above must give it. For tests only."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.stage import Map, StageConfig


def process(batch: pa.RecordBatch, config: StageConfig, resource: Path | None) -> pa.RecordBatch:
    return batch.select([])


STAGE = Map(name="filter.by_tongue", version=1, config=StageConfig, reads=("text", "language"), process=process)
