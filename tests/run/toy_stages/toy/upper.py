"""Map for tests that changes the text: upper case, with the number of changed characters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datapipe.schema import COLUMNS
from datapipe.stage import TEXT, Map, StageConfig, columns, measure, schema


class Config(StageConfig):
    """Options of the test change."""

    mark: str = measure("", "put after each text")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Text in upper case."""
    text = batch.column("text")
    mark: Any = pa.scalar(config.mark, pa.large_string())
    nothing: Any = pa.scalar("", pa.large_string())
    changed = [sum(a != b for a, b in zip(t or "", (t or "").upper(), strict=False)) for t in text.to_pylist()]
    return columns(
        text=pc.binary_join_element_wise(pc.utf8_upper(text), mark, nothing), changed=pa.array(changed, pa.int32())
    )


STAGE = Map(
    name="toy.upper",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(text=COLUMNS["text"], changed=pa.int32()),
    process=process,
)
