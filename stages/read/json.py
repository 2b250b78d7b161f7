"""Read texts from JSON files: an array of objects, or objects that follow each other; plain or packed.

A file whose first character is `[` is read as one array, any other as objects one after another, on one line or on
several. Either is streamed: only the object in the making is held, however large the file. An object that does not
parse, is not UTF-8, or lacks the id that `columns` promises is a row with `damaged_input`. So is the place behind
which nothing can be read: where a packed file is damaged, an array is not closed, or a bracket never is.
Lines of JSON that may be damaged are better read by `read.jsonl`, which goes on behind any bad line.

`record` equals `cursor`: the byte offset of the object in the unpacked stream. A plain file is resumed by a seek, a
packed one by unpacking it up to there. `text` is not stored but read again where it is needed; `keep: [text]` stores
it. Costs unpacking and some 35 microseconds for an object of 2 KB with ten fields.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from datapipe.algo.fields import (
    NO_TEXT,
    NO_TEXT_SAYS,
    RECORD_TOO_LARGE,
    RECORD_TOO_LARGE_SAYS,
    RecordConfig,
    adds,
    documents,
)
from datapipe.algo.inputs import find_files, one_split_per_file, packed_suffixes
from datapipe.algo.json_records import value_records
from datapipe.stage import Source, Split

_SUFFIXES = packed_suffixes("json")


class Config(RecordConfig):
    """Which fields are which columns."""


def splits(config: Config) -> list[Split]:
    """One split per file."""
    return one_split_per_file(find_files(config.paths, suffixes=_SUFFIXES, allow_missing=config.allow_missing))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents from byte `cursor` on; raises InputError if the file cannot be opened, never for its bytes."""
    file = split.files[0]
    yield from documents(value_records(file, cursor, config.max_record_bytes), file, config)


STAGE = Source(
    name="read.json",
    version=1,
    config=Config,
    adds=adds,
    reasons={NO_TEXT: NO_TEXT_SAYS, RECORD_TOO_LARGE: RECORD_TOO_LARGE_SAYS},
    libraries=("orjson",),
    splits=splits,
    read=read,
    transient=("text",),
    seeks=("json",),
)
