"""Puts what a Sink writes in an order of its own: each shard's rows sorted by key, then a file of each range of keys.

Costs one pass over the columns, an exchange file of the rows' size that goes once the files stand, and a pass over
that. Memory: a run of rows while they are sorted, then a batch of each run; see `SORT_BYTES`.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from datapipe.corpus.exchange import merged
from datapipe.corpus.record import Part, Record, Work, disown, write_record
from datapipe.corpus.store import Store
from datapipe.engine.calling import called
from datapipe.engine.columns import Columns
from datapipe.engine.leaving import check_leaving
from datapipe.engine.part import PartWriter
from datapipe.engine.resolve import file_order, in_key_order, write_sorted
from datapipe.engine.shards import windows
from datapipe.engine.sink import file_digest, record_of, rows_of
from datapipe.engine.step import newest
from datapipe.engine.task import FileTask, SinkTask
from datapipe.errors import StageError
from datapipe.stage import Written
from datapipe.text import forget

__all__ = ["Filed", "gathered_values", "run_file", "run_gather"]

SORT_BYTES = 64 << 20  # of rows, sorted in memory
RUN_ROWS = 4096  # of a batch in a run
ROWS = pa.schema([("row", pa.uint32()), ("key", pa.uint64()), ("weight", pa.int64())])


def gathered_values(sink: str) -> str:
    """Fingerprint of a shard's rows, made from that of the sink's files."""
    return f"{sink}-gathered"


def run_gather(task: SinkTask) -> list[Record]:
    """Sort what a Sink gathers of one shard; returns the record of its exchange file, made now or before."""
    store, base = Store(task.run), task.base
    began = time.perf_counter()
    columns = Columns(store, base.source.name, base)
    seen = list(windows(store, base, columns))
    digest = rows_of(seen)
    name = f"{task.call.name}/exchange"
    old = newest(store, task.old)
    if old and (old.values, old.rows_in, old.base) == (task.values, digest, base.record.base):
        return [old]
    disown(store, old)
    made = _Emitted(task, columns)
    with tempfile.TemporaryDirectory(prefix="datapipe-") as scratch:
        part, buckets = write_sorted(store, f"{name}/{base.shard}", _sorted(task, made.of(seen), Path(scratch)))
    work = Work(
        processed=sum(len(window.rows) for window in seen),
        reread=columns.reread,
        seconds=round(time.perf_counter() - began, 3),
    )
    layer = (part,) if part else ()
    record = record_of(task, seen, name, digest=digest, work=work, layer=layer, buckets=buckets, weight=made.weight)
    write_record(store, record)
    return [record]


class _Emitted:
    """What the stage emits of a shard's documents, and what that weighs."""

    def __init__(self, task: SinkTask, columns: Columns) -> None:
        self._task, self._columns = task, columns
        self.weight = 0

    def of(self, seen: Iterable[Any]) -> Iterator[pa.RecordBatch]:
        """The rows of each window."""
        call = self._task.call
        for window in seen:
            self._columns.start_window()
            batch = self._columns.batch(self._task.columns, window.rows, self._task.owners)
            check_leaving(self._task, batch)
            made = called(call, self._task.base.shard, call.stage.gather.emit, batch, call.settings)
            for field in ROWS:
                if field.name not in made.schema.names or made.schema.field(field.name).type != field.type:
                    raise StageError(
                        f"stage {call.name!r} gathered rows without a proper `{field.name}` ({field.type})",
                        remedy="see `Gather` in the stage contract",
                    )
            self.weight += int(made.column("weight").to_numpy().sum())
            at = made.schema.names.index("row")
            yield made.set_column(at, "row", pa.array(window.rows).take(made.column("row")))
            forget()


def _sorted(task: SinkTask, rows: Iterator[pa.RecordBatch], scratch: Path) -> Iterator[pa.RecordBatch]:
    """All rows in order, by runs in scratch files where they are many."""
    order = file_order(task.call.stage.gather)
    runs: list[Path] = []
    held: list[pa.RecordBatch] = []
    for batch in rows:
        held.append(batch)
        if sum(each.nbytes for each in held) >= SORT_BYTES:
            runs.append(scratch / f"{len(runs)}.arrow")
            _spill(runs[-1], _in_order(held, order))
            held = []
    last = _in_order(held, order) if held else iter(())
    yield from merged([*map(_read, runs), last], order) if runs else last


def _in_order(batches: list[pa.RecordBatch], order: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    table = pa.Table.from_batches(batches).sort_by([(name, "ascending") for name in order])
    yield from table.combine_chunks().to_batches(max_chunksize=RUN_ROWS)


def _spill(path: Path, batches: Iterator[pa.RecordBatch]) -> None:
    first = next(batches)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, first.schema) as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)


def _read(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path), "rb") as file:
        reader = pa.ipc.open_file(file)
        yield from map(reader.get_batch, range(reader.num_record_batches))


# ---------------------------------------------------------------------------------------------- a file


class Filed(BaseModel):
    """A file that a Sink has written of its range of keys, and what it says of it. A note of it is the done mark."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    parts: tuple[Part, ...]
    facts: dict[str, Any]


def run_file(task: FileTask) -> Filed:
    """Write one file, or return what an earlier run made of the same rows."""
    store = Store(task.run)
    note = f"{task.call.name}/exchange/files/{task.name}.json"
    if store.exists(note):
        old = Filed.model_validate_json(store.read(note))
        if old.fingerprint == task.fingerprint and all(store.exists(part.path) for part in old.parts):
            return old
    stage: Any = task.call.stage
    path = f"{task.home}/{task.name}{stage.suffix(task.call.settings)}"
    taken = [0]
    rows = in_key_order(store, task.inputs, ("key", *stage.gather.sort, "shard", "row"), task.memory_bytes)
    with store.commit(path) as target:
        written: Written = called(task.call, task.name, stage.write, _counted(rows, taken), target, task.call.settings)
    expected = sum(each.rows.last - each.rows.first for each in task.inputs)
    if taken[0] != expected:
        raise StageError(
            f"stage {task.call.name!r} took {taken[0]} of {expected} rows of {task.name}",
            remedy="`write` takes its whole stream",
        )
    parts = [_part(store, path, expected)]
    for suffix, content in written.beside.items():
        store.write(f"{task.home}/{task.name}{suffix}", content)
        parts.append(_part(store, f"{task.home}/{task.name}{suffix}", 0))
    if written.index is not None:
        writer = PartWriter(store, f"{task.home}/index/{task.name}.parquet", written.index.schema)
        for batch in written.index.to_batches(max_chunksize=RUN_ROWS):
            writer.write(batch)
        parts.append(writer.commit())
    filed = Filed(fingerprint=task.fingerprint, parts=tuple(parts), facts=json.loads(json.dumps(written.facts)))
    store.write(note, filed.model_dump_json().encode())
    return filed


def _part(store: Store, path: str, rows: int) -> Part:
    return Part(path=path, rows=rows, bytes=store.size(path), digests={"file": [file_digest(store, path)]})


def _counted(rows: Iterator[pa.RecordBatch], taken: list[int]) -> Iterator[pa.RecordBatch]:
    for batch in rows:
        yield batch
        taken[0] += len(batch)
