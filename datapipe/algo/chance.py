"""Randomness that depends on a document and the purpose alone, never on a stream of rows.

So the same choice comes out on any machine, in any order, with any documents beside it.
Costs: `chances` a hash of each id, some 45 million/s; `Chance` half a microsecond a number, for single documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import xxhash

from datapipe.rules import Mask
from datapipe.text.buffers import Texts, as_one_array, view_bytes
from datapipe.text.hashing import hash_slices
from datapipe.text.jit import Uint64s

__all__ = ["Chance", "chances", "in_share"]

T = TypeVar("T")


def chances(ids: Texts, seed: int, *purpose: str | int) -> Uint64s:
    """A uint64 for each id, evenly spread; another for another seed or purpose."""
    mark = xxhash.xxh3_64_intdigest("\0".join(map(str, (seed, *purpose))).encode())
    return hash_slices(view_bytes(as_one_array(ids)), mark)


def in_share(numbers: Uint64s, share: float) -> Mask:
    """Which numbers, of those of `chances`, are in a share of all, from 0 to 1: the same ones in any larger share."""
    taken: Mask = (numbers < np.float64(share) * 2.0**64) | (share >= 1)
    return taken


class Chance:
    """Draws from one seed (uint64). The n-th number is XXH3-64 of n under the seed."""

    def __init__(self, seed: int) -> None:
        self._seed, self._drawn = int(seed), 0

    def below(self, end: int) -> int:
        """A whole number from 0 to `end` - 1; of ends far below 2^64 all are as likely."""
        self._drawn += 1
        return xxhash.xxh3_64_intdigest(self._drawn.to_bytes(8, "little"), self._seed) % end

    def pick(self, choices: Sequence[T]) -> T:
        """One of some choices."""
        return choices[self.below(len(choices))]

    def order(self, count: int) -> list[int]:
        """The numbers from 0 to `count` - 1 in some order."""
        places = list(range(count))
        for last in range(count - 1, 0, -1):
            other = self.below(last + 1)
            places[last], places[other] = places[other], places[last]
        return places

    def digits(self, count: int) -> str:
        """So many decimal digits, the first of them not 0."""
        return "".join(str(self.below(10) if at else 1 + self.below(9)) for at in range(count))
