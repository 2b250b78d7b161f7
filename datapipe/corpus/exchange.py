"""Exchange files: rows sorted by a uint64 key, with the place at which each of 4,096 buckets starts.

A bucket is the top 12 bits of the key, whatever the data or the number of workers. A reader of a range of
buckets touches only their row groups, which are small. Documents are (shard, row) inside; `shard` is the file's
number in the list, and `run` says which run it is of: earlier ones come first.
Several files are read in order together, window by window of keys: each window is cut out of every file and sorted,
so that the work grows with the rows and not with the files; a single key of more than a window is merged batch by
batch. Windows are of so many bytes, told by the row groups.
Memory: a window, the keys and sizes of the range, and one row group of each column of each file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from datapipe.corpus.layer import TableFile
from datapipe.corpus.record import Part
from datapipe.corpus.store import Store

__all__ = ["BUCKETS", "BucketCounts", "BucketRange", "Sorted", "bucket_offsets", "in_order", "merged", "ranges"]

Uint64s: TypeAlias = "np.ndarray[Any, np.dtype[np.uint64]]"
Int64s: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

BUCKETS = 4096
SHIFT = np.uint64(52)
BATCH_ROWS = 65_536
WINDOW_ROWS = 262_144


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
    starts = np.arange(BUCKETS, dtype=np.uint64) << SHIFT
    return [*np.searchsorted(keys, starts).tolist(), len(keys)]


class BucketCounts:
    """Where the buckets start in keys that come batch by batch."""

    def __init__(self) -> None:
        self._rows = np.zeros(BUCKETS, np.int64)

    def add(self, keys: np.ndarray[Any, np.dtype[np.uint64]]) -> None:
        """Count some more keys."""
        self._rows += np.bincount((keys >> SHIFT).astype(np.int64), minlength=BUCKETS)

    @property
    def offsets(self) -> list[int]:
        """As `bucket_offsets` of all keys."""
        return [0, *np.cumsum(self._rows).tolist()]


def ranges(totals: np.ndarray[Any, Any], most: int) -> list[BucketRange]:
    """Cut the buckets, of `totals` rows each, into ranges of at most `most` rows (or one bucket)."""
    cuts, room = [0], 0
    for bucket, rows in enumerate(totals.tolist()):
        if room + rows > most and cuts[-1] != bucket:
            cuts.append(bucket)
            room = 0
        room += rows
    return [BucketRange(a, b) for a, b in zip(cuts, [*cuts[1:], BUCKETS], strict=True)]


class Sorted:
    """Rows [first, last) of an exchange file; `place` holds what they share, such as the number of the shard."""

    def __init__(self, store: Store, part: Part, rows: tuple[int, int], place: dict[str, int]) -> None:
        self._file = TableFile(store, part)
        self._first, self._rows = rows[0], rows[1] - rows[0]
        self._place = place

    @property
    def sizes(self) -> Int64s:
        """Bytes of each row, about."""
        return self._file.sizes(self._first, self._first + self._rows) + 8 * len(self.columns)

    @property
    def columns(self) -> list[str]:
        """Names of the columns, those of the place behind."""
        return [*self._file.columns, *self._place]

    @cached_property
    def keys(self) -> np.ndarray[Any, np.dtype[np.uint64]]:
        """uint64, sorted."""
        keys: np.ndarray[Any, np.dtype[np.uint64]] = self._take("key", 0, self._rows).to_numpy()
        return keys

    def _take(self, name: str, low: int, high: int) -> Any:
        return self._file.take(name, np.arange(self._first + low, self._first + high))

    def read(self, low: int, high: int) -> pa.RecordBatch:
        """Some of the rows, counted from the first."""
        return self.pick(np.arange(low, high))

    def pick(self, at: Int64s) -> pa.RecordBatch:
        """The rows at ascending places, counted from the first."""
        own = [self._file.take(name, self._first + at) for name in self._file.columns]
        place = [pa.repeat(pa.scalar(number, pa.uint32()), len(at)) for number in self._place.values()]
        return pa.RecordBatch.from_arrays([*own, *place], names=self.columns)

    def batches(self, low: int, high: int, size: int) -> Iterator[pa.RecordBatch]:
        """The same, in batches."""
        for start in range(low, high, size):
            yield self.read(start, min(start + size, high))


def in_order(files: Sequence[Sorted], order: Sequence[str], memory_bytes: int) -> Iterator[pa.RecordBatch]:
    """All rows of sorted files, sorted by `order` (`key` first), which must tell any two rows apart."""
    if not files:
        return
    budget = max(1, memory_bytes // 8)
    everything, ends_at = _keys_and_bytes(files)
    places = [0] * len(files)
    start = 0
    while start < len(everything):
        stop = _window(everything, ends_at, start, budget)
        size = int(ends_at[stop - 1]) - (int(ends_at[start - 1]) if start else 0)
        most = max(1, min(BATCH_ROWS, budget * (stop - start) // size))  # rows of a batch
        if stop < len(everything):
            ends = [int(np.searchsorted(file.keys, everything[stop])) for file in files]
        else:
            ends = [len(file.keys) for file in files]
        slices = [(file, low, high) for file, low, high in zip(files, places, ends, strict=True) if low < high]
        if len(slices) == 1:
            file, low, high = slices[0]
            yield from file.batches(low, high, most)
        elif size > budget or stop - start > WINDOW_ROWS:  # one key alone
            each = max(1, most // len(slices))
            yield from merged([file.batches(low, high, each) for file, low, high in slices], order)
        else:
            yield from _together([file.read(low, high) for file, low, high in slices], order)
        places, start = ends, stop


def _keys_and_bytes(files: Sequence[Sorted]) -> tuple[Uint64s, Int64s]:
    """The keys of all files, sorted, and up to each the bytes of the rows."""
    keys = np.concatenate([file.keys for file in files])
    sizes = np.concatenate([file.sizes for file in files])
    order = np.argsort(keys, kind="stable")
    return keys[order], np.cumsum(sizes[order])


def _window(keys: Uint64s, ends_at: Int64s, start: int, budget: int) -> int:
    """Where a window of whole keys ends: after at most so many bytes and WINDOW_ROWS rows, or one key."""
    gone = int(ends_at[start - 1]) if start else 0
    stop = min(start + WINDOW_ROWS, max(start + 1, int(np.searchsorted(ends_at, gone + budget, side="right"))))
    if stop >= len(keys):
        return len(keys)
    before = int(np.searchsorted(keys, keys[stop]))
    return before if before > start else int(np.searchsorted(keys, keys[stop], side="right"))


def _together(parts: list[pa.RecordBatch], order: Sequence[str]) -> Iterator[pa.RecordBatch]:
    names = parts[0].schema.names
    table = pa.Table.from_batches([part.select(names) for part in parts])
    table = table.sort_by([(name, "ascending") for name in order]).combine_chunks()
    yield from table.to_batches(max_chunksize=BATCH_ROWS)


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
        yield from _together(ready, order)


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
