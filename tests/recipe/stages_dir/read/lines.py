"""Read texts, one a line. For tests only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from datapipe.stage import Source, SourceConfig, Split, schema


def splits(config: SourceConfig) -> Iterable[Split]:
    return [Split(path, ()) for path in config.paths]


def read(split: Split, config: SourceConfig, cursor: int) -> Iterator[pa.RecordBatch]:
    raise NotImplementedError


STAGE = Source(
    name="read.lines",
    version=1,
    config=SourceConfig,
    adds=schema(source=pa.string(), text=pa.large_string(), kind=pa.string()),
    splits=splits,
    read=read,
)
