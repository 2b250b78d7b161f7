"""Sink for tests that writes only its first batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from datapipe.stage import Sink, StageConfig


class Config(StageConfig):
    """No options."""


def select(available: tuple[str, ...], config: Config) -> tuple[str, ...]:
    """The text."""
    return ("text",)


def write(stream: Iterator[pa.RecordBatch], target: BinaryIO, config: Config) -> None:
    """The texts of the first batch, a line each."""
    target.write("".join(f"{text}\n" for text in next(stream).column("text").to_pylist()).encode())


def suffix(config: Config) -> str:
    """The file type."""
    return ".txt"


STAGE = Sink(name="toy.hasty", version=1, config=Config, select=select, write=write, suffix=suffix)
