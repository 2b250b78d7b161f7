"""The two tasks that make layers: stages over a stored shard, and a source with the stages that follow it.

Batches pass in memory from stage to stage; each layer is committed by itself, in order, when its shard is
complete, so running one stage at a time, or after any interruption, gives the same bytes.
Memory: one batch (1,024 rows and 32 MiB of documents) with what the stages add to it, and one open row
group per column.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from datapipe.corpus.digest import digest_rows
from datapipe.corpus.ids import Tally, document_ids, hash_ids, shard_name, tally
from datapipe.corpus.record import FileSeen, Record, SplitSeen, Work, write_record
from datapipe.corpus.store import Store
from datapipe.engine.columns import Columns
from datapipe.engine.emission import EmitRun
from datapipe.engine.part import PartWriter
from datapipe.engine.reasons import combined, joined, kept_mask, kept_rows, tallies, write_reasons
from datapipe.engine.resolve import verdicts_of_shard
from datapipe.engine.step import StepRun, Window
from datapipe.engine.task import BaseShard, ShardTask, SourceTask
from datapipe.errors import InputError
from datapipe.schema import PLACE
from datapipe.stage import MAX_BATCH_BYTES, MAX_BATCH_ROWS, Group
from datapipe.text import forget

__all__ = ["base_schema", "not_sampled", "run_shard", "run_source", "sampled", "windows"]


class _Chain:
    """The stages of one task on one shard."""

    def __init__(self, store: Store, task: ShardTask | SourceTask, columns: Columns, shard: str) -> None:
        self.columns = columns
        self.runs: list[StepRun | EmitRun] = []
        for number, step in enumerate(task.steps):
            if step.emits:
                self.runs.append(EmitRun(store, step, columns, shard))
                continue
            run = StepRun(store, step, columns, shard=shard, limits=task.limits)
            if number == 0 and isinstance(run.stage, Group):
                run.verdicts = verdicts_of_shard(store, step.verdicts, step.number)
            self.runs.append(run)

    def process(self, window: Window) -> None:
        for run in self.runs:
            window = run.process(window)
        forget()

    def finish(self, base: str) -> list[Record]:
        return [run.finish(base) for run in self.runs]

    def discard(self) -> None:
        for run in self.runs:
            run.discard()


# ---------------------------------------------------------------------------------------------- a stored shard


def run_shard(task: ShardTask) -> list[Record]:
    """Run a task's stages on one shard; returns a record for each of them, done now or before."""
    store = Store(task.run)
    base = task.base
    columns = Columns(store, base.source.name, base)
    chain = _Chain(store, task, columns, base.shard)
    try:
        for run in chain.runs:
            run.start(base.record.base)
        for window in windows(store, base, columns):
            columns.start_window()
            chain.process(window)
        records = chain.finish(base.record.base)
    except BaseException:
        chain.discard()
        raise
    return records


def windows(store: Store, base: BaseShard, columns: Columns) -> Iterator[Window]:
    """The shard's kept rows in batches of bounded number and size."""
    before = base.record if base.previous == base.source.name else base.layers[base.previous]
    rows = kept_rows(store, before.reasons)
    (file,) = columns.files(base.source.name)
    everything = np.arange(file.part.rows)
    sizes = file.take("bytes", everything).to_numpy()
    hashes = hash_ids(file.take("id", everything))
    start = 0
    while start < len(rows):
        weight = np.cumsum(sizes[rows[start : start + MAX_BATCH_ROWS]])
        stop = start + max(1, int(np.searchsorted(weight, MAX_BATCH_BYTES, side="right")))
        mine = rows[start:stop]
        yield Window(mine, hashes[mine], sizes[mine], int(mine[-1]) + 1)
        start = stop


# ---------------------------------------------------------------------------------------------- a source


def base_schema(source: Any, config: Any) -> pa.Schema:
    """Columns of a source's base shards: where each document comes from, and what is not transient."""
    fields = [pa.field(name, kind) for name, kind in PLACE.items()]
    stored = [f for f in source.adds_for(config) if f.name not in source.transient or f.name in config.keep]
    return pa.schema(fields + stored)


def sampled(hashes: Any, share: float | None) -> Any:
    """Which documents belong to a sample: by hash of id, so that the 1% is part of the 10%."""
    if share is None:
        return np.ones(len(hashes), np.bool_)
    return hashes[:, 0] < np.uint64(min(int(share * 2**64), 2**64 - 1))


def not_sampled(hashes: Any, share: float | None) -> Any:
    """The reason of documents outside a sample, null for those inside."""
    outside = ~sampled(hashes, share)
    return pa.array(np.full(len(hashes), "not_sampled"), pa.string(), mask=~outside)


def run_source(task: SourceTask) -> list[list[Record]]:
    """Cut a split into shards from `task.number` on; returns per shard the records of source and stages.

    A shard ends with the document that fills it; whether another follows depends on the split alone.
    """
    store = Store(task.run)
    done: list[list[Record]] = []
    shard = _SourceShard(store, task, task.number, task.cursor)
    try:
        for batch in _read(task):
            rest = batch
            while len(rest):
                if shard.full:
                    cursor = int(rest.column("cursor")[0].as_py())
                    done.append(shard.finish(cursor))
                    shard = _SourceShard(store, task, task.number + len(done), cursor)
                room = shard.room(rest)
                shard.take(rest.slice(0, room))
                rest = rest.slice(room)
        done.append(shard.finish(None))
    except BaseException:
        shard.discard()
        raise
    return done


