"""Exchange files: rows sorted by a uint64 key, with the place at which each of 4,096 buckets starts.

A bucket is the top 12 bits of the key, whatever the data or the number of workers. A reader of a range of
buckets touches only their row groups. Streams of several files are merged in bounded memory: one batch a
file. Documents are (shard, row) inside; `shard` is the file's number in the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.corpus.layer import TableFile
from datapipe.corpus.record import Part
from datapipe.corpus.store import Store

__all__ = ["BUCKETS", "BucketRange", "bucket_offsets", "merged", "ranges", "read_range", "with_shard"]

BUCKETS = 4096
MERGE_ROWS = 65_536  # rows a merge asks for at once, over all its inputs


@dataclass(frozen=True)
class BucketRange:
    """Buckets [first, last)."""

    first: int
    last: int

    @property
    def name(self) -> str:
        """A name that sorts in order of keys."""
        return f"{self.first:04d}-{self.last:04d}"


def bucket_offsets(keys: np.ndarray[Any, np.dtype[np.uint64]]) -> list[int]:
    """Rows at which the buckets start in sorted keys, and the number of rows: 4,097 integers."""
    starts = np.arange(BUCKETS, dtype=np.uint64) << np.uint64(52)
    return [*np.searchsorted(keys, starts).tolist(), len(keys)]


def ranges(totals: np.ndarray[Any, Any], most: int) -> list[BucketRange]:
    """Cut the buckets, of `totals` rows each, into ranges of at most `most` rows (or one bucket)."""
    cuts, room = [0], 0
    for bucket, rows in enumerate(totals.tolist()):
        if room + rows > most and cuts[-1] != bucket:
            cuts.append(bucket)
            room = 0
        room += rows
    return [BucketRange(a, b) for a, b in zip(cuts, [*cuts[1:], BUCKETS], strict=True)]


def read_range(store: Store, part: Part, rows: tuple[int, int], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Rows [first, last) of an exchange file, in batches."""
    if rows[0] == rows[1]:
        return
    file = TableFile(store, part)
    for low in range(rows[0], rows[1], batch_rows):
        at = np.arange(low, min(low + batch_rows, rows[1]))
        yield pa.RecordBatch.from_arrays([file.take(name, at) for name in file.columns], names=file.columns)


def merged(streams: Sequence[Iterator[pa.RecordBatch]], order: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Merge sorted streams: yields batches that together are sorted by `order`, ascending.

    `order` must tell any two rows apart. Holds one batch of each stream.
    """
    heads: list[pa.RecordBatch | None] = [next(stream, None) for stream in streams]
    while True:
        live = [index for index, head in enumerate(heads) if head is not None]
        if not live:
            return
        if len(live) == 1:
            head = heads[live[0]]
            assert head is not None
            yield head
            yield from streams[live[0]]
            return
        frontier = min(_key(heads[index], -1, order) for index in live)
        ready = []
        for index in live:
            head = heads[index]
            assert head is not None
            cut = _count_until(head, frontier, order)
            if cut:
                ready.append(head.slice(0, cut))
            heads[index] = head.slice(cut) if cut < len(head) else next(streams[index], None)
        table = pa.Table.from_batches(ready).sort_by([(name, "ascending") for name in order]).combine_chunks()
        yield from table.to_batches()


def _key(batch: pa.RecordBatch | None, row: int, order: Sequence[str]) -> tuple[Any, ...]:
    assert batch is not None
    return tuple(batch.column(name)[row % len(batch)].as_py() for name in order)


def _count_until(batch: pa.RecordBatch, frontier: tuple[Any, ...], order: Sequence[str]) -> int:
    """How many leading rows of a sorted batch do not exceed the frontier."""
    keys = batch.column(order[0]).to_numpy(zero_copy_only=False)
    low, high = (int(np.searchsorted(keys, frontier[0], side=side)) for side in ("left", "right"))
    while low < high:  # among equal keys the other columns decide
        middle = (low + high) // 2
        if _key(batch, middle, order) <= frontier:
            low = middle + 1
        else:
            high = middle
    return low


def with_shard(stream: Iterator[pa.RecordBatch], shard: int) -> Iterator[pa.RecordBatch]:
    """Add the number of the shard to each row."""
    for batch in stream:
        yield batch.append_column("shard", pa.repeat(pa.scalar(shard, pa.uint32()), len(batch)))
