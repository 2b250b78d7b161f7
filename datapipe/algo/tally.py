"""How often each hash was met, over a corpus.

Why: words are counted by hash; to merge every batch into all counts so far is quadratic in the batches.
Costs 16 bytes for each different hash, and a sort of all of them each time as many have come anew.
"""

from __future__ import annotations

import numpy as np

from datapipe.text.jit import Int64s, Uint64s

__all__ = ["Tally"]

LEAST = 1 << 16  # hashes that wait at least, before they are merged


class Tally:
    """Counts by hash; what is added waits until there is as much of it as was merged before."""

    def __init__(self) -> None:
        self._hashes: Uint64s = np.zeros(0, np.uint64)
        self._counts: Int64s = np.zeros(0, np.int64)
        self._waiting: list[tuple[Uint64s, Int64s]] = []
        self._size = 0

    def add(self, hashes: Uint64s, counts: Int64s) -> None:
        """Count each hash so many times more; a hash may stand there more than once."""
        self._waiting.append((hashes, counts))
        self._size += len(hashes)
        if self._size >= max(LEAST, len(self._hashes)):
            self.merged()

    def merged(self) -> tuple[Uint64s, Int64s]:
        """The different hashes, sorted, and the count of each."""
        if self._waiting:
            hashes, counts = zip((self._hashes, self._counts), *self._waiting, strict=True)
            self._hashes, where = np.unique(np.concatenate(hashes), return_inverse=True)
            summed = np.bincount(where, np.concatenate(counts), len(self._hashes))
            self._counts = summed.astype(np.int64)  # exact up to 2**53
            self._waiting, self._size = [], 0
        return self._hashes, self._counts
