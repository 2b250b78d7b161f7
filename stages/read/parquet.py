"""Read texts from Parquet files.

One document a row; row groups stream through, only the columns needed are read: 0.3 GB of memory for a file of 3 GB
(tests/run/test_readers.py). Of a file that is not local a row group is held as it is packed. A file that cannot be
opened as Parquet is one row with `damaged_input`, and so is a row group from its first row that cannot be
read; the next group goes on.

`record` equals `cursor`: the row's number in the file. Reading resumes at its row group.
`text` is not stored but read again where it is needed; `keep: [text]` stores it.
Costs decoding; fields that go to `metadata` cost some 20 microseconds a row, `metadata: false` spares it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from datapipe.algo.columnar import parquet_documents
from datapipe.algo.fields import NO_TEXT, NO_TEXT_SAYS, TableConfig, adds
from datapipe.algo.inputs import find_files, one_split_per_file
from datapipe.stage import Source, Split

_SUFFIXES = (".parquet", ".pq")
_SEEK_ROWS = 8192  # a seek reads from the start of a row group


class Config(TableConfig):
    """Which fields are which columns."""


def splits(config: Config) -> list[Split]:
    """One split per file."""
    return one_split_per_file(find_files(config.paths, suffixes=_SUFFIXES, allow_missing=config.allow_missing))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents from row `cursor` on; raises InputError if the file cannot be opened or has no text column."""
    yield from parquet_documents(split.files[0], config, cursor)


STAGE = Source(
    name="read.parquet",
    version=1,
    config=Config,
    adds=adds,
    reasons={NO_TEXT: NO_TEXT_SAYS},
    libraries=("pyarrow", "orjson"),
    splits=splits,
    read=read,
    transient=("text",),
    seeks=_SUFFIXES,
    seek_rows=_SEEK_ROWS,
)
