"""Read texts from CSV and TSV files, plain or packed by gzip, zstd, lz4, bzip2 or xz.

One document a record, as RFC 4180 has it: fields may be quoted, and hold delimiters, doubled quotes and line breaks
then. The first record names the columns unless `header` does. Blank lines are passed over. A line that does not
parse, has another number of fields than the header, is in no known charset, or lacks the id that `columns` promises
is a row with `damaged_input`, and reading goes on behind it; so is the place where a packed file is damaged, behind
which nothing is read, and a header that cannot be read.

`record` equals `cursor`: the byte offset of the record in the unpacked stream. A plain file is resumed by a seek, a
packed one by unpacking it up to there. `text` is not stored but read again where it is needed; `keep: [text]` stores
it. Costs unpacking and some 20 microseconds for a record of 2 KB with ten fields.
Source: https://www.rfc-editor.org/rfc/rfc4180
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pyarrow as pa
from pydantic import AfterValidator

from datapipe.algo.csv_records import Dialect, csv_documents
from datapipe.algo.fields import (
    NO_TEXT,
    NO_TEXT_SAYS,
    RECORD_TOO_LARGE,
    RECORD_TOO_LARGE_SAYS,
    RecordConfig,
    adds,
)
from datapipe.algo.inputs import find_files, one_split_per_file, packed_suffixes
from datapipe.algo.lines import known_charset
from datapipe.stage import Source, Split, measure

_SUFFIXES = packed_suffixes("csv", "tsv", "tab")


def _one_character(value: str | None) -> str | None:
    if value is not None and (len(value) != 1 or value in "\r\n"):
        raise ValueError(f'{value!r} is not one character; a tab is written "\\t"')
    return value


class Config(RecordConfig):
    """How the files are written, and which fields are which columns."""

    delimiter: Annotated[str | None, AfterValidator(_one_character)] = measure(
        None,
        "character between fields; none given: a tab in .tsv and .tab, else the most frequent of , tab ; | in line 1",
    )
    quote: Annotated[str | None, AfterValidator(_one_character)] = measure(
        '"', "character around fields that hold others; null: quotes are text"
    )
    encoding: Annotated[str | None, AfterValidator(known_charset)] = measure(
        None, "charset such as utf-8 or gb18030; none given: detected in each file"
    )
    header: tuple[str, ...] | None = measure(
        None, "names of the columns, for files whose first line is a record already", min_length=1
    )


def splits(config: Config) -> list[Split]:
    """One split per file."""
    return one_split_per_file(find_files(config.paths, suffixes=_SUFFIXES, allow_missing=config.allow_missing))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents from byte `cursor` on; raises InputError if the file cannot be opened or has no column for text."""
    dialect = Dialect(config.delimiter, config.quote, config.encoding, config.header)
    yield from csv_documents(split.files[0], config, cursor, dialect)


STAGE = Source(
    name="read.csv",
    version=1,
    config=Config,
    adds=adds,
    reasons={NO_TEXT: NO_TEXT_SAYS, RECORD_TOO_LARGE: RECORD_TOO_LARGE_SAYS},
    libraries=("orjson", "resiliparse"),
    splits=splits,
    read=read,
    transient=("text",),
    seeks=("csv", "tsv", "tab"),
)
