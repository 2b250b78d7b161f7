"""Documents from tables in Arrow's memory: Parquet and Arrow files, read in pieces of bounded size.

`record` equals `cursor`: the row's number in the file. Of a Parquet file reading resumes at the row group, of an Arrow
file by passing over the batches before. What a row group or batch holds that cannot be read is one row with
`damaged_input`, and so is each row with a string that is no UTF-8, which Arrow does not look at when it reads.
Costs decoding, and checking strings at a GB/s or more; fields that go to `metadata` cost a microsecond or more a row,
for they become JSON.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from io import IOBase
from itertools import pairwise
from typing import Any, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datapipe.algo.fields import (
    EMBEDDING,
    NO_TEXT,
    TableConfig,
    as_json,
    as_string,
    batch_schema,
    check_fields,
    field_of,
    is_vectors,
    substitute_id,
)
from datapipe.algo.frames import open_file
from datapipe.algo.inputs import DAMAGED_INPUT, constant, digest16
from datapipe.errors import InputError
from datapipe.schema import COLUMNS
from datapipe.stage import MAX_BATCH_BYTES, MAX_BATCH_ROWS, File

__all__ = ["arrow_documents", "parquet_documents", "unless_damage"]

_FILE_MAGIC = b"ARROW1"
_OLD_FEATHER = b"FEA1"
_PROBED = 16  # rows that tell how much a column grows that stores each value once
_PAGES = 1 << 20  # bytes of a column of a local Parquet file read in one go; its row groups are not held


def parquet_documents(file: File, config: TableConfig, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents from row `cursor` on; raises InputError if the file cannot be opened or has no text column."""
    with open_file(file) as opened:
        try:
            # Of a file far away, a row group is fetched at once: many small requests would cost more than its memory.
            pages: dict[str, Any] = {} if "://" in file.path else {"buffer_size": _PAGES, "pre_buffer": False}
            table = pq.ParquetFile(pa.PythonFile(cast(IOBase, opened), mode="r"), **pages)
        except (pa.ArrowException, OSError) as error:
            unless_damage(error, file)
            yield damaged_row(0, file, config)
            return
        _check_columns(table.schema_arrow, file, config)
        yield from _groups(table, file, config, cursor)


def arrow_documents(file: File, config: TableConfig, cursor: int) -> Iterator[pa.RecordBatch]:
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
            yield damaged_row(0, file, config)
            return
        _check_columns(reader.schema, file, config)
        yield from _documents(_arrow_batches(reader), file, config, row=0, cursor=cursor)


def _arrow_batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.ipc.RecordBatchFileReader):
        yield from (reader.get_batch(number) for number in range(reader.num_record_batches))
    else:
        yield from reader


def _documents(
    batches: Iterator[pa.RecordBatch], file: File, config: TableConfig, *, row: int, cursor: int
) -> Iterator[pa.RecordBatch]:
    """Documents from row `cursor` on of batches that begin at `row`; a row for the place where they are damaged.

    Only what Arrow says while it decodes and checks is damage of the file.
    """
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            skip = min(max(cursor - row, 0), batch.num_rows)
            sound = [_sound(batch.slice(start, MAX_BATCH_ROWS), config) for start in _starts(batch, skip)]
        except (pa.ArrowException, OSError) as error:
            unless_damage(error, file)
            if row >= cursor:
                yield damaged_row(row, file, config)
            return
        row += skip
        for piece, damaged in sound:
            yield from table_documents(piece, file, config, damaged=damaged, first=row)
            row += piece.num_rows


def _starts(batch: pa.RecordBatch, skip: int) -> range:
    return range(skip, batch.num_rows, MAX_BATCH_ROWS)


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


def _check_columns(given: pa.Schema, file: File, config: TableConfig) -> None:
    check_fields(given.names, file, config)
    name = field_of(config)["text"]
    kind = given.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise InputError(f"{file.path}: column {name!r} holds {kind}, not strings", remedy="map another to text")

    if EMBEDDING in config.columns:
        name = config.columns[EMBEDDING]
        kind = given.field(name).type
        if not is_vectors(kind):
            raise InputError(f"{file.path}: column {name!r} holds {kind}, not lists of numbers", remedy="name another")


