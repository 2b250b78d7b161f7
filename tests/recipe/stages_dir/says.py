"""Give the first words of a text. For tests only."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.stage import TEXT, Map, StageConfig, schema


def process(batch: pa.RecordBatch, config: StageConfig, resource: Path | None) -> pa.RecordBatch:
    raise NotImplementedError


STAGE = Map(name="says", version=1, config=StageConfig, reads=TEXT, adds=schema(words=pa.string()), process=process)
