"""One range of keys of a Group's round: merge the shards' sorted keys, resolve, sort for the next reader.

Memory: one batch of each input, the state of the stage's `resolve`, and a run of output before it is
sorted and written. A range that is done leaves a small record, so a restart repeats only what is missing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from datapipe.corpus.exchange import MERGE_ROWS, bucket_offsets, merged, read_range, with_shard
from datapipe.corpus.layer import TableFile
from datapipe.corpus.record import Part
from datapipe.corpus.store import Store
from datapipe.engine.part import PartWriter
from datapipe.engine.task import ResolveTask, Slice
from datapipe.errors import StageError
from datapipe.stage import Scratch

__all__ = ["Resolved", "finished", "run_resolve", "verdicts_of_shard"]


class Resolved(BaseModel):
    """What a range of keys gave: files sorted by key, or by (shard, row) in the last round."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    parts: tuple[Part, ...]
    buckets: tuple[tuple[int, ...], ...]


def run_resolve(task: ResolveTask) -> Resolved:
    """Resolve one range of keys, or return what an earlier run made of the same inputs."""
    store = Store(task.run)
    done = finished(store, task)
    if done is not None:
        return done
    path = _path(task)
    stage: Any = task.call.stage
    settle = task.round == len(stage.rounds)
    with tempfile.TemporaryDirectory(prefix="datapipe-") as scratch:
        room = Scratch(Path(scratch), task.memory_bytes)
        resolve = stage.settle if settle else stage.rounds[task.round].resolve
        stream = resolve(_stream(store, task), task.call.settings, room)
        made = list(_write(store, path, stream, task))
    result = Resolved(
        fingerprint=task.fingerprint,
        parts=tuple(part for part, _ in made),
        buckets=tuple(tuple(buckets) for _, buckets in made),
    )
    store.write(f"{path}.json", result.model_dump_json().encode())
    return result


def _path(task: ResolveTask) -> str:
    return f"{task.call.name}/exchange/round-{task.round}/{task.keys.name}"


def finished(store: Store, task: ResolveTask) -> Resolved | None:
    """What an earlier run made of a range of the same inputs."""
    name = f"{_path(task)}.json"
    if not store.exists(name):
        return None
    try:
        old = Resolved.model_validate_json(store.read(name))
    except ValidationError:
        return None
    whole = all(store.exists(part.path) for part in old.parts)
    return old if old.fingerprint == task.fingerprint and whole else None


def _stream(store: Store, task: ResolveTask) -> Iterator[pa.RecordBatch]:
    size = max(1024, MERGE_ROWS // max(1, len(task.inputs)))
    streams = []
    for rows, shard in task.inputs:
        stream = read_range(store, rows.part, (rows.first, rows.last), size)
        streams.append(stream if shard is None else with_shard(stream, shard))
    held = {
        name for rows, shard in task.inputs for name in (*rows.part.digests, *(("shard",) if shard is not None else ()))
    }
    return merged(streams, _order(task, task.round, held))


def _order(task: ResolveTask, number: int, held: Iterable[str]) -> list[str]:
    """The columns by which the rows that round `number` reads are sorted."""
    rounds = task.call.stage.rounds
    sort = rounds[number].sort if number < len(rounds) else ()
    return ["key", *sort, *(name for name in ("shard", "row") if name in set(held))]


def _write(
    store: Store, path: str, stream: Iterator[pa.RecordBatch], task: ResolveTask
) -> Iterator[tuple[Part, list[int]]]:
    """Write the output in sorted runs of bounded size."""
    for number, run in enumerate(_runs(stream, task.memory_bytes // 4)):
        table = pa.Table.from_batches(run)
        order = ["shard", "row"] if task.last else _order(task, task.round + 1, table.column_names)
        if any(name not in table.column_names for name in order):
            raise StageError(
                f"stage {task.call.name!r} gave round {task.round} no {order}",
                remedy="see `Round` in the stage contract",
            )
        table = table.sort_by([(name, "ascending") for name in order]).combine_chunks()
        writer = PartWriter(store, f"{path}-{number:03d}.parquet", table.schema)
        for batch in table.to_batches():
            writer.write(batch)
        if task.last:
            starts = np.searchsorted(table.column("shard").to_numpy(), np.arange(task.shards + 1)).tolist()
        else:
            starts = bucket_offsets(table.column("key").to_numpy())
        yield writer.commit(), starts


def _runs(stream: Iterator[pa.RecordBatch], most: int) -> Iterator[list[pa.RecordBatch]]:
    run: list[pa.RecordBatch] = []
    size = 0
    for batch in stream:
        if len(batch):
            run.append(batch)
            size += batch.nbytes
        if size >= most:
            yield run
            run, size = [], 0
    if run:
        yield run


def verdicts_of_shard(store: Store, slices: Sequence[Slice]) -> pa.Table:
    """The verdicts on one shard's documents, sorted by row; without columns but `row` where there are none."""
    tables = []
    for each in slices:
        file = TableFile(store, each.part)
        at = np.arange(each.first, each.last)
        tables.append(pa.table({name: file.take(name, at) for name in file.columns}))
    if not tables:
        return pa.table({"row": pa.array([], pa.uint32())})
    return pa.concat_tables(tables).sort_by("row").combine_chunks()
