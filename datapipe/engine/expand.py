"""Makes new documents out of those of one shard: a base shard of children, and the books of their parents.

Children have ids `parent#n`, their parent's row, and every column of their parent that they do not bring
themselves, looked up when it is asked for. A shard is made anew when its parents changed.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from datapipe.corpus.digest import digest_rows
from datapipe.corpus.ids import Tally, hash_ids, tally
from datapipe.corpus.layer import Rows, row_bytes
from datapipe.corpus.record import Record, Work, disown, write_record
from datapipe.corpus.store import Store
from datapipe.engine.calling import called
from datapipe.engine.columns import Columns
from datapipe.engine.part import PartWriter
from datapipe.engine.reasons import nobody, write_reasons
from datapipe.engine.shards import windows
from datapipe.engine.step import Window
from datapipe.engine.task import ExpandTask
from datapipe.errors import StageError
from datapipe.schema import COLUMNS, PLACE, qualified
from datapipe.text import forget

__all__ = ["PARENTS", "expanded_schema", "run_expand"]

PARENTS = "parents"  # folder of the parents' records below the stage's


def expanded_schema(stage: Any, config: Any, name: str) -> pa.Schema:
    """Columns of a base shard of children."""
    fields: list[Any] = [pa.field(column, kind) for column, kind in PLACE.items()]
    own = [pa.field(qualified(field.name, name), field.type) for field in stage.adds_for(config)]
    return pa.schema([*fields, pa.field("parent_row", COLUMNS["parent_row"]), *own])


def run_expand(task: ExpandTask) -> list[Record]:
    """The parents' record and the children's."""
    store = Store(task.run)
    columns = Columns(store, task.base.source.name, task.base)
    made = _Children(store, task)
    try:
        for window in windows(store, task.base, columns):
            columns.start_window()
            made.add(columns, window)
        return made.finish()
    except BaseException:
        made.discard()
        raise


class _Children:
    def __init__(self, store: Store, task: ExpandTask) -> None:
        self._store, self._task = store, task
        self._stage: Any = task.call.stage
        self._config = task.call.settings
        self._schema = expanded_schema(self._stage, self._config, task.call.name)
        self._base = PartWriter(store, f"{task.call.name}/{task.base.shard}.parquet", self._schema)
        self._ids = xxhash.xxh3_128()
        self._children = Tally()
        self._count = 0
        self._size = 0
        self._rows: list[Rows] = []
        self._childless: list[Any] = []
        self._parents, self._without = Tally(), Tally()
        self._bytes_in = self._bytes_kept = 0
        self._began = time.perf_counter()

    def add(self, columns: Columns, window: Window) -> None:
        task, rows, hashes = self._task, window.rows, window.hashes
        batch = columns.batch(self._stage.reads_for(self._config), rows, task.owners)
        resource = Path(task.resource) if task.resource else None
        out = called(task.call, task.base.shard, self._stage.expand, batch, self._config, resource)
        at = self._checked(out, len(rows))
        has = np.isin(np.arange(len(rows)), at)
        self._rows.append(rows)
        self._childless.append(~has)
        self._parents += tally(hashes)
        self._without += tally(hashes[~has])
        self._bytes_in += int(window.sizes.sum())
        self._bytes_kept += int(window.sizes[has].sum())
        if len(out):
            self._write(columns, rows, at, out)
        forget()

    def _checked(self, out: pa.RecordBatch, parents: int) -> Any:
        declared = {"parent_row", *self._stage.adds_for(self._config).names}
        if set(out.schema.names) != declared:
            raise StageError(
                f"stage {self._task.call.name!r} returned {out.schema.names}", remedy=f"it declares {sorted(declared)}"
            )
        at = out.column("parent_row").to_numpy().astype(np.int64)
        if len(at) and (np.diff(at).min(initial=0) < 0 or at[-1] >= parents):
            raise StageError(
                f"stage {self._task.call.name!r} gave children out of order", remedy="`parent_row` must ascend"
            )
        return at

    def _write(self, columns: Columns, rows: Rows, at: Any, out: pa.RecordBatch) -> None:
        owners = self._task.owners
        place = columns.batch(("id", "file", "record", "cursor"), rows, owners).take(pa.array(at))
        first = np.searchsorted(at, at)
        parents = place.column("id").to_pylist()
        ids = pa.array(
            [f"{parent}#{n}" for parent, n in zip(parents, np.arange(len(at)) - first, strict=True)], pa.string()
        )
        own = out.select(self._stage.adds_for(self._config).names)
        arrays = [ids, *place.columns[1:], pa.array(row_bytes(own)), pa.array(rows[at]), *own.columns]
        self._base.write(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._ids.update("".join(f"{value}\n" for value in ids.to_pylist()).encode())
        self._children += tally(hash_ids(ids))
        self._count += len(at)
        self._size += int(row_bytes(own).sum())

    def finish(self) -> list[Record]:
        task, name, shard = self._task, self._task.call.name, self._task.base.shard
        rows = np.concatenate([np.zeros(0, np.uint32), *self._rows])
        without = np.concatenate([np.zeros(0, np.bool_), *self._childless])
        reasons = pa.array(np.full(len(rows), self._stage.childless, object), pa.string(), mask=~without)
        disown(self._store, task.old)
        layer = self._base.commit()
        self._ids.update(json.dumps(layer.digests, sort_keys=True).encode())
        parents = Record(
            shard=shard,
            stage=f"{name}/{PARENTS}",
            base=task.base.record.base,
            values=task.values,
            decision="",
            rows_in=digest_rows(rows),
            rows_kept=digest_rows(rows[~without]),
            incoming=self._parents,
            kept=self._parents - self._without,
            dropped={self._stage.childless: self._without} if self._without.documents else {},
            bytes_in=self._bytes_in,
            bytes_kept=self._bytes_kept,
            reasons=write_reasons(self._store, f"{name}/{PARENTS}/{shard}", rows, reasons),
            work=Work(processed=len(rows), seconds=round(time.perf_counter() - self._began, 3)),
        )
        everything = np.arange(self._count, dtype=np.uint32)
        children = Record(
            shard=shard,
            stage=name,
            base=self._ids.hexdigest(),
            values=task.values,
            decision="",
            rows_in=digest_rows(everything),
            rows_kept=digest_rows(everything),
            incoming=self._children,
            kept=self._children,
            bytes_in=self._size,
            bytes_kept=self._size,
            layer=(layer,),
            reasons=write_reasons(self._store, f"{name}/{shard}", everything, nobody(self._count)),
            work=Work(processed=self._count),
        )
        write_record(self._store, children)
        write_record(self._store, parents)
        return [parents, children]

    def discard(self) -> None:
        self._base.discard()
