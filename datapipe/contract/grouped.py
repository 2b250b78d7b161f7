"""A Group, with a small exchange in memory: rounds of keys, sorted streams, verdicts.

The samples stand as three shards. However emitted keys are cut into streams and ranges, and documents into
batches, the verdicts and what `apply` makes of them must be the same.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from datapipe.contract.compare import concatenated, difference, groups
from datapipe.contract.decision import check_decision
from datapipe.contract.finding import Findings, Trial
from datapipe.contract.rowwise import Rowwise, check_rowwise
from datapipe.stage import Scratch

__all__ = ["check_group", "run_group"]

_KEYS = pa.schema([("row", pa.uint32()), ("key", pa.uint64())])
_SHARDS = 3
_MEMORY_BYTES = 64 << 20

# What a Group that finds nothing gives, and what `apply` is then handed.
_NOTHING = pa.schema([("shard", pa.uint32()), ("row", pa.uint32()), ("key", pa.uint64())])
_NOBODY = pa.RecordBatch.from_arrays([pa.array([], pa.uint32())], names=["row"])

Cut: TypeAlias = Callable[[pa.RecordBatch], list[pa.RecordBatch]]


def check_group(trial: Trial) -> None:
    """Try the rounds of a Group and its `apply`."""
    rounds, found = trial.stage.rounds, trial.found
    if not rounds or rounds[0].emit is None:
        found.add("rounds", "the first round has no emit")
        return
    function = Rowwise("emit", partial(_emit, trial), _KEYS, index="row", exact=False)
    if check_rowwise(function, trial.samples, found) is None:
        return
    whole = concatenated(list(trial.samples.values()))
    verdicts = found.attempt("resolve", "resolve", _verdicts, trial, whole, _uncut, 1)
    if verdicts is None or not _check_verdicts(verdicts, _shards(whole), found):
        return
    for seed, ranges in ((1, 1), (2, 1), (3, 3), (4, 8)):
        check = "cuts" if ranges == 1 else "ranges"
        what = f"resolve of a stream cut otherwise, in {ranges} range(s) of keys"
        again = found.attempt(check, what, _verdicts, trial, whole, partial(_cut_at_random, seed), ranges)
        differs = difference(_lines(verdicts), _lines(again)) if again is not None else None
        if differs:
            found.add(check, f"{what}: verdicts differ: {differs}")
    for number, shard in enumerate(_shards(whole)):
        _check_apply(trial, shard, _of_shard(verdicts, number))


def run_group(trial: Trial, whole: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """What `apply` makes of the verdicts on each shard."""
    verdicts = _verdicts(trial, whole, _uncut, 1)
    for number, shard in enumerate(_shards(whole)):
        yield trial.stage.apply(_applied(trial, shard), _of_shard(verdicts, number), trial.config)


# ---------------------------------------------------------------------------------------------- the exchange


def _shards(whole: pa.RecordBatch) -> list[pa.RecordBatch]:
    size = -(-len(whole) // _SHARDS)
    return [whole.slice(start, size) for start in range(0, len(whole), size)]


def _emit(trial: Trial, batch: pa.RecordBatch) -> pa.RecordBatch:
    emitted: pa.RecordBatch = trial.stage.rounds[0].emit(batch.select(trial.reads), trial.config, trial.resource)
    return emitted


def _verdicts(trial: Trial, whole: pa.RecordBatch, cut: Cut, ranges: int) -> pa.Table:
    emitted = []
    for number, shard in enumerate(_shards(whole)):
        emitted.append(_placed(pa.Table.from_batches([_emit(trial, shard)]), number))
    keys = pa.concat_tables(emitted)
    with tempfile.TemporaryDirectory(prefix="datapipe-") as folder:
        scratch = Scratch(Path(folder), _MEMORY_BYTES)
        for one in trial.stage.rounds:
            keys = _answers(trial, whole, keys, one.answer) if one.answer else keys
            parts = _ranges(_sorted(keys, one.sort), 1 if one.whole else ranges)
            streams = [_stream(part, cut) for part in parts]
            made = [batch for stream in streams for batch in one.resolve(stream, trial.config, scratch)]
            keys = pa.Table.from_batches(made) if made else _NOTHING.empty_table()
    return keys


def _placed(rows: pa.Table, shard: int) -> pa.Table:
    for name, number in (("shard", shard), ("run", 0)):
        rows = rows.append_column(name, pa.array(np.full(len(rows), number, np.uint32)))
    return rows


def _answers(trial: Trial, whole: pa.RecordBatch, asked: pa.Table, answer: Any) -> pa.Table:
    """What the documents of each shard answer; each is measured once."""
    given = []
    for number, shard in enumerate(_shards(whole)):
        mine = _of_shard(asked, number)
        if not len(mine):
            continue
        rows = np.unique(mine.column("row").to_numpy())
        batch = shard.select(trial.reads).take(pa.array(rows))
        measured = trial.stage.measure(batch, trial.config, trial.resource) if trial.stage.measure else batch
        named = ["row", *measured.schema.names]
        measured = pa.RecordBatch.from_arrays([pa.array(rows, pa.uint32()), *measured.columns], names=named)
        for name in trial.stage.recalls:  # of earlier runs, of which there is none
            measured = measured.append_column(name, pa.nulls(len(rows), trial.adds.field(name).type))
        given.append(_placed(pa.Table.from_batches([answer(measured, mine, trial.config)]), number))
    return pa.concat_tables(given) if given else _NOTHING.empty_table()


def _sorted(keys: pa.Table, sort: tuple[str, ...]) -> pa.Table:
    if not len(keys):  # where a round gave nothing, its columns are not known
        return keys
    place = [name for name in ("shard", "row") if name in keys.column_names and name not in sort]
    return keys.sort_by([(name, "ascending") for name in ["key", *sort, *place]])


def _stream(keys: pa.Table, cut: Cut) -> Iterator[pa.RecordBatch]:
    for batch in keys.combine_chunks().to_batches():
        yield from cut(batch)


def _ranges(keys: pa.Table, ranges: int) -> list[pa.Table]:
    """Cut sorted keys so that no key spans two ranges."""
    values = keys.column("key").to_numpy()
    firsts = (
        np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if len(values) else np.zeros(1, np.int64)
    )
    edges = [int(part[0]) for part in np.array_split(firsts, ranges) if len(part)] + [len(values)]
    return [keys.slice(start, stop - start) for start, stop in pairwise(edges)]


def _uncut(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    return [batch]


def _cut_at_random(seed: int, batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    if seed == 1:
        return [batch.slice(row, 1) for row in range(len(batch))]
    chance = random.Random(seed)  # noqa: S311 - where to cut, always the same
    places = sorted({0, len(batch), *(chance.randrange(len(batch) + 1) for _ in range(5 * seed))})
    return [batch.slice(start, stop - start) for start, stop in pairwise(places)]


# ---------------------------------------------------------------------------------------------- verdicts


def _lines(verdicts: pa.Table) -> list[tuple[str, ...]]:
    names = sorted(verdicts.column_names)
    batches = verdicts.select(names).combine_chunks().to_batches()
    return sorted(groups(batches[0], None, len(batches[0]))) if batches else []


def _check_verdicts(verdicts: pa.Table, shards: list[pa.RecordBatch], found: Findings) -> bool:
    for name in ("shard", "row"):
        if name not in verdicts.column_names or verdicts.schema.field(name).type != pa.uint32():
            found.add("verdicts", f"the last round gives no {name} (uint32)")
            return False
    for shard, row in zip(verdicts.column("shard").to_pylist(), verdicts.column("row").to_pylist(), strict=True):
        if shard is None or row is None or shard >= len(shards) or row >= len(shards[shard]):
            found.add("verdicts", f"a verdict on document ({shard}, {row}), which nobody emitted")
            return False
    return True


def _of_shard(verdicts: pa.Table, shard: int) -> pa.RecordBatch:
    mine = verdicts.take(np.flatnonzero(verdicts.column("shard").to_numpy() == shard)).sort_by("row")
    batches = mine.combine_chunks().to_batches()
    return batches[0] if batches else _NOBODY


def _applied(trial: Trial, shard: pa.RecordBatch) -> pa.RecordBatch:
    names = trial.stage.applies_for(trial.config)
    arrays: list[Any] = [pa.array(np.arange(len(shard), dtype=np.uint32)), *(shard.column(name) for name in names)]
    return pa.RecordBatch.from_arrays(arrays, names=["row", *names])


def _check_apply(trial: Trial, shard: pa.RecordBatch, verdicts: pa.RecordBatch) -> None:
    known = verdicts.column("row").to_numpy()

    def apply(batch: pa.RecordBatch) -> Any:
        mine = np.flatnonzero(np.isin(known, batch.column("row").to_numpy()))
        return trial.stage.apply(batch, verdicts.take(mine), trial.config)

    batch = _applied(trial, shard)
    done = check_rowwise(Rowwise("apply", apply, trial.adds), {"typical": batch}, trial.found)
    if len(set(known.tolist())) < len(shard):  # a shard may be left without verdicts where not every document gets one
        trial.found.attempt("verdicts", "apply without any verdict", trial.stage.apply, batch, _NOBODY, trial.config)
    if done is not None:
        check_decision(trial, shard, apply(batch))
