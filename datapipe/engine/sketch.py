"""Sketches one shard for a stage's `prepare`: small tables over its kept documents, merged per shard.

Memory: FOLD tables, for they are merged as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from datapipe.corpus.store import Store
from datapipe.engine.calling import called
from datapipe.engine.columns import Columns
from datapipe.engine.shards import windows
from datapipe.engine.task import BaseShard, Call

__all__ = ["SketchTask", "merged", "run_sketch"]

FOLD = 8


@dataclass(frozen=True)
class SketchTask:
    """Which shard to sketch, for which stage."""

    run: str
    base: BaseShard
    call: Call
    owners: dict[str, tuple[str, ...]]


def run_sketch(task: SketchTask) -> tuple[str, pa.Table]:
    """Name of the shard and its merged sketch."""
    store = Store(task.run)
    columns = Columns(store, task.base.source.name, task.base)
    made: Any = task.call.stage.prepare
    reads = made.reads(task.call.settings) if callable(made.reads) else made.reads

    def sketches() -> Iterator[pa.Table]:
        for window in windows(store, task.base, columns):
            columns.start_window()
            batch = columns.batch(reads, window.rows, task.owners)
            yield called(task.call, task.base.shard, made.sketch, batch, task.call.settings)

    def merge(tables: Sequence[pa.Table]) -> pa.Table:
        whole: pa.Table = called(task.call, task.base.shard, made.merge, tables)
        return whole

    return task.base.shard, merged(sketches(), merge)


def merged(tables: Iterable[pa.Table], merge: Callable[[Sequence[pa.Table]], pa.Table]) -> pa.Table:
    """All tables as one, merged some at a time, in order."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if len(held) == FOLD:
            held = [merge(held)]
    return merge(held)
