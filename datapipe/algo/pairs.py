"""Pairs of uint64 that do not fit into memory: collected on disk, and read again in order, without copies.

Pairs are sorted in memory as many at a time as it holds, and written as one sorted file; the files are then read side
by side: from each what is certain to come before all that is still unread is taken, and sorted together. One number
in half of all pairs changes nothing, for then the second numbers are read in order in the same way.
Costs: disk 16 bytes a pair; memory as given; time: a pass over the pairs for each 11 bits in which they differ.
Source: external merge sort, as in Knuth, The Art of Computer Programming, volume 3, section 5.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from datapipe.text.jit import I64, U64, Int64s, Uint64s, kernel

__all__ = ["Pairs", "SortedPairs", "sorted_pairs"]

PAIR_BYTES = 16
SORTING = 4  # times the bytes of pairs that sorting them takes: as they came, together, and room for their order
DIGIT = 11  # bits sorted by at a time: as many counters as the fastest cache holds


class SortedPairs:
    """Pairs in order of the first number, then of the second, each once; may be read any number of times."""

    def __init__(self, runs: list[Uint64s], memory_bytes: int, files: Sequence[Path] = ()) -> None:
        self._runs, self._files = runs, files
        self._window = max(64, memory_bytes // (SORTING * PAIR_BYTES) // max(1, len(runs)))

    def __iter__(self) -> Iterator[Uint64s]:
        """Arrays of shape (n, 2), n > 0, that together are all pairs in order."""
        if len(self._runs) == 1:
            yield from _slices(self._runs[0], self._window)
        else:
            yield from self._merged(self._runs)

    def remove(self) -> None:
        """Remove the files that they stand in."""
        for path in self._files:
            path.unlink(missing_ok=True)

    def _merged(self, runs: list[Uint64s]) -> Iterator[Uint64s]:
        places = [0] * len(runs)
        while True:
            live = [number for number, run in enumerate(runs) if places[number] < len(run)]
            if not live:
                return
            pivot = min(self._ahead(runs[number][:, 0], places[number]) for number in live)
            ends = _until(runs, places, pivot, "left")
            if ends == places and any(self._more(runs[number], places[number]) for number in live):
                stops = _until(runs, places, pivot, "right")
                yield from self._of_one(pivot, [runs[number][places[number] : stops[number], 1] for number in live])
                places = stops
                continue
            if not any(self._more(runs[number], places[number]) for number in live):
                ends = [len(run) for run in runs]
            parts = [runs[number][places[number] : ends[number]] for number in live]
            yield sorted_pairs(np.concatenate(parts))
            places = ends

    def _ahead(self, numbers: Uint64s, place: int) -> np.uint64:
        ahead: np.uint64 = numbers[min(place + self._window, len(numbers) - 1)]
        return ahead

    def _more(self, run: Uint64s, place: int) -> bool:
        return place + self._window < len(run)

    def _of_one(self, first: np.uint64, seconds: list[Uint64s]) -> Iterator[Uint64s]:
        """The pairs of one first number, of which there may be any number."""
        places = [0] * len(seconds)
        while True:
            live = [number for number, run in enumerate(seconds) if places[number] < len(run)]
            if not live:
                return
            pivot = min(self._ahead(seconds[number], places[number]) for number in live)
            ends = [
                place + int(np.searchsorted(run[place:], pivot, side="right"))
                for run, place in zip(seconds, places, strict=True)
            ]
            found = np.unique(np.concatenate([seconds[number][places[number] : ends[number]] for number in live]))
            yield np.stack([np.full(len(found), first, np.uint64), found], axis=1)
            places = ends


class Pairs:
    """Collects pairs, in memory as long as they fit, then in files of a folder."""

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        self._folder, self._memory = folder, memory_bytes
        self._most = max(64, memory_bytes // (SORTING * PAIR_BYTES))
        self._held: list[Uint64s] = []
        self._count = 0
        self._files: list[Path] = []

    def add(self, first: Uint64s, second: Uint64s) -> None:
        """Collect some pairs."""
        for start in range(0, len(first), self._most):
            part = np.stack([first[start : start + self._most], second[start : start + self._most]], axis=1)
            self._held.append(part)
            self._count += len(part)
            if self._count >= self._most:
                self._spill()

    def _spill(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{len(self._files):05d}.pairs"
        sorted_pairs(np.concatenate(self._held)).tofile(path)
        self._files.append(path)
        self._held, self._count = [], 0

    def sorted(self) -> SortedPairs:
        """All that was collected; nothing can be added any more."""
        if not self._files:
            held = sorted_pairs(np.concatenate([np.zeros((0, 2), np.uint64), *self._held]))
            self._held = []
            return SortedPairs([held], self._memory)
        if self._held:
            self._spill()
        runs = [np.memmap(path, np.uint64, "r").reshape(-1, 2) for path in self._files]
        return SortedPairs(runs, self._memory, self._files)


def _slices(run: Uint64s, size: int) -> Iterator[Uint64s]:
    for start in range(0, len(run), size):
        yield np.asarray(run[start : start + size])


def _until(runs: list[Uint64s], places: list[int], pivot: np.uint64, side: str) -> list[int]:
    return [
        place + int(np.searchsorted(run[place:, 0], pivot, side=side))  # type: ignore[call-overload]
        for run, place in zip(runs, places, strict=True)
    ]


def sorted_pairs(pairs: Uint64s) -> Uint64s:
    """Sorted by the first number, then the second, each pair once. What is given may be used as room."""
    if not len(pairs):
        return pairs
    room = np.empty_like(pairs)
    counts = np.empty(1 << DIGIT, np.int64)
    ordered = room if _radix_sort(pairs, room, counts) else pairs
    return ordered[: _drop_repeated(ordered)]


@kernel
def _radix_sort(pairs: Uint64s, room: Uint64s, counts: Int64s) -> bool:
    """Sort by both numbers, from the lowest digit up, there and back between two arrays; whether it ends in `room`."""
    source, target, moved = pairs, room, False
    mask = U64(len(counts) - 1)
    for word in (1, 0):
        differ = U64(0)
        for i in range(len(pairs)):
            differ |= source[i, word] ^ source[0, word]
        for shift in range(0, 64, DIGIT):
            if (differ >> U64(shift)) & mask == 0:  # most numbers of documents are small
                continue
            counts[:] = 0
            for i in range(len(pairs)):
                counts[I64((source[i, word] >> U64(shift)) & mask)] += 1
            total = 0
            for digit in range(len(counts)):
                counts[digit], total = total, total + counts[digit]
            for i in range(len(pairs)):
                digit = I64((source[i, word] >> U64(shift)) & mask)
                place = counts[digit]
                target[place, 0], target[place, 1] = source[i, 0], source[i, 1]
                counts[digit] = place + 1
            source, target, moved = target, source, not moved
    return moved


@kernel
def _drop_repeated(pairs: Uint64s) -> int:
    """Move each of the sorted pairs that differs from the one before to the front; returns how many there are."""
    count = 1
    for i in range(1, len(pairs)):
        if pairs[i, 0] != pairs[i - 1, 0] or pairs[i, 1] != pairs[i - 1, 1]:
            pairs[count, 0], pairs[count, 1] = pairs[i, 0], pairs[i, 1]
            count += 1
    return count
