"""Tables in Arrow's memory, read in pieces of bounded size from Parquet and Arrow files, damaged ones too.

A piece is at most 1,024 rows and some 8 MiB. What a row group or batch holds that cannot be read is one piece without
rows; rows with a string that is no UTF-8, which Arrow does not look at when it reads, are named, with null for it.
Costs decoding, and checking strings at a GB/s or more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from io import IOBase
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datapipe.algo.frames import open_file
from datapipe.errors import InputError
from datapipe.stage import MAX_BATCH_BYTES, MAX_BATCH_ROWS, File

__all__ = ["Check", "Piece", "Rows", "arrow_pieces", "parquet_pieces", "plain", "unless_damage", "values_of", "without"]

_FILE_MAGIC = b"ARROW1"
_OLD_FEATHER = b"FEA1"
_PROBED = 16  # rows that tell how much a column grows that stores each value once
_PAGES = 1 << 20  # bytes of a column of a local Parquet file read in one go; its row groups are not held
_NOT_IN_PYTHON = (OverflowError, ValueError, KeyError)  # times beyond the year 9999, zones with unknown names

Rows: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
# Looks at a file's columns, raises InputError where they will not do, and says which are read; None: all.
Check: TypeAlias = Callable[[pa.Schema], "frozenset[str] | None"]


class Piece(NamedTuple):
    """Rows of a table, the first of which is row `first` of the file; `batch` is None where it could not be read.

    `damaged`: which rows hold a string that is no UTF-8, for which null stands; None if none does.
    """

    first: int
    batch: pa.RecordBatch | None
    damaged: Rows | None = None


def parquet_pieces(file: File, check: Check, cursor: int) -> Iterator[Piece]:
    """Rows from row `cursor` on; raises InputError if the file cannot be opened, and what `check` raises."""
    with open_file(file) as opened:
        try:
            # Of a file far away, a row group is fetched at once: many small requests would cost more than its memory.
            pages: dict[str, Any] = {} if "://" in file.path else {"buffer_size": _PAGES, "pre_buffer": False}
            table = pq.ParquetFile(pa.PythonFile(cast(IOBase, opened), mode="r"), **pages)
        except (pa.ArrowException, OSError) as error:
            unless_damage(error, file)
            yield Piece(0, None)
            return
        given = table.schema_arrow
        known = check(given)
        wanted = None if known is None else sorted(known & set(given.names))
        start = 0
        for group in range(table.num_row_groups):
            end = start + table.metadata.row_group(group).num_rows
            if end > cursor:
                yield from _pieces(_group_batches(table, group, wanted), file, start, cursor)
            start = end


def arrow_pieces(file: File, check: Check, cursor: int) -> Iterator[Piece]:
    """The same of an Arrow IPC file or stream, or Feather (version 2), one of its record batches at a time."""
    with open_file(file) as opened:
        head = opened.read(len(_FILE_MAGIC))
        if head.startswith(_OLD_FEATHER):
            raise InputError(f"{file.path}: Feather version 1 is not read", remedy="write it again with version 2")
        opened.seek(0)
        source = pa.PythonFile(cast(IOBase, opened), mode="r")
        try:
            reader: Any = pa.ipc.open_file(source) if head == _FILE_MAGIC else pa.ipc.open_stream(source)
        except (pa.ArrowException, OSError) as error:
            unless_damage(error, file)
            yield Piece(0, None)
            return
        known = check(reader.schema)
        yield from _pieces(_arrow_batches(reader, known), file, 0, cursor)


def _arrow_batches(reader: Any, known: frozenset[str] | None) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.ipc.RecordBatchFileReader):
        given: Any = (reader.get_batch(number) for number in range(reader.num_record_batches))
    else:
        given = reader
    for batch in given:
        yield batch if known is None else batch.select([name for name in batch.schema.names if name in known])


def _pieces(batches: Iterator[pa.RecordBatch], file: File, row: int, cursor: int) -> Iterator[Piece]:
    """Pieces from row `cursor` on of batches that begin at `row`, and one for the place where they are damaged.

    Only what Arrow says while it decodes and checks is damage of the file.
    """
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            skip = min(max(cursor - row, 0), batch.num_rows)
            starts = range(skip, batch.num_rows, MAX_BATCH_ROWS)
            sound = [_without_bad_strings(batch.slice(start, MAX_BATCH_ROWS)) for start in starts]
        except (pa.ArrowException, OSError) as error:
            unless_damage(error, file)
            if row >= cursor:
                yield Piece(row, None)
            return
        row += skip
        for piece, damaged in sound:
            yield Piece(row, piece, damaged)
            row += piece.num_rows


def unless_damage(error: BaseException, file: File) -> None:
    """Raise what is no damage of a file's bytes: a bad disk, too little memory, a form that Arrow does not read."""
    if isinstance(error, OSError) and error.errno is not None:  # of bad bytes Arrow says OSError, too, with no number
        raise error
    if isinstance(error, MemoryError):
        raise InputError(
            f"{file.path}: there is too little memory to read it", remedy="run with fewer workers"
        ) from error
    if isinstance(error, pa.ArrowNotImplementedError):
        why = " ".join(str(error).split())[:200]
        raise InputError(
            f"{file.path} is in a form that Arrow does not read ({why})", remedy="write it anew"
        ) from error


