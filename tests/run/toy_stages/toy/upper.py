"""Map for tests that changes the text: upper case, with the number of changed characters."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from datapipe.schema import COLUMNS
from datapipe.stage import TEXT, Map, StageConfig, columns, schema


class Config(StageConfig):
    """No options."""


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Text in upper case."""
    text = batch.column("text")
    changed = [sum(a != b for a, b in zip(t or "", (t or "").upper(), strict=False)) for t in text.to_pylist()]
    return columns(text=pc.utf8_upper(text), changed=pa.array(changed, pa.int32()))


STAGE = Map(
    name="toy.upper",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(text=COLUMNS["text"], changed=pa.int32()),
    process=process,
)
