"""One range of keys of a Group's round: read the shards' sorted keys in order, resolve, sort for the next reader.

Memory: a window of the input, the state of the stage's `resolve`, and a run of output before it is
sorted and written. A range that is done leaves a small record, so a restart repeats only what is missing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from datapipe.corpus.exchange import BucketCounts, Sorted, bucket_offsets, in_order
from datapipe.corpus.layer import TableFile
from datapipe.corpus.record import Part
from datapipe.corpus.store import Store
from datapipe.engine.calling import streamed
from datapipe.engine.near import keys_in, meeting
from datapipe.engine.part import PartWriter
from datapipe.engine.task import Input, ResolveTask, Slice
from datapipe.errors import StageError
from datapipe.stage import Scratch

__all__ = [
    "Resolved",
    "file_order",
    "finished",
    "folder",
    "in_key_order",
    "record",
    "rows_of_shard",
    "run_resolve",
    "write_runs",
    "write_sorted",
]

PLACE = ("shard", "row")
TAKEN_BYTES = 8 << 20  # of a run, to be put in order at a time


class Resolved(BaseModel):
    """What a task of a round gave: files sorted by key with the start of each bucket, or by document, of each shard."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    parts: tuple[Part, ...]
    buckets: tuple[tuple[int, ...], ...]


def run_resolve(task: ResolveTask) -> Resolved:
    """Resolve one range of keys, or return what an earlier run made of the same inputs."""
    store = Store(task.run)
    done = finished(store, folder(task), task.name, task.fingerprint)
    if done is not None:
        return done
    stage: Any = task.call.stage
    rows = _rows(store, task)
    if task.merges:
        part, starts = write_sorted(store, f"{folder(task)}/{task.name}", rows)
        made = [(part, starts)] if part else []
    else:
        with tempfile.TemporaryDirectory(prefix="datapipe-") as scratch:
            room = Scratch(Path(scratch), task.memory_bytes)
            resolved = stage.rounds[task.round].resolve(rows, task.call.settings, room)
            stream = streamed(task.call, task.name, iter(resolved))
            order = PLACE if task.by_document else _order(task, task.round + 1)
            made = list(write_runs(store, task, stream, order))
    return record(store, task, made)


def record(store: Store, task: Any, made: Sequence[tuple[Part, Sequence[int]]]) -> Resolved:
    """Note that a task is done."""
    parts, buckets = tuple(part for part, _ in made), tuple(tuple(starts) for _, starts in made)
    result = Resolved(fingerprint=task.fingerprint, parts=parts, buckets=buckets)
    store.write(f"{folder(task)}/{task.name}.json", result.model_dump_json().encode())
    return result


def folder(task: Any) -> str:
    """Where the files of a task's round stand."""
    return f"{task.call.name}/exchange/round-{task.round}"


def finished(store: Store, folder: str, name: str, fingerprint: str) -> Resolved | None:
    """What an earlier run made of the same inputs."""
    path = f"{folder}/{name}.json"
    if not store.exists(path):
        return None
    try:
        old = Resolved.model_validate_json(store.read(path))
    except ValidationError:
        return None
    whole = all(store.exists(part.path) for part in old.parts)
    return old if old.fingerprint == fingerprint and whole else None


def _rows(store: Store, task: ResolveTask) -> Iterator[pa.RecordBatch]:
    """The rows of a task, sorted."""
    order = _order(task, task.round)
    if task.near is None:
        return _stream(store, task.inputs, order, task.memory_bytes)
    return meeting(store, [one for each in task.inputs for one in each], keys_in(store, task.near), order)


def _stream(
    store: Store, inputs: Sequence[Sequence[Input]], order: Sequence[str], memory_bytes: int
) -> Iterator[pa.RecordBatch]:
    for each in inputs:
        yield from in_key_order(store, each, order, memory_bytes)