def _read(task: SourceTask) -> Iterator[pa.RecordBatch]:
    left = task.limit
    try:
        for batch in task.source.stage.read(task.split, task.source.settings, task.cursor):
            wanted = batch if left is None else batch.slice(0, left)
            yield wanted
            left = None if left is None else left - len(wanted)
            if left == 0:
                return
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InputError(
            f"cannot read {task.split.name}: {why}", remedy="check the file and its permissions, then run again"
        ) from error


class _SourceShard:
    """One base shard in the making, and the stages that its documents pass."""

    def __init__(self, store: Store, task: SourceTask, number: int, cursor: int) -> None:
        self._store, self._task, self._number, self._cursor = store, task, number, cursor
        self._config: Any = task.source.settings
        self._name = task.source.name
        self._shard = shard_name(self._config.source, task.split.name, number)
        self._schema = base_schema(task.source.stage, self._config)
        self._base = PartWriter(store, f"{self._name}/{self._shard}.parquet", self._schema)
        self._reasons: list[pa.StringArray] = []
        self._ids = xxhash.xxh3_128()
        self._rows = 0
        self._bytes = 0
        self._bytes_kept = 0
        self._incoming = self._kept = Tally()
        self._dropped: dict[str, Tally] = {}
        self._began = time.perf_counter()
        self._chain = _Chain(store, task, Columns(store, self._name, None), self._shard)

    @property
    def full(self) -> bool:
        return self._bytes >= int(self._config.shard_bytes)

    def room(self, batch: pa.RecordBatch) -> int:
        """How many of these rows still belong to this shard."""
        weight = self._bytes + np.cumsum(batch.column("bytes").to_numpy())
        return min(len(batch), int(np.searchsorted(weight, self._config.shard_bytes)) + 1)

    def take(self, batch: pa.RecordBatch) -> None:
        """Add documents to the base, and pass those that are fine on."""
        ids = document_ids(self._config.source, batch)
        self._ids.update("".join(f"{value}\n" for value in ids.to_pylist()).encode())
        hashes = hash_ids(ids)
        rows = np.arange(self._rows, self._rows + len(batch), dtype=np.uint32)
        reasons = combined(batch.column("reason"), not_sampled(hashes, self._config.sample))
        given = batch if "id" in batch.schema.names else batch.append_column("id", ids)
        self._base.write(given.select(self._schema.names).cast(self._schema))
        sizes = batch.column("bytes").to_numpy()
        self._count(hashes, sizes, reasons)
        columns = self._chain.columns
        columns.start_window()
        columns.put(self._name, rows, given)
        self._chain.process(Window(rows, hashes, sizes, int(rows[-1]) + 1).only(kept_mask(reasons)))
        self._rows += len(batch)
        self._bytes += int(sizes.sum())

    def _count(self, hashes: Any, sizes: Any, reasons: Any) -> None:
        self._reasons.append(reasons)
        kept = kept_mask(reasons)
        self._incoming += tally(hashes)
        self._kept += tally(hashes[kept])
        self._bytes_kept += int(sizes[kept].sum())
        for reason, left in tallies(hashes, reasons).items():
            self._dropped[reason] = self._dropped.get(reason, Tally()) + left

    def finish(self, next_cursor: int | None) -> list[Record]:
        """Commit the base shard, then the layers on it, in order."""
        rows = np.arange(self._rows, dtype=np.uint32)
        reasons = joined(self._reasons)
        layer = self._base.commit()
        seen = tuple(FileSeen(name=f.name, size=f.size, modified=f.modified) for f in self._task.split.files)
        record = Record(
            shard=self._shard,
            stage=self._name,
            base=self._ids.hexdigest(),
            values=self._task.values,
            decision=self._task.decision,
            rows_in=digest_rows(rows),
            rows_kept=digest_rows(rows[kept_mask(reasons)]),
            incoming=self._incoming,
            kept=self._kept,
            dropped=dict(sorted(self._dropped.items())),
            bytes_in=self._bytes,
            bytes_kept=self._bytes_kept,
            layer=(layer,),
            reasons=write_reasons(self._store, f"{self._name}/{self._shard}", rows, reasons),
            split=SplitSeen(
                name=self._task.split.name,
                number=self._number,
                cursor=self._cursor,
                next_cursor=next_cursor,
                files=seen,
                digest=self._task.digest,
            ),
            work=Work(
                processed=self._rows, bytes_read=self._bytes, seconds=round(time.perf_counter() - self._began, 3)
            ),
        )
        write_record(self._store, record)
        return [record, *self._chain.finish(record.base)]

    def discard(self) -> None:
        """Leave nothing behind of what is not committed."""
        self._base.discard()
        self._chain.discard()
