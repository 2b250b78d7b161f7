"""What earlier runs gave their documents, for a Group that keeps to it (`Group.recalls`).

Costs reading those columns of the documents that are asked for; memory: a row group of each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.corpus.layer import Rows, TableFile
from datapipe.corpus.store import Store
from datapipe.engine.task import AnswerTask
from datapipe.schema import qualified

__all__ = ["Recalled"]


class Recalled:
    """The columns of one shard that a Group recalls: null for documents of this run."""

    def __init__(self, store: Store, task: AnswerTask) -> None:
        stage = task.call.stage
        adds = stage.adds_for(task.call.settings)
        self._types = {name: adds.field(name).type for name in stage.recalls}
        self._files = [TableFile(store, part) for part in task.recalled]
        self._stage = task.recalled_of

    def beside(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch of documents, by `row`, with what is recalled of them."""
        rows: Rows = batch["row"].to_numpy()
        for name, kind in self._types.items():
            batch = batch.append_column(name, self._column(qualified(name, self._stage), kind, rows))
        return batch

    def _column(self, column: str, kind: Any, rows: Rows) -> Any:
        values: Any = pa.nulls(len(rows), kind)
        for file in self._files:  # a later part may hold a row anew
            at = file.find(rows)
            held = at >= 0
            if held.any():
                places = np.full(len(rows), -1)
                places[held] = np.arange(held.sum())
                told = file.take(column, at[held]).cast(kind).take(pa.array(places, mask=~held))
                values = told if held.all() else _chosen(held, told, values)
        return values


def _chosen(held: Any, told: Any, others: Any) -> Any:
    at = np.where(held, np.arange(len(held)), np.arange(len(held)) + len(held))
    return pa.concat_arrays([told, others]).take(pa.array(at))
