"""Rounds of a Group without a run: what `apply` makes of some shards, streams sorted and cut as the framework does."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.stage import Group, Scratch
from datapipe.text import forget

Shards = Sequence[pa.RecordBatch]
Corpus = tuple[Shards, Sequence[int], Shards]
ROOMY = 1 << 28


def judged(
    stage: Group,
    config: Any,
    shards: Shards,
    *,
    runs: Sequence[int] = (),
    cut: int = 100,
    memory: int = ROOMY,
    given: Shards = (),
) -> list[pa.RecordBatch]:
    """The columns that each shard's documents get; `runs`: of which run a shard is, if not all are of this one.

    `given` are the columns that the first shards, of earlier runs, got there.
    """
    runs = runs or [0] * len(shards)
    own = max(runs)
    with tempfile.TemporaryDirectory() as folder:
        resource = _prepared(stage, config, shards, Path(folder))
        rows = _rounds(stage, config, (shards, runs, given), (cut, memory, resource))
    return [_applied(stage, config, shard, _of(rows, n)) for n, shard in enumerate(shards) if runs[n] == own]


def _prepared(stage: Group, config: Any, shards: Shards, folder: Path) -> Path | None:
    if stage.prepare is None or stage.prepare.sketch is None or stage.prepare.merge is None:
        return None
    sketches = [stage.prepare.sketch(_read(stage, config, shard), config) for shard in shards]
    stage.prepare.build(stage.prepare.merge(sketches), config, folder)
    return folder


def _rounds(stage: Group, config: Any, corpus: Corpus, how: tuple[int, int, Path | None]) -> pa.Table:
    """The verdicts; `how`: rows in a batch of a stream, memory in bytes, and what was prepared."""
    (shards, runs, _), (cut, memory, resource) = corpus, how
    first = stage.rounds[0].emit
    assert first is not None
    rows = _together(
        [_placed(first(_read(stage, config, shard), config, resource), n, runs) for n, shard in enumerate(shards)]
    )
    for number, one in enumerate(stage.rounds):
        if one.answer is not None:
            rows = _answers(stage, config, corpus, rows, one.answer)
        place = [name for name in ("shard", "row") if name in rows.column_names and name not in one.sort]
        ordered = rows.sort_by([(name, "ascending") for name in ("key", *one.sort, *place)]) if len(rows) else rows
        with tempfile.TemporaryDirectory() as folder:
            made = list(one.resolve(_cut(ordered, cut), config, Scratch(Path(folder, str(number)), memory)))
        rows = _together([pa.Table.from_batches([batch]) for batch in made if batch.num_rows])
    return rows


def _read(stage: Group, config: Any, shard: pa.RecordBatch) -> pa.RecordBatch:
    forget()
    return shard.select(list(stage.reads_for(config)))


def _placed(rows: pa.RecordBatch, shard: int, runs: Sequence[int]) -> pa.Table:
    table = pa.Table.from_batches([rows])
    for name, number in (("shard", shard), ("run", runs[shard])):
        table = table.append_column(name, pa.array(np.full(len(table), number, np.uint32)))
    return table


def _together(tables: list[pa.Table]) -> pa.Table:
    some = [table for table in tables if len(table)]
    return pa.concat_tables(some) if some else pa.table({name: pa.array([], pa.uint32()) for name in ("shard", "row")})


def _of(rows: pa.Table, shard: int) -> pa.RecordBatch:
    mine = rows.filter(pa.array(rows["shard"].to_numpy() == shard)).sort_by("row").combine_chunks().to_batches()
    return mine[0] if mine else pa.RecordBatch.from_pylist([], rows.schema)


def _answers(stage: Group, config: Any, shards: Corpus, asked: pa.Table, answer: Any) -> pa.Table:
    given = []
    for number, shard in enumerate(shards[0]):
        mine = _of(asked, number)
        if not mine.num_rows:
            continue
        wanted = np.unique(mine["row"].to_numpy())
        batch = _read(stage, config, shard).take(pa.array(wanted))
        measured = stage.measure(batch, config, None) if stage.measure else batch
        names = ["row", *measured.schema.names]
        measured = pa.RecordBatch.from_arrays([pa.array(wanted, pa.uint32()), *measured.columns], names=names)
        for name in stage.recalls:
            told = shards[2][number][name].take(pa.array(wanted)) if number < len(shards[2]) else None
            nobody = pa.nulls(len(wanted), stage.adds_for(config).field(name).type)
            measured = measured.append_column(name, nobody if told is None else told)
        given.append(_placed(answer(measured, mine, config), number, shards[1]))
    return _together(given)


def _cut(rows: pa.Table, size: int) -> Iterator[pa.RecordBatch]:
    edges = range(0, len(rows) + size, size)
    for start, stop in pairwise(edges):
        yield from rows.slice(start, stop - start).combine_chunks().to_batches()


def _applied(stage: Group, config: Any, shard: pa.RecordBatch, verdicts: pa.RecordBatch) -> pa.RecordBatch:
    forget()
    rows = pa.array(np.arange(shard.num_rows, dtype=np.uint32))
    names = stage.applies_for(config)
    arrays = [rows, *(shard[name] for name in names)]
    columns = stage.apply(pa.RecordBatch.from_arrays(arrays, names=["row", *names]), verdicts, config)
    assert columns.schema == stage.adds_for(config)
    return columns
