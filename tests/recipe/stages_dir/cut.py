"""Cut documents in two. For tests only."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.stage import TEXT, Expand, StageConfig, schema


def expand(batch: pa.RecordBatch, config: StageConfig, resource: Path | None) -> pa.RecordBatch:
    raise NotImplementedError


STAGE = Expand(
    name="cut",
    version=1,
    config=StageConfig,
    reads=TEXT,
    adds=schema(text=pa.large_string()),
    reasons={"empty": "nothing to cut"},
    expand=expand,
    childless="empty",
)
