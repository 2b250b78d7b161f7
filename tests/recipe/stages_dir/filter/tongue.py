"""Say which language a text is in. For tests only."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.stage import TEXT, Map, StageConfig, columns, decide, schema


class Config(StageConfig):
    keep: tuple[str, ...] | None = decide(None, "languages to keep; null: all")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    return columns(language=["en"] * batch.num_rows)


STAGE = Map(
    name="filter.tongue",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(language=pa.string(), score=pa.float32()),
    reasons={"other_language": "not in keep"},
    process=process,
)
