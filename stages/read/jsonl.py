"""Read texts from JSON lines, plain or packed by gzip, zstd, lz4, bzip2 or xz.

One document a line; blank lines are passed over. A line that is no JSON object, is not UTF-8, or lacks
the id that `columns` promises is a row with `damaged_input`; so is the place where a packed file is
damaged, behind which nothing is read.

`record` equals `cursor`: the byte offset of the line in the unpacked stream, so that it is the same from
wherever reading starts. A plain file is resumed by a seek, a packed one by unpacking it up to there.
`text` is not stored but read again where it is needed; `keep: [text]` stores it.
Costs unpacking and some 20 microseconds for a line of 2 KB.
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
from datapipe.algo.json_records import line_records
from datapipe.stage import Source, Split

_SUFFIXES = packed_suffixes("jsonl", "ndjson")


class Config(RecordConfig):
    """Which fields are which columns."""


def splits(config: Config) -> list[Split]:
    """One split per file."""
    return one_split_per_file(find_files(config.paths, suffixes=_SUFFIXES, allow_missing=config.allow_missing))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents from byte `cursor` on; raises InputError if the file cannot be opened, never for its bytes."""
    file = split.files[0]
    yield from documents(line_records(file, cursor, config.max_record_bytes), file, config, cursor=cursor)


STAGE = Source(
    name="read.jsonl",
    version=1,
    config=Config,
    adds=adds,
    reasons={NO_TEXT: NO_TEXT_SAYS, RECORD_TOO_LARGE: RECORD_TOO_LARGE_SAYS},
    libraries=("orjson",),
    splits=splits,
    read=read,
    transient=("text",),
    seeks=("jsonl", "ndjson"),
)