def _groups(table: pq.ParquetFile, file: File, config: TableConfig, cursor: int) -> Iterator[pa.RecordBatch]:
    wanted = None if config.metadata else sorted(set(field_of(config).values()) & set(table.schema_arrow.names))
    start = 0
    for group in range(table.num_row_groups):
        end = start + table.metadata.row_group(group).num_rows
        if end > cursor:
            yield from _documents(_group_batches(table, group, wanted), file, config, row=start, cursor=cursor)
        start = end


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


def damaged_row(row: int, file: File, config: TableConfig) -> pa.RecordBatch:
    """A row for the place from which on a table could not be read."""
    identity = substitute_id(file.name, row) if "id" in config.columns else digest16(b"")
    layout = batch_schema(config)
    values = [row, row, 0, file.name, DAMAGED_INPUT, identity]
    known = dict(zip(layout.names, values, strict=False)) | {"source": config.source, "snapshot": config.snapshot}
    return pa.RecordBatch.from_arrays([pa.array([known.get(one.name)], one.type) for one in layout], schema=layout)


def _sound(batch: pa.RecordBatch, config: TableConfig) -> tuple[pa.RecordBatch, _Rows | None]:
    return _without_bad_strings(batch if config.metadata else _known(batch, field_of(config)))


def table_documents(
    batch: pa.RecordBatch, file: File, config: TableConfig, *, damaged: _Rows | None, first: int
) -> Iterator[pa.RecordBatch]:
    """Documents of a table's rows, the first of which is row `first` of the file; batches of at most 8 MiB of text.

    `damaged`: which rows hold a string that is no UTF-8, for which null stands; None if none does.
    """
    if not batch.num_rows:
        return
    fields = field_of(config)
    text: Any = pc.cast(_plain(batch[fields["text"]]), pa.large_string())
    text = text if damaged is None else _without(text, damaged)
    sizes = np.asarray(pc.fill_null(pc.binary_length(text), 0), np.int64)
    rows = np.arange(first, first + batch.num_rows, dtype=np.int64)
    made: dict[str, Callable[[], Any]] = {
        "record": lambda: pa.array(rows),
        "cursor": lambda: pa.array(rows),
        "bytes": lambda: pa.array(sizes),
        "file": lambda: constant(file.name, pa.string(), batch.num_rows),
        "digest": lambda: pa.array(_digests(text), pa.binary(16)),
        "text": lambda: text,
        "metadata": lambda: _metadata(batch, frozenset(fields.values()), damaged),
        "source": lambda: constant(config.source, pa.string(), batch.num_rows),
        "snapshot": lambda: constant(config.snapshot, pa.string(), batch.num_rows),
    }
    missing = pc.is_null(text)
    reasons = pc.if_else(missing, NO_TEXT, pa.scalar(None, pa.string()))
    if damaged is not None:
        reasons = pc.if_else(pa.array(damaged), DAMAGED_INPUT, reasons)
    if "id" in fields:
        ids = _strings(batch[fields["id"]], pa.string())
        none = pc.fill_null(pc.equal(ids, pa.scalar("", pa.string())), True)
        reasons = pc.if_else(none, DAMAGED_INPUT, reasons)
        substitutes = pa.array([substitute_id(file.name, int(row)) for row in rows], pa.string())
        made["id"] = lambda: pc.if_else(none, substitutes, ids)
    made["reason"] = lambda: reasons
    layout = batch_schema(config)
    arrays = [made[one.name]() if one.name in made else _column(batch, fields[one.name], one.type) for one in layout]
    whole = pa.RecordBatch.from_arrays(arrays, schema=layout)
    yield from _bounded(whole, sizes)


def _bounded(batch: pa.RecordBatch, sizes: np.ndarray[Any, Any]) -> Iterator[pa.RecordBatch]:
    """Slices of at most 8 MiB of text."""
    start, total = 0, 0
    for row, size in enumerate(sizes.tolist()):
        if row > start and total + size > MAX_BATCH_BYTES:
            yield batch.slice(start, row - start)
            start, total = row, 0
        total += size
    yield batch.slice(start)


# ---------------------------------------------------------------------------------------------- values


_Rows: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
_NOT_IN_PYTHON = (OverflowError, ValueError, KeyError)  # times beyond the year 9999, zones with unknown names
# Types that Arrow writes as strings by itself, as Python would.
_CAST = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_decimal,
    pa.types.is_date,
    pa.types.is_null,
    lambda kind: pa.types.is_timestamp(kind) and kind.tz is None,
)


