"""Plants cases that a stage ought to find: rows made of copies of real documents, in a side corpus of their own shards.

Which documents lend themselves, and what is made of them, is decided by hashes of their ids alone. A case brings the
columns that its stage's planting changes; every other column is its document's, looked up in the run when it is asked
for. The run's own files are read and never written.
Costs one look at the ids of all documents that come in, and reading those that are chosen; memory: one batch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from datapipe.algo.chance import chances
from datapipe.algo.where import Where
from datapipe.corpus.digest import digest_rows
from datapipe.corpus.ids import hash_ids, tally
from datapipe.corpus.layer import Rows, TableFile, row_bytes
from datapipe.corpus.record import Record, Work, disown, write_record
from datapipe.corpus.store import Store
from datapipe.engine.calling import called
from datapipe.engine.columns import Columns
from datapipe.engine.part import PartWriter
from datapipe.engine.reasons import kept_rows, nobody, write_reasons
from datapipe.engine.shards import batches_of, sizes_of
from datapipe.engine.task import BaseShard, Call
from datapipe.errors import StageError
from datapipe.schema import COLUMNS, PLACE, qualified
from datapipe.text import forget

__all__ = ["CASE", "HIDDEN", "Kinds", "OutcomeTask", "PlantTask", "chosen", "run_outcome", "run_plant"]

CASE, HIDDEN = "case", "hidden"  # what kind of case, and what the stage is to find
Kinds = dict[str, dict[str, int]]  # by kind: `planted`, of them `judged`, and of those `found`


@dataclass(frozen=True)
class PlantTask:
    """Cases for a stage, out of the documents of one shard as they come to it.

    `base` names the run's files from the side corpus. `state` says of which documents; see `Record.decision`.
    """

    run: str
    base: BaseShard
    call: Call  # of the stage that is audited
    name: str  # of the stage that the cases are said to come from
    owners: dict[str, tuple[str, ...]]
    where: Where | None
    values: str
    state: str
    rate: float
    seed: int
    resource: str | None = None
    old: Record | None = None


@dataclass(frozen=True)
class OutcomeTask:
    """What became of the cases of one shard; `base` has the layer of the stage `call`."""

    run: str
    base: BaseShard
    call: Call


# ---------------------------------------------------------------------------------------------- planting


def chosen(ids: Any, rate: float, *, seed: int, stage: str) -> Any:
    """Which documents lend themselves, and a uint64 of chance for each: two hashes of seed, stage and id."""
    lot, chance = (chances(ids, seed, stage, purpose) for purpose in ("choose", "plant"))
    return lot < np.uint64(min(int(rate * 2**64), 2**64 - 1)), chance


def run_plant(task: PlantTask) -> list[Record]:
    """Write the base shard of the cases that one shard gives."""
    store = Store(task.run)
    columns = Columns(store, task.base.source.name, task.base)
    made = _Cases(store, task)
    (file,) = columns.files(task.base.source.name)
    before = task.base.layers.get(task.base.previous, task.base.record)
    rows = kept_rows(store, before.reasons)
    is_chosen, chance = chosen(file.take("id", rows.astype(np.int64)), task.rate, seed=task.seed, stage=task.call.name)
    chances = dict(zip(rows[is_chosen].tolist(), chance[is_chosen].tolist(), strict=True))
    try:
        for mine in batches_of(rows[is_chosen], sizes_of(task.base, columns)):
            columns.start_window()
            applied = mine[columns.where(task.where, mine, task.owners)]
            if len(applied):
                made.add(columns, applied, np.array([chances[row] for row in applied.tolist()], np.uint64))
        return [made.finish()]
    except BaseException:
        made.discard()
        raise


class _Cases:
    def __init__(self, store: Store, task: PlantTask) -> None:
        self._store, self._task = store, task
        self._planting: Any = task.call.stage.audit
        self._config = task.call.settings
        self._changes: tuple[str, ...] = self._planting.changes_for(self._config)
        own = {qualified(name, task.name): pa.string() for name in (CASE, HIDDEN)}
        own |= {name: COLUMNS[name] for name in self._changes}
        fields: Any = {**PLACE, "parent_row": COLUMNS["parent_row"], **own}.items()
        self._schema = pa.schema(list(fields))
        self._base = PartWriter(store, f"{task.name}/{task.base.shard}.parquet", self._schema)
        self._ids: list[str] = []
        self._sizes = 0

    def add(self, columns: Columns, rows: Rows, chance: Any) -> None:
        task = self._task
        reads = tuple(dict.fromkeys(("id", *self._planting.reads_for(self._config))))
        batch = columns.batch(reads, rows, task.owners)
        resource = Path(task.resource) if task.resource else None
        cases = called(task.call, task.base.shard, self._planting.plant, batch, self._config, resource, chance)
        forget()
        at = self._checked(cases, len(rows))
        if not len(at):
            return
        place = columns.batch(("id", "file", "record", "cursor"), rows, task.owners).take(pa.array(at))
        first = np.searchsorted(at, at)
        parents = zip(place.column("id").to_pylist(), np.arange(len(at)) - first, strict=True)
        ids = [f"{parent}#planted-{n}" for parent, n in parents]
        own = cases.select([CASE, HIDDEN, *self._changes])
        arrays = [pa.array(ids), *place.columns[1:], pa.array(row_bytes(own)), pa.array(rows[at]), *own.columns]
        self._base.write(pa.RecordBatch.from_arrays(arrays, names=self._schema.names).cast(self._schema))
        self._ids += ids
        self._sizes += int(row_bytes(own).sum())

    def _checked(self, cases: Any, rows: int) -> Any:
        declared = {"parent_row", CASE, HIDDEN, *self._changes}
        wrong = not isinstance(cases, pa.RecordBatch) or set(cases.schema.names) != declared
        at = np.zeros(0, np.int64) if wrong else cases.column("parent_row").to_numpy().astype(np.int64)
        if wrong or (len(at) and (np.diff(at).min(initial=0) < 0 or at[-1] >= rows)):
            raise StageError(
                f"stage {self._task.call.name!r} planted cases that do not fit",
                remedy=f"`plant` gives {', '.join(sorted(declared))}, and parents in order",
            )
        return at

    def finish(self) -> Record:
        task, shard = self._task, self._task.base.shard
        disown(self._store, task.old)
        layer = self._base.commit()
        ids = xxhash.xxh3_128("".join(f"{value}\n" for value in self._ids).encode())
        ids.update(json.dumps(layer.digests, sort_keys=True).encode())
        everything = np.arange(len(self._ids), dtype=np.uint32)
        cases = tally(hash_ids(pa.array(self._ids, pa.string())))
        record = Record(
            shard=shard,
            stage=task.name,
            base=ids.hexdigest(),
            values=task.values,
            decision=task.state,
            rows_in=digest_rows(everything),
            rows_kept=digest_rows(everything),
            incoming=cases,
            kept=cases,
            bytes_in=self._sizes,
            bytes_kept=self._sizes,
            layer=(layer,),
            reasons=write_reasons(self._store, f"{task.name}/{shard}", everything, nobody(len(self._ids))),
            work=Work(processed=len(self._ids)),
        )
        write_record(self._store, record)
        return record

    def discard(self) -> None:
        self._base.discard()


# ---------------------------------------------------------------------------------------------- what became of them


def run_outcome(task: OutcomeTask) -> tuple[str, Kinds]:
    """The shard, and by kind how many cases were planted, judged and found."""
    store = Store(task.run)
    source, name = task.base.source.name, task.call.name
    planting: Any = task.call.stage.audit
    columns = Columns(store, source, task.base)
    layer = task.base.layers[name]
    rows: Rows = np.arange(task.base.record.layer[0].rows, dtype=np.uint32)
    counts: Kinds = {}
    assert layer.reasons is not None
    told = TableFile(store, layer.reasons)
    held = columns.files(name)
    for mine in batches_of(rows, sizes_of(task.base, columns)):
        columns.start_window()
        judged = np.isin(mine, np.concatenate([mine[:0], *(file.rows for file in held)]))
        arrays = {each: columns.get(qualified(each, source), mine, (source,)) for each in (CASE, HIDDEN)}
        arrays["reason"] = told.take("reason", told.find(mine))
        for column in task.call.stage.adds_for(task.call.settings).names:
            arrays[column] = columns.get(qualified(column, name), mine, (name,))
        cases = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
        found = called(task.call, task.base.shard, planting.found, cases, task.call.settings)
        if getattr(found, "shape", None) != (len(mine),):
            raise StageError(f"stage {name!r} does not say of each case whether it is found", remedy="see `Planting`")
        _count(counts, arrays[CASE].to_pylist(), judged, found & judged)
    return task.base.shard, counts


def _count(counts: Kinds, kinds: list[str], judged: Any, found: Any) -> None:
    for kind, was_judged, was_found in zip(kinds, judged.tolist(), found.tolist(), strict=True):
        of = counts.setdefault(kind, {"planted": 0, "judged": 0, "found": 0})
        of["planted"] += 1
        of["judged"] += was_judged
        of["found"] += was_found
