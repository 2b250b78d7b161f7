"""Of a Group's keys, those that a side corpus meets: the rows of a finished run that share a key with one of its rows.

Documents without such a key cannot be compared with the side corpus, so that judging it costs reading the finished
run's keys once, and no more.
Memory: the keys of the side corpus, those of one file, and the rows found in as many files as a task opens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.corpus.exchange import BATCH_ROWS, Sorted
from datapipe.corpus.store import Store
from datapipe.engine.task import Input, Slice

__all__ = ["keys_in", "meeting"]


def keys_in(store: Store, slices: Sequence[Slice]) -> Any:
    """All different keys of some rows, sorted, uint64."""
    files = (Sorted(store, each.part, (each.first, each.last), {}) for each in slices)
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *(file.keys for file in files)]))


def meeting(store: Store, inputs: Sequence[Input], keys: Any, order: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of some files whose key is one of `keys`, sorted by `order`."""
    found: list[pa.RecordBatch] = []
    for each in inputs:
        file = Sorted(store, each.rows.part, (each.rows.first, each.rows.last), each.place)
        at = np.flatnonzero(np.isin(file.keys, keys))
        found += [file.pick(at)] if len(at) else []
    if not found:
        return
    names = found[0].schema.names
    held: Any = [(name, "ascending") for name in order if name in names]
    table = pa.Table.from_batches([batch.select(names) for batch in found]).sort_by(held).combine_chunks()
    yield from table.to_batches(max_chunksize=BATCH_ROWS)
