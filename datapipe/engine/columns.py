"""Where a task finds the values of a column for some rows of its shard.

In order: what the task has just made for the window it is in; the layer of the newest stage that holds the
row; older layers; the base shard; and, for a source's transient columns, the source itself, read again from
the document's cursor. Nothing is composed layer by layer, and only what is asked for is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.where import Where
from datapipe.corpus.ids import document_ids
from datapipe.corpus.layer import Rows, TableFile
from datapipe.corpus.record import Record
from datapipe.corpus.store import Store
from datapipe.engine.calling import streamed
from datapipe.engine.task import BaseShard, Call
from datapipe.errors import InputError, StageError
from datapipe.schema import COLUMNS, qualified
from datapipe.stage import Split
from datapipe.text import carry

__all__ = ["Columns", "Transient", "check_columns", "nothing"]


class Columns:
    """The columns of one shard. `source` names the stage that owns the base."""

    def __init__(self, store: Store, source: str, base: BaseShard | None) -> None:
        self.store = store
        self.source = source
        self._base = base
        self._records: dict[str, Record] = dict(base.layers) if base else {}
        self._files: dict[str, list[TableFile]] = {}
        self._fresh: dict[tuple[str, str], tuple[Rows, Any]] = {}
        self._narrow: dict[tuple[str, str], tuple[Rows, Any]] = {}  # of `_fresh`, the rows last asked for
        self._transient: Transient | None = None
        self._parent: Columns | None = None
        self.reread = 0

    # ------------------------------------------------------------------ what the task itself makes

    def start_window(self) -> None:
        """Forget what was made for the last window."""
        self._fresh.clear()
        self._narrow.clear()

    def put(self, owner: str, rows: Rows, batch: pa.RecordBatch) -> None:
        """Remember new values of a window's rows."""
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            self._fresh[owner, name] = (rows, values)
            self._narrow.pop((owner, name), None)

    def add_layer(self, owner: str, record: Record) -> None:
        """Make a stage's stored layer known."""
        self._records[owner] = record
        self._files.pop(owner, None)

    # ------------------------------------------------------------------ reading

    def batch(self, names: tuple[str, ...], rows: Rows, owners: dict[str, tuple[str, ...]]) -> pa.RecordBatch:
        """Columns for some rows, in the order asked for."""
        arrays = [self.get(name, rows, owners.get(name, ())) for name in names]
        if not arrays:
            empty: Any = pa.array([{}] * len(rows), pa.struct([]))
            return pa.RecordBatch.from_struct_array(empty)
        return pa.RecordBatch.from_arrays(arrays, names=list(names))

    def where(self, where: Where | None, rows: Rows, owners: dict[str, tuple[str, ...]]) -> Any:
        """Mask of the rows that a stage's `where` lets in."""
        if where is None:
            return np.ones(len(rows), np.bool_)
        return where.mask(self.batch(tuple(where.columns), rows, owners))

    def get(self, column: str, rows: Rows, owners: tuple[str, ...]) -> Any:
        """Values of a column: each row from the newest of `owners` that holds it, null where none does."""
        for index, owner in enumerate(owners):
            found, values = self._of_owner(owner, column, rows)
            if found is None:
                return values
            if not found.any() and index + 1 < len(owners):
                continue
            rest = self.get(column, rows[~found], owners[index + 1 :])
            return _interleave(found, values, rest.cast(values.type))
        return nothing(column, len(rows))

    def _of_owner(self, owner: str, column: str, rows: Rows) -> tuple[Any, Any]:
        """(mask of the rows it holds or None for all, values of those)."""
        fresh = self._fresh.get((owner, column))
        if fresh is not None:
            for known, values in (self._narrow.get((owner, column), fresh), fresh):
                if known is rows or np.array_equal(known, rows):
                    return None, values
            known, values = fresh
            held = np.isin(rows, known, assume_unique=True)
            if held.all():
                return None, self._narrowed(owner, column, rows)
            older = self._stored(owner, column, rows[~held])
            if older is not None:
                mine = values.take(pa.array(np.searchsorted(known, rows[held])))
                inside, theirs = older
                found = held.copy()
                found[~held] = inside
                order = held[found]
                return found, _interleave(order, mine, theirs)
            return held, values.take(pa.array(np.searchsorted(known, rows[held])))
        older = self._stored(owner, column, rows)
        if older is None:
            return np.zeros(len(rows), np.bool_), nothing(column, 0)
        inside, values = older
        return (None, values) if inside.all() else (inside, values)

    def _narrowed(self, owner: str, column: str, rows: Rows) -> Any:
        """Some rows of what the task made; a later stage may ask for others of them, so all are kept."""
        known, values = self._narrow.get((owner, column), (rows[:0], None))
        if values is None or not np.isin(rows, known, assume_unique=True).all():
            known, values = self._fresh[owner, column]
        at = np.searchsorted(known, rows)
        child = values.take(pa.array(at))
        if column == "text":
            carry(values, child, at)
        self._narrow[owner, column] = (rows, child)
        return child

    def _stored(self, owner: str, column: str, rows: Rows) -> tuple[Any, Any] | None:
        if owner == self.source and self._base is not None:
            return self._of_base(column, rows)
        files = [file for file in self.files(owner) if column in file.columns]
        if not files:
            return None
        inside = np.zeros(len(rows), np.bool_)
        values: Any = None
        for file in reversed(files):  # a later part may hold a row anew
            at = file.find(rows)
            mine = (at >= 0) & ~inside
            got = file.take(column, at[mine])
            values = got if values is None else _interleave(inside[inside | mine], values, got)
            inside |= mine
        return inside, values

    def _of_base(self, column: str, rows: Rows) -> tuple[Any, Any] | None:
        base = self._base
        assert base is not None
        (file,) = self.files(self.source)
        if column in file.columns:
            return np.ones(len(rows), np.bool_), file.take(column, rows.astype(np.int64))
        if base.parent is not None:
            return np.ones(len(rows), np.bool_), self._inherited(column, rows, file)
        if column in base.source.stage.transient:
            return np.ones(len(rows), np.bool_), self._again(column, rows, file)
        return None

    def _inherited(self, column: str, rows: Rows, file: TableFile) -> Any:
        """A column of the parents, for children that do not bring their own."""
        assert self._base is not None
        assert self._base.parent is not None
        parent = self._base.parent
        if self._parent is None:
            self._parent = Columns(self.store, parent.base.source.name, parent.base)
        self._parent.start_window()
        parents, place = np.unique(file.take("parent_row", rows.astype(np.int64)).to_numpy(), return_inverse=True)
        return self._parent.get(column, parents, parent.owners.get(column, ())).take(pa.array(place))

    def files(self, owner: str) -> list[TableFile]:
        """The open files of a stage's layer for this shard."""
        if owner not in self._files:
            record = self._base.record if self._base and owner == self.source else self._records.get(owner)
            self._files[owner] = [TableFile(self.store, part) for part in record.layer] if record else []
        return self._files[owner]

    def _again(self, column: str, rows: Rows, file: TableFile) -> Any:
        base = self._base
        assert base is not None
        if len(rows) == 0:
            return pa.array([], base.source.stage.adds_for(base.source.settings).field(column).type)
        if self._transient is None:
            if base.split is None:
                raise InputError(
                    f"the input of shard {base.shard} is gone, or has changed",
                    remedy="bring it back, or run again: its documents are read from it",
                )
            self._transient = Transient(base.source, base.split, file)
        batch = self._transient.read(rows)
        self.reread += len(rows)
        self.put(self.source, rows, batch)
        return batch.column(column)


