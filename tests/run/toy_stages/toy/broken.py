"""Map for tests, under the guard, that cannot work whatever comes in."""

from __future__ import annotations

import importlib
from pathlib import Path

import pyarrow as pa

from datapipe.stage import TEXT, Map, StageConfig, columns, measure, schema


class Config(StageConfig):
    """Options of the test stage."""

    how: str = measure("name", "what is wrong: name, import, library or todo")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Words of each text, if it could."""
    if config.how == "import":
        importlib.import_module("no_such_library")
    if config.how == "library":
        raise ImportError("IMPORTANT: libfast.so cannot be opened\n\nhow to mend it:\n * read on")
    if config.how == "todo":
        raise NotImplementedError("not yet")
    return columns(words=pa.nulls(len(batch), pa.int32()), more=no_such_name)  # type: ignore[name-defined]  # noqa: F821


STAGE = Map(
    name="toy.broken",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(words=pa.int32()),
    process=process,
    guarded=True,
)
