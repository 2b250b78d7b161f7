"""Single records of archives, named by rows (file, offset, length) of a Parquet index such as Common Crawl's.

Only the bytes that the rows name are fetched: nothing around them, and nothing twice. Of file systems that can do
many requests at once (HTTP, S3) up to 64 ranges are fetched together; of others one by one, from a file that stays
open while its rows follow each other, which they do in an index that is sorted by file.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from io import IOBase
from typing import Any, NamedTuple, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from datapipe.algo.frames import open_file
from datapipe.algo.tables import unless_damage
from datapipe.errors import InputError
from datapipe.stage import File
from stages.read.warc._lists import located

ENDING = ".parquet"
COLUMNS = ("warc_filename", "warc_record_offset", "warc_record_length")
_KINDS = {COLUMNS[0]: (pa.string(), pa.large_string(), pa.string_view())}
_WINDOW_ROWS = 64
_WINDOW_BYTES = 16 << 20


class Range(NamedTuple):
    """A row of the index: its number, the path of its archive, and the bytes of its record."""

    row: int
    path: str
    offset: int
    length: int

    @property
    def whole(self) -> bool:
        """Whether it can be fetched: no part is null, empty, below zero or beyond what a file can have."""
        return bool(self.path) and self.offset >= 0 and self.length > 0 and self.offset + self.length < 1 << 63


class Fetched(NamedTuple):
    """A range and its bytes, fewer where the file ends before; none where it was not to be fetched."""

    range: Range
    data: bytes | None


def windows(index: File, cursor: int, *, prefix: str | None, most: int) -> Iterator[list[Fetched]]:
    """The records of an index from row `cursor` on, some at a time; those longer than `most` bytes without bytes.

    Raises InputError for an index without the columns, and for an archive that cannot be read.
    """
    fetcher = _Fetcher()
    window: list[Range] = []
    size = 0
    try:
        for one in _rows(index, cursor, prefix):
            if window and (len(window) >= _WINDOW_ROWS or size + one.length > _WINDOW_BYTES):
                yield fetcher.fetch(window, most)
                window, size = [], 0
            window.append(one)
            size += one.length if one.whole and one.length <= most else 0
        if window:
            yield fetcher.fetch(window, most)
    finally:
        fetcher.close()


def _rows(index: File, cursor: int, prefix: str | None) -> Iterator[Range]:
    with open_file(index) as opened:
        try:
            table = pq.ParquetFile(pa.PythonFile(cast(IOBase, opened), mode="r"))
            _check(table.schema_arrow, index)
            start = 0
            for group in range(table.num_row_groups):
                end = start + table.metadata.row_group(group).num_rows
                if end > cursor:
                    batches = table.iter_batches(1024, [group], list(COLUMNS), use_threads=False)
                    yield from _ranges(batches, index, start, cursor=cursor, prefix=prefix)
                start = end
        except (pa.ArrowException, OSError) as error:
            why = f"{index.path} cannot be read as an index ({type(error).__name__})"
            raise InputError(why, remedy="write the index anew") from error


def _ranges(
    batches: Iterator[pa.RecordBatch], index: File, start: int, *, cursor: int, prefix: str | None
) -> Iterator[Range]:
    """The rows of a row group that begins at `start`; where it is damaged, one that cannot be fetched."""
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            unless_damage(error, index)
            if start >= cursor:
                yield Range(start, "", -1, -1)
            return
        if batch is None:
            return
        skip = min(max(cursor - start, 0), len(batch))
        names, offsets, lengths = (batch.column(name).slice(skip) for name in COLUMNS)
        names = names.cast(names.type.value_type) if isinstance(names.type, pa.DictionaryType) else names
        columns = (_paths(names), offsets.to_pylist(), lengths.to_pylist())
        for row, (name, offset, length) in enumerate(zip(*columns, strict=True), start + skip):
            path = located(name, prefix) if name else ""
            yield Range(row, path, -1 if offset is None else offset, -1 if length is None else length)
        start += len(batch)


def _paths(names: Any) -> list[str | None]:
    """None for a path that is no UTF-8, which Arrow does not look at when it reads."""
    try:
        paths: list[str | None] = names.to_pylist()
    except UnicodeDecodeError:
        return [_path(name) for name in names.cast(pa.large_binary()).to_pylist()]
    return paths


def _path(name: bytes | None) -> str | None:
    try:
        return None if name is None else name.decode()
    except UnicodeDecodeError:
        return None


def _check(given: pa.Schema, index: File) -> None:
    lacking = [name for name in COLUMNS if name not in given.names]
    if lacking:
        raise InputError(
            f"{index.path} is no index of archives: it has no column {', '.join(lacking)}",
            remedy=f"an index has {', '.join(COLUMNS)}; tables of texts are read by read.parquet",
        )
    for name in COLUMNS:
        kind = given.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        fits = kind in _KINDS[name] if name in _KINDS else pa.types.is_integer(kind)
        if not fits:
            raise InputError(f"{index.path}: column {name!r} holds {kind}", remedy="it should be a name or a number")


class _Fetcher:
    """Fetches ranges; keeps the last file open where files are read by handles."""

    def __init__(self) -> None:
        self._path = ""
        self._file: Any = None

    def fetch(self, window: list[Range], most: int) -> list[Fetched]:
        """The ranges with their bytes, in order."""
        found: dict[int, bytes] = {}
        for fs, group in _by_system([one for one in window if one.whole and one.length <= most]):
            if getattr(fs, "async_impl", False):
                found.update(_together(fs, group))
            else:
                found.update((one.row, self._alone(fs, one)) for one, _ in group)
        return [Fetched(one, found.get(one.row)) for one in window]

    def _alone(self, fs: Any, one: Range) -> bytes:
        try:
            if self._path != one.path:
                self.close()
                self._file = fs.open(one.path, "rb", cache_type="none")
                self._path = one.path
            self._file.seek(one.offset)
            data: bytes = self._file.read(one.length)
        except (OSError, ValueError) as error:
            raise _unreadable(one, error) from error
        return data

    def close(self) -> None:
        """Closes the file that was kept open."""
        if self._file is not None:
            self._file.close()
        self._file, self._path = None, ""


def _by_system(ranges: list[Range]) -> Iterator[tuple[Any, list[tuple[Range, str]]]]:
    """Ranges with their paths as their file system writes them, for each file system."""
    groups: dict[int, tuple[Any, list[tuple[Range, str]]]] = {}
    for one in ranges:
        try:
            fs, path = fsspec.core.url_to_fs(one.path)  # the same object for the same kind of URL
        except (ImportError, ValueError) as error:
            raise _unreadable(one, error) from error
        groups.setdefault(id(fs), (fs, []))[1].append((one, path))
    yield from groups.values()


def _together(fs: Any, group: list[tuple[Range, str]]) -> Iterator[tuple[int, bytes]]:
    starts, ends = [one.offset for one, _ in group], [one.offset + one.length for one, _ in group]
    answers = fs.cat_ranges([path for _, path in group], starts, ends, on_error="return")
    for (one, _), answer in zip(group, answers, strict=True):
        data = b"" if isinstance(answer, BaseException) and _beyond(answer) else answer  # as a file says it
        if isinstance(data, BaseException):
            raise _unreadable(one, data) from data
        if len(data) > one.length:
            raise _unreadable(one, ValueError("the server does not answer ranges"))
        yield one.row, data


def _beyond(error: BaseException) -> bool:
    """Whether a server says that the file ends before the range: HTTP status 416, in S3's words InvalidRange."""
    return getattr(error, "status", None) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or "InvalidRange" in str(error)


def _unreadable(one: Range, error: BaseException) -> InputError:
    what = f"{one.path}: bytes {one.offset} to {one.offset + one.length} of the index's row {one.row} cannot be read"
    said = str(error) if isinstance(error, ImportError | ValueError) else ""
    why = getattr(error, "strerror", None) or said or type(error).__name__
    return InputError(f"{what} ({why})", remedy="set `prefix` to the folder or URL that the archives lie below")
