"""Take the text out of a page. For tests only."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pyarrow as pa

from datapipe.stage import Map, StageConfig, columns, measure, schema

EMPTY = "no_text"


class Config(StageConfig):
    engine: Literal["fast", "careful"] = measure("fast", "which engine takes the text out")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    return columns(text=batch["html"].cast(pa.large_string()))


STAGE = Map(
    name="body",
    version=1,
    config=Config,
    reads=("html",),
    adds=schema(text=pa.large_string()),
    reasons={EMPTY: "nothing was found"},
    process=process,
)
