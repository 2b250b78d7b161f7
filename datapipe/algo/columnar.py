"""Documents from tables in Arrow's memory: Parquet and Arrow files, read in pieces of bounded size.

`record` equals `cursor`: the row's number in the file. Of a Parquet file reading resumes at the row group, of an Arrow
file by passing over the batches before. What a row group or batch holds that cannot be read is one row with
`damaged_input`, and so is each row with a string that is no UTF-8, which Arrow does not look at when it reads.
Costs decoding, and checking strings at a GB/s or more; fields that go to `metadata` cost a microsecond or more a row,
for they become JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
from datapipe.algo.inputs import DAMAGED_INPUT, constant, digest16
from datapipe.algo.tables import Check, Piece, Rows, arrow_pieces, parquet_pieces, plain, values_of, without
from datapipe.errors import InputError
from datapipe.schema import COLUMNS
from datapipe.stage import MAX_BATCH_BYTES, File

__all__ = ["arrow_documents", "parquet_documents"]


def parquet_documents(file: File, config: TableConfig, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents from row `cursor` on; raises InputError if the file cannot be opened or has no text column."""
    yield from _documents(parquet_pieces(file, _checked(file, config), cursor), file, config)


def arrow_documents(file: File, config: TableConfig, cursor: int) -> Iterator[pa.RecordBatch]:
    """The same of an Arrow IPC file or stream, or Feather (version 2), one of its record batches at a time."""
    yield from _documents(arrow_pieces(file, _checked(file, config), cursor), file, config)


def _documents(pieces: Iterator[Piece], file: File, config: TableConfig) -> Iterator[pa.RecordBatch]:
    for first, batch, damaged in pieces:
        if batch is None:
            yield damaged_row(first, file, config)
        else:
            yield from table_documents(batch, file, config, damaged=damaged, first=first)


def _checked(file: File, config: TableConfig) -> Check:
    """Whether the columns are there that the config names, and which are read."""

    def check(given: pa.Schema) -> frozenset[str] | None:
        _check_columns(given, file, config)
        return None if config.metadata else frozenset(field_of(config).values())

    return check


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


def damaged_row(row: int, file: File, config: TableConfig) -> pa.RecordBatch:
    """A row for the place from which on a table could not be read."""
    identity = substitute_id(file.name, row) if "id" in config.columns else digest16(b"")
    layout = batch_schema(config)
    values = [row, row, 0, file.name, DAMAGED_INPUT, identity]
    known = dict(zip(layout.names, values, strict=False)) | {"source": config.source, "snapshot": config.snapshot}
    return pa.RecordBatch.from_arrays([pa.array([known.get(one.name)], one.type) for one in layout], schema=layout)


def table_documents(
    batch: pa.RecordBatch, file: File, config: TableConfig, *, damaged: Rows | None, first: int
) -> Iterator[pa.RecordBatch]:
    """Documents of a table's rows, the first of which is row `first` of the file; batches of at most 8 MiB of text.

    `damaged`: which rows hold a string that is no UTF-8, for which null stands; None if none does.
    """
    if not batch.num_rows:
        return
    fields = field_of(config)
    text: Any = pc.cast(plain(batch[fields["text"]]), pa.large_string())
    text = text if damaged is None else without(text, damaged)
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
    array = plain(array)
    if any(is_such(array.type) for is_such in _CAST):
        return pc.cast(array, kind)
    return pa.array([as_string(value) for value in values_of(array)], kind)


def _digests(text: Any) -> list[bytes]:
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, np.int64, len(text) + 1, text.offset * 8).tolist()
    view = memoryview(data) if data is not None else memoryview(b"")
    return [digest16(view[start:end]) for start, end in pairwise(ends)]


def _metadata(batch: pa.RecordBatch, known: frozenset[str], damaged: Rows | None) -> Any:
    rest = [name for name in batch.schema.names if name not in known]
    if not rest:
        return constant(None, COLUMNS["metadata"], batch.num_rows)
    rows = zip(*(values_of(batch[name]) for name in rest), strict=True)
    made = pa.array([as_json(dict(zip(rest, row, strict=True))) for row in rows], COLUMNS["metadata"])
    return made if damaged is None else without(made, damaged)
