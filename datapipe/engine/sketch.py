"""Sketches one shard for a stage's `prepare`: small tables over its kept documents, merged per shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from datapipe.corpus.store import Store
from datapipe.engine.calling import called
from datapipe.engine.columns import Columns
from datapipe.engine.shards import windows
from datapipe.engine.task import BaseShard, Call

__all__ = ["SketchTask", "run_sketch"]


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
    tables = []
    for window in windows(store, task.base, columns):
        columns.start_window()
        batch = columns.batch(reads, window.rows, task.owners)
        tables.append(called(task.call, task.base.shard, made.sketch, batch, task.call.settings))
    return task.base.shard, called(task.call, task.base.shard, made.merge, tables)
