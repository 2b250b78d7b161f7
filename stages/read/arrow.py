"""Read texts from Arrow files: IPC files, IPC streams, and Feather (version 2).

One document a row. The record batches of a file are read one after another; nothing else of it is held, so files are
best written in batches of some thousand rows. A file that cannot be opened as Arrow is one row with `damaged_input`,
and so is the rest of a file from its first batch that cannot be read.

`record` equals `cursor`: the row's number in the file. Reading resumes by passing over the batches before it.
`text` is not stored but read again where it is needed; `keep: [text]` stores it.
Costs reading: 1.5 microseconds for a row of 2 KB, and as much again for eight fields that go to `metadata`, which
`metadata: false` spares.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from datapipe.algo.columnar import arrow_documents
from datapipe.algo.fields import NO_TEXT, NO_TEXT_SAYS, TableConfig, adds
from datapipe.algo.inputs import find_files, one_split_per_file
from datapipe.stage import Source, Split

_SUFFIXES = (".arrow", ".arrows", ".ipc", ".feather")


class Config(TableConfig):
    """Which fields are which columns."""


def splits(config: Config) -> list[Split]:
    """One split per file."""
    return one_split_per_file(find_files(config.paths, suffixes=_SUFFIXES, allow_missing=config.allow_missing))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents from row `cursor` on; raises InputError if the file cannot be opened or has no text column."""
    yield from arrow_documents(split.files[0], config, cursor)


STAGE = Source(
    name="read.arrow",
    version=1,
    config=Config,
    adds=adds,
    reasons={NO_TEXT: NO_TEXT_SAYS},
    libraries=("pyarrow", "orjson"),
    splits=splits,
    read=read,
    transient=("text",),
)