def nothing(column: str, rows: int) -> Any:
    """Nulls of a column's type, as far as it is known."""
    kind: Any = COLUMNS.get(column, pa.null())
    return pa.nulls(rows, kind)


def _interleave(first: Any, a: Any, b: Any) -> Any:
    """Rows of `a` where `first` is true and of `b` elsewhere, in order."""
    at = np.empty(len(first), np.int64)
    at[first] = np.arange(int(first.sum()))
    at[~first] = np.arange(len(first) - int(first.sum())) + len(a)
    return pa.concat_arrays([a, b]).take(pa.array(at))


class Transient:
    """Reads a source again for the columns that the base does not store, and checks that it is the same."""

    def __init__(self, source: Call, split: Split, base: TableFile) -> None:
        self._source = source
        self._split = split
        self._base = base
        # A gap longer than this is jumped, a shorter one is read through.
        self._seek_rows = source.stage.seek_rows if source.stage.can_seek(split) else base.part.rows
        self._stream: Iterator[pa.RecordBatch] = iter(())
        self._next = -1  # row that the stream gives next
        self._held: pa.RecordBatch | None = None  # the last batch of the stream
        self._held_from = 0  # its first row

    def read(self, rows: Rows) -> pa.RecordBatch:
        """The transient columns of ascending rows."""
        names = list(self._source.stage.transient)
        gaps = np.diff(rows.astype(np.int64)) > self._seek_rows
        pieces = [piece for run in np.split(rows, np.flatnonzero(gaps) + 1) for piece in self._run(run, names)]
        whole = pa.Table.from_batches(pieces).combine_chunks().to_batches(max_chunksize=len(rows))
        return whole[0]

    def _run(self, rows: Rows, names: list[str]) -> list[pa.RecordBatch]:
        if not self._reaches(int(rows[0])):
            cursor = int(self._base.take("cursor", np.array([rows[0]], np.int64))[0].as_py())
            given = self._source.stage.read(self._split, self._source.settings, cursor)
            self._stream = streamed(self._source, self._split.name, iter(given))
            self._next, self._held = int(rows[0]), None
        pieces, done = [], 0
        while done < len(rows):
            held = self._advance(int(rows[done]))
            inside = rows[(rows >= self._held_from) & (rows < self._next)]
            at = inside.astype(np.int64) - self._held_from
            self._check(held.take(at), inside)
            pieces.append(held.select(names).take(at))
            done += len(inside)
        return pieces

    def _reaches(self, row: int) -> bool:
        if self._held is not None and self._held_from <= row < self._next:
            return True
        return self._next >= 0 and 0 <= row - self._next <= self._seek_rows

    def _advance(self, row: int) -> pa.RecordBatch:
        while self._held is None or row >= self._next:
            batch = next(self._stream, None)
            if batch is None:
                self._changed()
            assert batch is not None
            self._held, self._held_from = batch, self._next
            self._next += len(batch)
        return self._held

    def _check(self, batch: pa.RecordBatch, rows: Rows) -> None:
        source = getattr(self._source.settings, "source", "")
        stored = self._base.take("id", rows.astype(np.int64))
        if not document_ids(source, batch).equals(stored):
            self._changed()

    def _changed(self) -> None:
        raise InputError(
            f"{self._split.name} has changed since its documents were listed",
            remedy="bring the old file back, or start a new run folder",
        )


def check_columns(batch: Any, declared: pa.Schema, rows: int, stage: str) -> pa.RecordBatch:
    """A stage's output in the declared order and by full name; anything undeclared is refused."""
    if not isinstance(batch, pa.RecordBatch):
        raise StageError(f"stage {stage!r} returned a {type(batch).__name__}", remedy="a Map returns a pa.RecordBatch")
    if len(batch) != rows:
        raise StageError(f"stage {stage!r} returned {len(batch)} rows for {rows}", remedy="a Map gives one row per row")
    extra, lacking = set(batch.schema.names) - set(declared.names), set(declared.names) - set(batch.schema.names)
    if extra or lacking:
        what = f"undeclared columns {sorted(extra)}" if extra else f"no columns {sorted(lacking)}"
        raise StageError(f"stage {stage!r} returned {what}", remedy="its `adds` must list exactly what it returns")
    arrays = []
    for field in declared:
        values = batch.column(field.name)
        if values.type != field.type:
            raise StageError(
                f"stage {stage!r} returned {field.name!r} as {values.type}", remedy=f"it is declared as {field.type}"
            )
        arrays.append(values)
    names = [qualified(field.name, stage) for field in declared]
    return pa.RecordBatch.from_arrays(arrays, names=names)
