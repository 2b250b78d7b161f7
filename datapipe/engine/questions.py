"""What a round of a Group asks of one shard's documents, read in the order of these, some at a time.

A document may be asked by many, so what is asked of a shard can be far more than what its documents are.
Costs: each row is read once, its number twice; memory: what is asked of 16,384 documents, and a row group of each file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.corpus.layer import Rows, TableFile
from datapipe.corpus.store import Store
from datapipe.engine.task import Slice

__all__ = ["Questions"]

DOCUMENTS = 16_384  # that are read ahead of the one at hand
CHUNK_ROWS = 16_384  # of a file, as many as a row group has at most


class Questions:
    """Rows that ask the documents of a shard, from files that are sorted by document."""

    def __init__(self, store: Store, slices: Sequence[Slice]) -> None:
        self._files = [_Reader(store, each) for each in slices]
        self._held: pa.Table | None = None
        self._read = -1  # the last document of which all is held

    def documents(self) -> Rows:
        """All that are asked, by row, each once."""
        found = np.zeros(0, np.uint32)
        for file in self._files:
            found = np.union1d(found, file.documents())
        return found

    def on(self, documents: Rows) -> pa.RecordBatch:
        """All rows that ask some documents, sorted by `row`; calls name documents in ascending order."""
        first, last = int(documents[0]), int(documents[-1])
        if last > self._read:
            self._read = last + DOCUMENTS
            parts = [] if self._held is None else [self._held.slice(self._place(first, "left"))]
            parts += [part for file in self._files for part in file.until(self._read)]
            self._held = pa.concat_tables(parts).sort_by("row").combine_chunks()
        assert self._held is not None
        low, high = self._place(first, "left"), self._place(last, "right")
        some = self._held.slice(low, high - low).combine_chunks()
        return some.to_batches()[0]

    def _place(self, row: int, side: Any) -> int:
        assert self._held is not None
        return int(np.searchsorted(self._held.column("row").to_numpy(), row, side=side))


class _Reader:
    """A slice of a file, read up to a document at a time."""

    def __init__(self, store: Store, rows: Slice) -> None:
        self._file = TableFile(store, rows.part)
        self._first, self._at, self._last = rows.first, rows.first, rows.last

    def _rows(self, start: int) -> Rows:
        rows: Rows = self._file.take("row", np.arange(start, min(start + CHUNK_ROWS, self._last))).to_numpy()
        return rows

    def documents(self) -> Rows:
        found = [np.unique(self._rows(start)) for start in range(self._first, self._last, CHUNK_ROWS)]
        return np.unique(np.concatenate(found))

    def until(self, row: int) -> list[pa.Table]:
        """The rows that follow on documents up to this one."""
        found = []
        while self._at < self._last:
            rows = self._rows(self._at)
            count = int(np.searchsorted(rows, row, side="right"))
            at = np.arange(self._at, self._at + count)
            if count:
                found.append(pa.table({name: self._file.take(name, at) for name in self._file.columns}))
            self._at += count
            if count < len(rows):
                break
        return found