def in_key_order(
    store: Store, inputs: Sequence[Input], order: Sequence[str], memory_bytes: int
) -> Iterator[pa.RecordBatch]:
    """The rows of some exchange files, sorted by those columns of `order` that they have."""
    files = [Sorted(store, one.rows.part, (one.rows.first, one.rows.last), one.place) for one in inputs]
    held = set(files[0].columns) if files else set()
    yield from in_order(files, [name for name in order if name in held], memory_bytes)


def _order(task: Any, number: int) -> tuple[str, ...]:
    """The columns by which the rows that round `number` reads are sorted, those of the place where they are there."""
    sort = task.call.stage.rounds[number].sort
    return ("key", *sort, *(name for name in PLACE if name not in sort))


def file_order(round_: Any) -> tuple[str, ...]:
    """The same for the file of one shard."""
    sort = [name for name in round_.sort if name not in {"run", "shard"}]
    return ("key", *sort, *(name for name in ("row",) if name not in sort))


def write_sorted(store: Store, path: str, stream: Iterator[pa.RecordBatch]) -> tuple[Part | None, list[int]]:
    """One file of rows that come sorted by key, where there are any; and where its buckets start."""
    counts = BucketCounts()
    writer = None
    for batch in stream:
        writer = writer or PartWriter(store, f"{path}.parquet", batch.schema, sliced=True)
        writer.write(batch)
        counts.add(batch.column("key").to_numpy())
    return writer.commit() if writer else None, counts.offsets


def write_runs(
    store: Store, task: Any, stream: Iterable[pa.RecordBatch], order: Sequence[str]
) -> Iterator[tuple[Part, list[int]]]:
    """Write rows in sorted runs of bounded size; with each file, where its buckets or its shards start."""
    path = f"{folder(task)}/{task.name}"
    for number, table in enumerate(_runs(stream, task.memory_bytes // 4)):
        needed = order if order[0] == "shard" else [name for name in order if name not in PLACE]
        if any(name not in table.column_names for name in needed):
            raise StageError(
                f"stage {task.call.name!r} gave round {task.round} no {list(needed)}",
                remedy="see `Round` in the stage contract",
            )
        at = pc.sort_indices(table, [(name, "ascending") for name in order if name in table.column_names])
        writer = PartWriter(store, f"{path}-{number:03d}.parquet", table.schema, sliced=True)
        rows = max(1, len(table) * TAKEN_BYTES // max(1, table.nbytes))
        for start in range(0, len(table), rows):  # no second copy of the run, however long its lists
            for batch in table.take(at.slice(start, rows)).to_batches():
                writer.write(batch)
        if order[0] == "shard":
            starts = np.searchsorted(table["shard"].take(at).to_numpy(), np.arange(task.shards + 1)).tolist()
        else:
            starts = bucket_offsets(table["key"].take(at).to_numpy())
        yield writer.commit(), starts


def _runs(stream: Iterable[pa.RecordBatch], most: int) -> Iterator[pa.Table]:
    """Tables of about so many bytes, each column in one piece."""
    run: list[pa.RecordBatch] = []
    size = 0
    for batch in stream:
        if len(batch):
            run.append(batch)
            size += batch.nbytes
        if size >= most:
            yield _in_one_piece(run)
            size = 0
    if run:
        yield _in_one_piece(run)


def _in_one_piece(run: list[pa.RecordBatch]) -> pa.Table:
    """The batches are let go of."""
    table = pa.Table.from_batches(run)
    run.clear()
    return table.combine_chunks()


def rows_of_shard(store: Store, slices: Sequence[Slice]) -> pa.Table:
    """The rows on one shard's documents, sorted by row; without columns but `row` where there are none."""
    tables = []
    for each in slices:
        file = TableFile(store, each.part)
        at = np.arange(each.first, each.last)
        tables.append(pa.table({name: file.take(name, at) for name in file.columns}))
    if not tables:
        return pa.table({"row": pa.array([], pa.uint32())})
    return pa.concat_tables(tables).sort_by("row").combine_chunks()
