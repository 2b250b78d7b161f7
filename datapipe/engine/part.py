"""A Parquet file of the run in the making: opened with its first rows, visible once it is committed."""

from __future__ import annotations

import contextlib

import pyarrow as pa

from datapipe.corpus.layer import TableWriter
from datapipe.corpus.record import Part
from datapipe.corpus.store import Store

__all__ = ["PartWriter"]


class _Discard(Exception):
    pass


class PartWriter:
    """Writes one file; `commit` makes it visible, `discard` leaves nothing behind. `sliced`: see `TableWriter`."""

    def __init__(self, store: Store, path: str, schema: pa.Schema, *, sliced: bool = False) -> None:
        self._store, self._path, self._schema, self._sliced = store, path, schema, sliced
        self._stack = contextlib.ExitStack()
        self._writer: TableWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        self._open().write(batch)

    def _open(self) -> TableWriter:
        if self._writer is None:
            target = self._stack.enter_context(self._store.commit(self._path))
            self._writer = TableWriter(target, self._schema, sliced=self._sliced)
        return self._writer

    def commit(self) -> Part:
        """Make the file visible."""
        writer = self._open()
        writer.close()
        self._stack.close()
        return Part(path=self._path, rows=writer.rows, bytes=self._store.size(self._path), digests=writer.digests)

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._writer is not None:
            self._writer.abandon()
        with contextlib.suppress(_Discard):
            self._stack.__exit__(_Discard, _Discard(), None)
