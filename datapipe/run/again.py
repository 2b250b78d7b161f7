"""Decides documents anew from stored measures, exactly as a run does, and writes nothing.

It is the run's own step with other settings over the layers that stand; a row without measures is an error.
Memory: the measures of one slice of rows.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from datapipe.corpus.layer import Rows
from datapipe.engine.columns import Columns
from datapipe.engine.reasons import joined
from datapipe.engine.step import StepRun
from datapipe.engine.task import Call, Limits, Step
from datapipe.recipe import Node
from datapipe.run.context import Context, Shard
from datapipe.run.paths import Path
from datapipe.run.reopen import open_columns, standing

__all__ = ["Decision"]

SLICE_ROWS = 65_536


class Decision(StepRun):
    """The decisions of one stage on one shard, under the config of `node`, which may be another than the run's.

    `columns`: of the shard, where they are open already: what is read then serves several decisions.
    """

    def __init__(
        self, context: Context, path: Path, shard: Shard, node: Node, *, columns: Columns | None = None
    ) -> None:
        record = standing(context, path, shard)
        call: Call = context.paths.call(node)
        step = Step(call, record.values if record else "", "", path.owners, node.where, old=record)
        columns = columns or open_columns(context, path, shard)
        super().__init__(context.store, step, columns, shard=shard.name, limits=Limits())

    def reasons(self, rows: Rows) -> pa.StringArray:
        """A reason for each of the rows, null = kept."""
        pieces: list[Any] = []
        for start in range(0, len(rows), SLICE_ROWS):
            slice_ = rows[start : start + SLICE_ROWS]
            applied = self._columns.where(self.step.where, slice_, self.step.owners)
            pieces.append(self._decide(slice_, applied))
        whole: pa.StringArray = joined(pieces)
        return whole
