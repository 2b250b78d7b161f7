"""Make a few pages out of nothing.

For tests only: no file is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from datapipe.stage import Source, SourceConfig, Split, schema


def splits(config: SourceConfig) -> Iterable[Split]:
    return [Split(path, ()) for path in config.paths]


def read(split: Split, config: SourceConfig, cursor: int) -> Iterator[pa.RecordBatch]:
    raise NotImplementedError


STAGE = Source(
    name="read.toy",
    version=1,
    config=SourceConfig,
    adds=schema(url=pa.string(), source=pa.string(), html=pa.large_binary()),
    splits=splits,
    read=read,
    transient=("html",),
)