def _known(batch: pa.RecordBatch, fields: dict[str, str]) -> pa.RecordBatch:
    return batch.select([name for name in batch.schema.names if name in fields.values()])


def _without_bad_strings(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, _Rows | None]:
    """The batch with null for what holds a string that is no UTF-8, and which rows do; None if none does."""
    damaged: _Rows | None = None
    for number, column in enumerate(batch.columns):
        with contextlib.suppress(pa.ArrowNotImplementedError):  # of a type that Arrow cannot take apart
            if all(_is_valid(strings) for strings in _strings_in(column)):
                continue
        bad = np.fromiter((_is_bad(value) for value in column), np.bool_, batch.num_rows)
        damaged = bad if damaged is None else damaged | bad
        batch = batch.set_column(number, batch.schema.field(number).name, _without(column, bad))
    return batch, damaged


def _without(array: Any, rows: _Rows) -> Any:
    return array.take(pa.array(np.arange(len(rows)), mask=rows))


def _strings_in(array: Any) -> Iterator[Any]:
    """The arrays of strings in a column of any type; of a slice only what is in it."""
    array = _plain(array.storage if isinstance(array, pa.ExtensionArray) else array)
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


def _plain(array: Any) -> Any:
    return pc.cast(array, array.type.value_type) if pa.types.is_dictionary(array.type) else array


def _values(array: Any) -> list[Any]:
    """A column as Python has it; of times that it does not have, strings, in UTC where the zone is not known."""
    try:
        values: list[Any] = array.to_pylist()
    except _NOT_IN_PYTHON:
        array = _plain(array)
        if not pa.types.is_timestamp(array.type):
            return [_value(value) for value in array]
        values = pc.cast(pc.cast(array, pa.timestamp(array.type.unit)), pa.string()).to_pylist()
    return values


def _value(value: Any) -> Any:
    try:
        return value.as_py()
    except _NOT_IN_PYTHON:
        return "value out of range"


def _column(batch: pa.RecordBatch, field: str, kind: pa.DataType) -> Any:
    if kind == COLUMNS[EMBEDDING]:
        return _vectors(batch[field])
    return _strings(batch[field], kind) if field in batch.schema.names else constant(None, kind, batch.num_rows)


def _vectors(lists: Any) -> Any:
    """Lists of float32; what is beyond these is infinite."""
    if pa.types.is_fixed_size_list(lists.type):  # of which a null has numbers, too
        lists = pc.cast(lists, pa.large_list(lists.type.value_type))
    numbers = np.asarray(lists.flatten().to_numpy(zero_copy_only=False))
    with np.errstate(over="ignore"):
        numbers = numbers.astype(np.float32)
    lengths: Any = pc.fill_null(pc.list_value_length(lists), 0)
    offsets: Any = np.concatenate([[0], np.cumsum(np.asarray(lengths))]).astype(np.int64)
    is_null = lists.is_null() if lists.null_count else None
    parts: tuple[Any, Any] = pa.array(offsets), pa.array(numbers)
    return pa.LargeListArray.from_arrays(*parts, mask=is_null)


def _strings(array: Any, kind: pa.DataType) -> Any:
    array = _plain(array)
    if any(is_such(array.type) for is_such in _CAST):
        return pc.cast(array, kind)
    return pa.array([as_string(value) for value in _values(array)], kind)


def _digests(text: Any) -> list[bytes]:
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, np.int64, len(text) + 1, text.offset * 8).tolist()
    view = memoryview(data) if data is not None else memoryview(b"")
    return [digest16(view[start:end]) for start, end in pairwise(ends)]


def _metadata(batch: pa.RecordBatch, known: frozenset[str], damaged: _Rows | None) -> Any:
    rest = [name for name in batch.schema.names if name not in known]
    if not rest:
        return constant(None, COLUMNS["metadata"], batch.num_rows)
    rows = zip(*(_values(batch[name]) for name in rest), strict=True)
    made = pa.array([as_json(dict(zip(rest, row, strict=True))) for row in rows], COLUMNS["metadata"])
    return made if damaged is None else _without(made, damaged)