def _group_batches(table: pq.ParquetFile, group: int, wanted: list[str] | None) -> Iterator[pa.RecordBatch]:
    """A row group in batches of some 8 MiB, as far as its metadata and its first rows tell their size."""
    about = table.metadata.row_group(group)
    weight = about.total_byte_size / max(about.num_rows, 1)
    if any("RLE_DICTIONARY" in about.column(i).encodings for i in range(about.num_columns)):
        first = next(table.iter_batches(_PROBED, [group], wanted, use_threads=False), None)
        weight = max(weight, first.nbytes / first.num_rows) if first is not None and first.num_rows else weight
    rows = min(MAX_BATCH_ROWS, max(1, int(MAX_BATCH_BYTES / max(weight, 1))))
    held: list[pa.RecordBatch] = []  # the first rows may be larger than all others
    for batch in table.iter_batches(rows, [group], wanted, use_threads=False):
        if held and batch.nbytes > MAX_BATCH_BYTES - sum(each.nbytes for each in held):
            yield _joined(held)
            held = []
        held.append(batch)
        if sum(map(len, held)) + rows > MAX_BATCH_ROWS:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


# ---------------------------------------------------------------------------------------------- values


def _without_bad_strings(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Rows | None]:
    """The batch with null for what holds a string that is no UTF-8, and which rows do; None if none does."""
    damaged: Rows | None = None
    for number, column in enumerate(batch.columns):
        with contextlib.suppress(pa.ArrowNotImplementedError):  # of a type that Arrow cannot take apart
            if all(_is_valid(strings) for strings in _strings_in(column)):
                continue
        bad = np.fromiter((_is_bad(value) for value in column), np.bool_, batch.num_rows)
        damaged = bad if damaged is None else damaged | bad
        batch = batch.set_column(number, batch.schema.field(number).name, without(column, bad))
    return batch, damaged


def without(array: Any, rows: Rows) -> Any:
    """The array with null in some rows."""
    return array.take(pa.array(np.arange(len(rows)), mask=rows))


def _strings_in(array: Any) -> Iterator[Any]:
    """The arrays of strings in a column of any type; of a slice only what is in it."""
    array = plain(array.storage if isinstance(array, pa.ExtensionArray) else array)
    kind = array.type
    if pa.types.is_struct(kind):
        for field in array.flatten():
            yield from _strings_in(field)
    elif pa.types.is_map(kind):
        yield from _strings_in(array.keys)
        yield from _strings_in(array.items)
    elif pa.types.is_nested(kind) and hasattr(array, "flatten"):
        yield from _strings_in(array.flatten())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        yield array


def _is_valid(strings: Any) -> bool:
    """Whether all is UTF-8; raises ArrowInvalid for other damage."""
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            return False
        raise
    return True


def _is_bad(value: Any) -> bool:
    try:
        value.as_py()
    except UnicodeDecodeError:
        return True
    except _NOT_IN_PYTHON:  # which is another matter
        return False
    return False


def plain(array: Any) -> Any:
    """The array with its values in place, where it holds them by number."""
    return pc.cast(array, array.type.value_type) if pa.types.is_dictionary(array.type) else array


def values_of(array: Any) -> list[Any]:
    """A column as Python has it; of times that it does not have, strings, in UTC where the zone is not known."""
    try:
        values: list[Any] = array.to_pylist()
    except _NOT_IN_PYTHON:
        array = plain(array)
        if not pa.types.is_timestamp(array.type):
            return [_value(value) for value in array]
        values = pc.cast(pc.cast(array, pa.timestamp(array.type.unit)), pa.string()).to_pylist()
    return values


def _value(value: Any) -> Any:
    try:
        return value.as_py()
    except _NOT_IN_PYTHON:
        return "value out of range"
