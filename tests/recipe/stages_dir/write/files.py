"""Write documents into files. For tests only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from datapipe.errors import InputError
from datapipe.stage import Sink, SinkConfig, measure


class Config(SinkConfig):
    columns: tuple[str, ...] | None = measure(None, "columns to write; null: all")


def select(available: tuple[str, ...], config: Config) -> tuple[str, ...]:
    if config.columns == ():
        raise InputError("no column to write", remedy="name one")
    return config.columns or available


def write(stream: Iterator[pa.RecordBatch], target: BinaryIO, config: Config) -> None:
    target.writelines(str(batch.num_rows).encode() for batch in stream)


def suffix(config: Config) -> str:
    return ".txt"


STAGE = Sink(name="write.files", version=1, config=Config, select=select, write=write, suffix=suffix)
