"""Stages over a stored shard; the same chain of stages serves a shard in the making (`source`).

Batches pass in memory from stage to stage; each layer is committed by itself, in order, when its shard is
complete, so running one stage at a time, or after any interruption, gives the same bytes.
Memory: one batch (1,024 rows and 8 MiB of documents) with what the stages add to it, and one open row
group per column.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from datapipe.corpus.ids import hash_ids
from datapipe.corpus.layer import Rows
from datapipe.corpus.record import Record
from datapipe.corpus.store import Store
from datapipe.engine.columns import Columns
from datapipe.engine.emission import EmitRun
from datapipe.engine.reasons import kept_rows
from datapipe.engine.resolve import rows_of_shard
from datapipe.engine.step import StepRun, Window
from datapipe.engine.task import BaseShard, ShardTask, SourceTask
from datapipe.stage import MAX_BATCH_BYTES, MAX_BATCH_ROWS, Group
from datapipe.text import forget

__all__ = ["Chain", "batches_of", "run_shard", "sizes_of", "windows"]


class Chain:
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
                run.verdicts = rows_of_shard(store, step.verdicts)
            self.runs.append(run)

    def process(self, window: Window) -> None:
        """Pass a window through all stages."""
        for run in self.runs:
            window = run.process(window)
        forget()

    def finish(self, base: str) -> list[Record]:
        """Commit what each stage made, in order."""
        return [run.finish(base) for run in self.runs]

    def discard(self) -> None:
        """Leave nothing behind of what is not committed."""
        for run in self.runs:
            run.discard()


# ---------------------------------------------------------------------------------------------- a stored shard


def run_shard(task: ShardTask) -> list[Record]:
    """Run a task's stages on one shard; returns a record for each of them, done now or before."""
    store = Store(task.run)
    base = task.base
    columns = Columns(store, base.source.name, base)
    chain = Chain(store, task, columns, base.shard)
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
    sizes = sizes_of(base, columns)
    hashes = hash_ids(file.take("id", np.arange(file.part.rows)))
    for mine in batches_of(rows, sizes):
        yield Window(mine, hashes[mine], sizes[mine], int(mine[-1]) + 1)


def sizes_of(base: BaseShard, columns: Columns) -> Any:
    """Bytes as read of each document of a shard."""
    (file,) = columns.files(base.source.name)
    return file.take("bytes", np.arange(file.part.rows)).to_numpy()


def batches_of(rows: Rows, sizes: Any) -> Iterator[Rows]:
    """Cut ascending rows into batches of bounded number and size."""
    start = 0
    while start < len(rows):
        weight = np.cumsum(sizes[rows[start : start + MAX_BATCH_ROWS]])
        stop = start + max(1, int(np.searchsorted(weight, MAX_BATCH_BYTES, side="right")))
        yield rows[start:stop]
        start = stop
