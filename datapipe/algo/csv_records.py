"""Records of a table in text: CSV and TSV as RFC 4180 has them, with line breaks within quotes.

The standard library's parser reads the fields; here each record keeps its place in the file, and damage costs one
line: a record that does not parse leaves with its first line, and reading goes on with the next. So a quote that is
never closed does not swallow what is behind it.
Costs unpacking, and the half of some 20 microseconds that a document of 2 KB takes.
Source: https://www.rfc-editor.org/rfc/rfc4180
"""

from __future__ import annotations

import csv
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from datapipe.algo.fields import Entry, RecordConfig, check_fields, documents
from datapipe.algo.inputs import digest16
from datapipe.algo.lines import Charset, Line, charset_of, lines
from datapipe.stage import File

__all__ = ["Dialect", "Table", "csv_documents", "open_table"]

_DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True)
class Dialect:
    """How a file is written; None: told from its start. A `quote` of None takes quotes for text."""

    delimiter: str | None = None
    quote: str | None = '"'
    encoding: str | None = None
    header: tuple[str, ...] | None = None


def csv_documents(file: File, config: RecordConfig, cursor: int, dialect: Dialect) -> Iterator[pa.RecordBatch]:
    """Documents from byte `cursor` on; raises InputError if the file cannot be opened or has no column for text."""
    limit = config.max_record_bytes
    table = open_table(file, dialect, limit)
    if isinstance(table, Table):
        check_fields(table.names, file, config)
        yield from documents(table.records(cursor, limit), file, config)
    elif table is not None:
        yield from documents([table], file, config)


@dataclass(frozen=True)
class Table:
    """A file whose columns are known, and the place of its first record."""

    file: File
    names: list[str]
    start: int
    charset: Charset
    options: dict[str, Any]  # of the parser

    def records(self, cursor: int, limit: int) -> Iterator[Entry]:
        """Records from byte `cursor` on, blank lines passed over."""
        feed = _Feed(self.file, max(cursor, self.start), limit, self.charset)
        for taken, fields in _parsed(feed, self.options):
            if fields is None:
                yield _damaged(taken[0], limit)
            elif fields:
                raw = self.charset.newline.join(line.data or b"" for line in taken)
                data = dict(zip(self.names, fields, strict=True)) if len(fields) == len(self.names) else None
                yield Entry(taken[0].offset, len(raw), digest16(raw), data)


def _damaged(line: Line, limit: int) -> Entry:
    return Entry(line.offset, line.size, digest16(line.data or b""), None, too_large=line.size > limit)


def open_table(file: File, dialect: Dialect, limit: int) -> Table | Entry | None:
    """The table in a file; a damaged record if its header cannot be read, None if there is nothing in the file."""
    csv.field_size_limit(sys.maxsize)  # of the whole process; `limit` bounds what is read
    charset = charset_of(file, dialect.encoding)
    feed = _Feed(file, 0, limit, charset)
    options = {"delimiter": dialect.delimiter or _delimiter(file, feed), "strict": True}
    options |= {"quotechar": dialect.quote} if dialect.quote else {"quoting": csv.QUOTE_NONE}
    if dialect.header is not None:
        return Table(file, list(dialect.header), 0, charset, options)
    for taken, fields in _parsed(feed, options):
        if fields is None:
            return _damaged(taken[0], limit)
        if fields:
            end = taken[-1].offset + taken[-1].size + len(charset.newline)
            return Table(file, _distinct(fields), end, charset, options)
    return None


def _distinct(fields: list[str]) -> list[str]:
    """Names of columns; one without a name is called by its number, and a name met again has it added."""
    names: list[str] = []
    for number, field in enumerate(fields, 1):
        name = field.strip()
        names.append(f"{name or 'column'}_{number}" if not name or name in names else name)
    return names


def _delimiter(file: File, feed: _Feed) -> str:
    """Tab by the file's name, else what stands most often in the first line."""
    if any(part in ("tsv", "tab") for part in file.name.lower().split(".")[1:]):
        return "\t"
    first = feed.peek()
    return max(_DELIMITERS, key=lambda one: (first.count(one), -_DELIMITERS.index(one)))


# ---------------------------------------------------------------------------------------------- parsing


class _Unfit(Exception):
    """A line that is over the limit, damaged, or in no charset."""


class _Feed:
    """Lines as the parser asks for them; remembers those of the record in the making and can take them back."""

    def __init__(self, file: File, cursor: int, limit: int, charset: Charset) -> None:
        self._source = lines(file, cursor, limit, charset.newline)
        self._waiting: deque[Line] = deque()
        self._limit = limit
        self._charset = charset
        self._size = 0
        self.taken: list[Line] = []

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._source)
        self.taken.append(line)
        self._size += line.size
        text = None if line.data is None or self._size > self._limit else self._charset.decode(line.data)
        if text is None:
            raise _Unfit
        return text + "\n"

    def peek(self) -> str:
        """The first line, which is read again by what follows; empty if there is none that can be."""
        try:
            text = next(self)
        except (_Unfit, StopIteration):
            text = ""
        self.give_back(0)
        self.begin()
        return text

    def begin(self) -> None:
        """A new record."""
        self.taken, self._size = [], 0

    def give_back(self, keep: int) -> None:
        """Lines behind the first `keep` of this record, to be read again."""
        self._waiting.extendleft(reversed(self.taken[keep:]))
        del self.taken[keep:]


def _parsed(feed: _Feed, options: dict[str, Any]) -> Iterator[tuple[list[Line], list[str] | None]]:
    """The lines of each record and its fields, [] for a blank line; None for one line that is no record."""
    reader = csv.reader(feed, **options)
    while True:
        feed.begin()
        fields: list[str] | None = None
        try:
            fields = next(reader)
        except StopIteration:
            return
        except (csv.Error, _Unfit):
            feed.give_back(1)
        yield feed.taken, fields
