"""Write the kept documents as Parquet files for others to read.

Row groups are cut by the bytes of their values, so that a file's bytes depend on its documents alone.
Costs: about 150 MB/s of text with zstd; memory: one row group, twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Literal

import pyarrow as pa

from datapipe.algo.parquet_files import write_parquet
from datapipe.schema import EXPORTED
from datapipe.stage import Sink, SinkConfig, Size, measure


class Config(SinkConfig):
    """What is written, and how."""

    columns: tuple[str, ...] | None = measure(
        None, "columns to write, such as [id, text, quality.words]; none given: all that have a bare name, but for html"
    )
    compression: Literal["zstd", "snappy", "none"] = measure("zstd", "compression of column chunks")
    group_bytes: Size = measure(32 << 20, "bytes of values after which a row group ends", gt=0)


def select(available: tuple[str, ...], config: Config) -> tuple[str, ...]:
    """The columns asked for, or all of the schema's that say something outside a run."""
    return config.columns or tuple(name for name in EXPORTED if name in available)


def write(stream: Iterator[pa.RecordBatch], target: BinaryIO, config: Config) -> None:
    """Write the documents of one file; a stream of empty batches gives a file without rows."""
    write_parquet(stream, target, compression=config.compression, group_bytes=config.group_bytes)


def suffix(config: Config) -> str:
    """The file type."""
    return ".parquet"


STAGE = Sink(
    name="write.parquet",
    version=1,
    config=Config,
    libraries=("pyarrow",),
    select=select,
    write=write,
    suffix=suffix,
)
