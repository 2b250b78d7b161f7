"""Parquet files of a run: base shards, layers, reasons and exchange files.

`TableWriter` cuts row groups by the rows alone (their number and their bytes), so a file has the same
bytes whether it was written in one pass, extended, or resumed. `TableFile` takes single columns of single
rows, reads only the row groups that hold them, and checks each against the digest in the record: a
damaged, exchanged or foreign file is caught where it is read.
Memory: one row group (at most 16 MiB, or one document) per open column.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, BinaryIO, NoReturn, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datapipe.corpus.digest import digest_values
from datapipe.corpus.record import Part
from datapipe.corpus.store import Store
from datapipe.errors import CorruptData
from datapipe.schema import CONTENT

__all__ = ["Rows", "TableFile", "TableWriter", "row_bytes"]

Rows: TypeAlias = "np.ndarray[Any, np.dtype[np.uint32]]"

GROUP_BYTES = 16 << 20  # twice this bounds a row group of ordinary documents, below the 32 MiB of the design
GROUP_ROWS = 65_536
SLICED_BYTES = 512 << 10  # of files of which many are open at once, a slice of each being read
SLICED_ROWS = 16_384
_DAMAGE = (pa.ArrowException, OSError, ValueError, MemoryError)  # what a damaged footer or page may give
_UNIQUE = CONTENT | {"id", "url", "title", "metadata"}  # a dictionary only costs for these


class TableWriter:
    """Writes one Parquet file from batches of any cut; `sliced` for readers of a slice of each of many files."""

    def __init__(self, target: BinaryIO, schema: pa.Schema, *, sliced: bool = False) -> None:
        self.schema = schema = pa.schema([field.with_type(_as_made(field.type)) for field in schema])
        self._most_bytes, self._most_rows = (SLICED_BYTES, SLICED_ROWS) if sliced else (GROUP_BYTES, GROUP_ROWS)
        words: Any = [field.name for field in schema if pa.types.is_string(field.type) and field.name not in _UNIQUE]
        self._writer = pq.ParquetWriter(
            target, schema, compression="zstd", compression_level=1, use_dictionary=words, write_page_checksum=True
        )
        self._pending: list[pa.RecordBatch] = []
        self._bytes = 0
        self._rows = 0
        self.rows = 0
        self.digests: dict[str, list[str]] = {name: [] for name in schema.names}

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; the batch has the writer's columns, in its order."""
        sizes = row_bytes(batch)
        start = 0
        while start < len(batch):
            ahead = sizes[start : start + self._most_rows]
            room = np.searchsorted(np.cumsum(ahead), self._most_bytes - self._bytes, side="left") + 1
            stop = min(start + int(room), start + self._most_rows - self._rows, len(batch))
            self._pending.append(batch.slice(start, stop - start))
            self._bytes += int(sizes[start:stop].sum())
            self._rows += stop - start
            start = stop
            if self._bytes >= self._most_bytes or self._rows >= self._most_rows:
                self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        table = pa.Table.from_batches(self._pending, self.schema).combine_chunks()
        self._writer.write_table(table, row_group_size=max(len(table), 1))
        for name in self.schema.names:
            self.digests[name].append(digest_values(table.column(name)))
        self.rows += len(table)
        self._pending, self._bytes, self._rows = [], 0, 0

    def close(self) -> None:
        """Write what is pending and the footer."""
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Write no more, not even a footer when the object goes."""
        self._writer.is_open = False


def _as_made(kind: Any) -> Any:
    """A type whose lists hold `item`, as made in memory: read from Parquet they hold `element`, and a file says so."""
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_as_made(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        item = kind.value_field.with_name("item").with_type(_as_made(kind.value_type))
        return pa.list_(item) if pa.types.is_list(kind) else pa.large_list(item)
    return kind


def row_bytes(batch: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Bytes of each row: 8 a column, and the length of what varies."""
    sizes = np.full(len(batch), 8 * batch.num_columns, np.int64)
    for column in batch.columns:
        sizes += _lengths(column)
    return sizes


def _lengths(column: Any) -> Any:
    kind = column.type
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        offsets = column.offsets.to_numpy()
        inner = np.concatenate([[0], np.cumsum(_lengths(column.values))])
        return np.diff(inner[offsets]) + 8 * np.diff(offsets)
    if pa.types.is_struct(kind):
        return sum((_lengths(field) for field in column.flatten()), np.zeros(len(column), np.int64))
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or "large_" in str(kind):
        return pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.zeros(len(column), np.int64)


