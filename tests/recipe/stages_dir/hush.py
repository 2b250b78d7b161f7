"""Take a word out of columns. For tests only."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.schema import COLUMNS
from datapipe.stage import Cover, Map, Mask, StageConfig, measure


class Config(StageConfig):
    hides: tuple[str, ...] = measure(("text", "url"), "columns to take it out of")


def named(config: Config) -> tuple[str, ...]:
    return config.hides


def adds(config: Config) -> pa.Schema:
    own = pa.schema([("places", pa.list_(pa.string())), ("first", pa.string())])
    return pa.schema([*((name, COLUMNS[name]) for name in config.hides), *own])


def holds(texts: pa.StringArray, config: Config) -> Mask:
    raise NotImplementedError


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    raise NotImplementedError


STAGE = Map(
    name="hush",
    version=1,
    config=Config,
    reads=named,
    optional=tuple(COLUMNS),
    adds=adds,
    coded=("places",),
    process=process,
    cover=Cover(columns=named, holds=holds, option="hides"),
)
