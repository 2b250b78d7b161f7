"""The keys that a Group takes from one shard: one file, sorted by key, with an offset for each bucket.

Keys depend on a document alone, so a stored file is extended by the documents it lacks, like a layer.
Costs one sort of the shard's keys, in memory.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.corpus.digest import digest_rows
from datapipe.corpus.exchange import bucket_offsets
from datapipe.corpus.ids import Tally, tally
from datapipe.corpus.layer import Rows, TableFile
from datapipe.corpus.record import Record, Work, disown, write_record
from datapipe.corpus.store import Store
from datapipe.engine.calling import called
from datapipe.engine.columns import Columns
from datapipe.engine.part import PartWriter
from datapipe.engine.reasons import nobody, write_reasons
from datapipe.engine.resolve import file_order
from datapipe.engine.step import Window, adopted, newest
from datapipe.engine.task import Step
from datapipe.errors import StageError

__all__ = ["EmitRun"]


class EmitRun:
    """The first exchange of a Group, on one shard. Its record stands under `<stage>/exchange`."""

    def __init__(self, store: Store, step: Step, columns: Columns, shard: str) -> None:
        self.step, self.shard = step, shard
        self.name = f"{step.call.name}/exchange"
        self.stage: Any = step.call.stage
        self.config = step.call.settings
        self._store, self._columns = store, columns
        self._record: Record | None = None  # what an earlier run left
        self._old: TableFile | None = None
        self._seen: Rows = np.zeros(0, np.uint32)  # rows whose keys are stored, or known to be none
        self._rows: list[Rows] = []
        self._made: list[pa.RecordBatch] = []
        self._incoming = Tally()
        self._processed = 0
        self._sizes = 0
        self._seconds = 0.0

    def start(self, base: str) -> None:
        """Look at what an earlier run left."""
        self._record = newest(self._store, self.step.old)
        old = self._record
        if old and old.values == self.step.values and old.base == base and old.reasons:
            self._old = TableFile(self._store, old.layer[0])
            self._seen = TableFile(self._store, old.reasons).rows

    def process(self, window: Window) -> Window:
        """Emit the keys of a window's rows that have none yet; all rows stay."""
        began = time.perf_counter()
        self._rows.append(window.rows)
        self._incoming += tally(window.hashes)
        self._sizes += int(window.sizes.sum())
        first, last = np.searchsorted(self._seen, [window.rows[0], window.stop]) if len(window.rows) else (0, 0)
        lacking = window.rows[~np.isin(window.rows, self._seen[first:last])]
        lacking = lacking[self._columns.where(self.step.where, lacking, self.step.owners)]
        if len(lacking):
            batch = self._columns.batch(self.stage.reads_for(self.config), lacking, self.step.owners)
            resource = Path(self.step.resource) if self.step.resource else None
            made = called(self.step.call, self.shard, self.stage.rounds[0].emit, batch, self.config, resource)
            self._check(made, len(lacking))
            at = made.schema.names.index("row")
            self._made.append(made.set_column(at, "row", pa.array(lacking).take(made.column("row"))))
            self._processed += len(lacking)
        self._seconds += time.perf_counter() - began
        return window

    def _check(self, made: pa.RecordBatch, rows: int) -> None:
        lacks = {"row": pa.uint32(), "key": pa.uint64()}
        wrong = [
            name
            for name, kind in lacks.items()
            if name not in made.schema.names or made.schema.field(name).type != kind
        ]
        if wrong or (len(made) and pc.max(made.column("row")).as_py() >= rows):
            raise StageError(
                f"stage {self.step.call.name!r} emitted keys without a proper `row` (uint32) or `key` (uint64)",
                remedy="`row` is the position in the batch",
            )

    def finish(self, base: str) -> Record:
        """Commit the sorted file of keys and its record."""
        rows = np.concatenate([np.zeros(0, np.uint32), *self._rows])
        old = self._record
        same = old and old.values == self.step.values and old.base == base
        if same and old and old.rows_in == digest_rows(rows) and not self._made:
            return adopted(self._store, old)
        table = self._sorted(rows)
        disown(self._store, old)
        keys = table.column("key").to_numpy() if table.num_columns else np.zeros(0, np.uint64)
        layer = PartWriter(self._store, f"{self.name}/{self.shard}.parquet", table.schema, sliced=True)
        for batch in table.to_batches():
            layer.write(batch)
        digest = digest_rows(rows)
        record = Record(
            shard=self.shard,
            stage=self.name,
            base=base,
            values=self.step.values,
            decision="",
            rows_in=digest,
            rows_kept=digest,
            incoming=self._incoming,
            kept=self._incoming,
            bytes_in=self._sizes,
            bytes_kept=self._sizes,
            layer=(layer.commit(),),
            reasons=write_reasons(self._store, f"{self.name}/{self.shard}", rows, nobody(len(rows))),
            buckets=bucket_offsets(keys),
            work=Work(processed=self._processed, seconds=round(self._seconds, 3)),
        )
        write_record(self._store, record)
        return record

    def _sorted(self, rows: Rows) -> pa.Table:
        parts = list(self._made) if len(rows) else []
        if self._old is not None and self._old.part.rows and len(rows):
            at = np.flatnonzero(np.isin(self._old.rows, rows))
            names = self._old.columns
            parts.append(pa.RecordBatch.from_arrays([self._old.take(name, at) for name in names], names=names))
        if not parts:
            return pa.table({"row": pa.array([], pa.uint32()), "key": pa.array([], pa.uint64())})
        table = pa.Table.from_batches([part.select(parts[0].schema.names) for part in parts])
        order = file_order(self.stage.rounds[0])
        return table.sort_by([(name, "ascending") for name in order]).combine_chunks()

    def discard(self) -> None:
        """Nothing is written before the end."""