class TableFile:
    """A Parquet file of the run, read by row and column, checked against its `Part`."""

    def __init__(self, store: Store, part: Part) -> None:
        self.part = part
        self.name = store.at(part.run).path(part.path)
        self._file = self._open(store.at(part.run))
        if self.columns != list(part.digests):
            self._refuse("does not have the columns that its record describes")
        groups = [self._file.metadata.row_group(i).num_rows for i in range(self._file.metadata.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(groups)]).astype(np.int64)
        if int(self._starts[-1]) != part.rows:
            self._refuse(f"has {self._starts[-1]} rows where its record says {part.rows}")
        self._held: dict[str, tuple[int, Any]] = {}

    def _open(self, store: Store) -> pq.ParquetFile:
        if not store.exists(self.part.path):
            self._refuse("is missing")
        try:
            source = pa.memory_map(self.name) if store.local else store.open(self.part.path)
            file = pq.ParquetFile(source, page_checksum_verification=True)
            _ = file.schema_arrow.names  # damaged ones are no UTF-8
        except _DAMAGE:
            self._refuse("is no whole Parquet file")
        return file

    def _refuse(self, fault: str) -> NoReturn:
        remedy = "delete it and run again: it will be made anew"
        if self.part.run:
            remedy = "it belongs to another run: delete it there if it still stands, run that again, then this"
        raise CorruptData(f"{self.name} {fault}", remedy=remedy) from None

    @cached_property
    def rows(self) -> Rows:
        """Rows of the base shard that the file holds; a base shard holds all."""
        if "row" not in self.part.digests:
            return np.arange(self.part.rows, dtype=np.uint32)
        rows: Rows = self._column("row").to_numpy()
        return rows

    @property
    def row_bytes(self) -> int:
        """Bytes of a row on average, unpacked; 1 for a file without rows."""
        groups = self._file.metadata
        total = sum(groups.row_group(i).total_byte_size for i in range(groups.num_row_groups))
        return max(1, total // max(1, self.part.rows))

    def sizes(self, first: int, last: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Bytes of each of some rows, unpacked: the average of its row group."""
        groups = self._file.metadata
        each = [groups.row_group(i).total_byte_size for i in range(groups.num_row_groups)]
        rows: Any = np.diff(self._starts)
        inside: Any = np.diff(np.clip(self._starts, first, last))
        return np.repeat(np.array(each, np.int64) // rows, inside)

    @property
    def columns(self) -> list[str]:
        """Names of the columns, `row` included."""
        return list(self._file.schema_arrow.names)

    def field(self, column: str) -> pa.Field[Any]:
        """Name and type of a column."""
        return self._file.schema_arrow.field(column)

    def greatest(self, column: str) -> Any:
        """The greatest value of a column as the file's footer tells it; None where it tells none."""
        at = self.columns.index(column)
        groups = (self._file.metadata.row_group(group) for group in range(len(self._starts) - 1))
        told = (group.column(at).statistics for group in groups if group.num_rows)
        found: list[Any] = [each.max for each in told if each is not None and each.has_min_max]
        return max(found, default=None)

    def _column(self, column: str) -> Any:
        chunks = [self._group(column, group) for group in range(len(self._starts) - 1)]
        return pa.chunked_array(chunks, self.field(column).type).combine_chunks()

    def _group(self, column: str, group: int) -> Any:
        held = self._held.get(column)
        if held is not None and held[0] == group:
            return held[1]
        try:
            values: Any = self._file.read_row_group(group, columns=[column]).column(0).combine_chunks()
        except (*_DAMAGE, KeyError):
            self._refuse("cannot be read")
        expected = self.part.digests.get(column)
        if expected is None or digest_values(values) != expected[group]:
            self._refuse(f"does not hold the {column!r} that its record describes")
        self._held[column] = (group, values)
        return values

    def find(self, rows: Rows) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Positions of rows in this file, -1 where it lacks them."""
        if len(self.rows) == 0:
            return np.full(len(rows), -1, np.int64)
        at = np.searchsorted(self.rows, rows)
        at[at == len(self.rows)] = 0
        return np.where(self.rows[at] == rows, at, -1).astype(np.int64)

    def take(self, column: str, positions: np.ndarray[Any, Any]) -> Any:
        """Values of a column at ascending positions."""
        if len(positions) == 0:
            return pa.array([], self.field(column).type)
        first, last = np.searchsorted(self._starts, [positions[0], positions[-1]], side="right") - 1
        pieces = []
        for group in range(int(first), int(last) + 1):
            low, high = self._starts[group], self._starts[group + 1]
            inside = positions[(positions >= low) & (positions < high)] - low
            if len(inside):
                values = self._group(column, group)
                run = len(inside) == inside[-1] - inside[0] + 1
                pieces.append(values.slice(int(inside[0]), len(inside)) if run else values.take(pa.array(inside)))
        return pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)
