"""In which order sequences are trained on, as a function of seed, epoch and position.

What: an order that is the packed one, which is mixed already and may hold a curriculum, or a keyed permutation of it,
another each epoch. Why: training that is taken up again sees exactly what it would have seen, with any number of ranks
and of loader workers, and nothing is skipped by reading it: where it is says all (digest, epoch, position).
Costs: nothing is stored; some 10 million numbers/s in packed order, 1 million/s permuted. Needs no torch.
Source: a Feistel network with cycle walking (Black and Rogaway 2002), mixed by the finaliser of SplitMix64.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import xxhash

from datapipe.errors import InputError
from datapipe.train.marks import FILLER

__all__ = ["OrderedSampler", "permuted"]

CHUNK = 1 << 12  # positions asked for at a time
ROUNDS = 6
Ints = npt.NDArray[np.int64]


class OrderedSampler:
    """Which sequence stands at each position of all epochs, counted from the start of the first.

    `digest` is of the data and of the order: a checkpoint is of no use for another.
    """

    def __init__(self, digest: str, count: int, *, seed: int, epochs: int = 1, shuffle: bool = False) -> None:
        if count < 1 or epochs < 1:
            raise InputError(f"no order over {count} sequences in {epochs} epochs")
        self.count, self.epochs = count, epochs
        self._seed = seed if shuffle else None
        order = "packed" if self._seed is None else f"shuffled {seed}"
        self.digest = xxhash.xxh3_128_hexdigest(f"{digest} {count} {order}".encode())

    @property
    def total(self) -> int:
        """Sequences of all epochs."""
        return self.count * self.epochs

    def at(self, positions: Ints) -> Ints:
        """The sequences at some positions, FILLER behind the last."""
        epochs, places = np.divmod(positions, self.count)
        within = positions < self.total
        if self._seed is not None:
            for epoch in np.unique(epochs[within]):
                mine = within & (epochs == epoch)
                places[mine] = permuted(places[mine], self.count, self._seed, int(epoch))
        return np.where(within, places, FILLER)


def permuted(places: Ints, count: int, seed: int, epoch: int) -> Ints:
    """Where each of some places in [0, count) goes, by a permutation that seed and epoch choose."""
    half = max(1, (max(1, count - 1).bit_length() + 1) // 2)
    keys = _keys(seed, epoch)
    made = places.astype(np.uint64)
    outside = np.ones(len(made), np.bool_)
    while outside.any():  # a walk along the cycle ends within; fewer than four steps are the mean
        made[outside] = _feistel(made[outside], np.uint64(half), keys)
        outside = made >= count
    return made.astype(np.int64)


@lru_cache(maxsize=4)
def _keys(seed: int, epoch: int) -> tuple[int, ...]:
    return tuple(xxhash.xxh3_64_intdigest(f"{seed} {epoch} {turn}".encode()) for turn in range(ROUNDS))


def _feistel(values: npt.NDArray[np.uint64], half: np.uint64, keys: tuple[int, ...]) -> npt.NDArray[np.uint64]:
    """A permutation of [0, 4^half)."""
    low = (np.uint64(1) << half) - np.uint64(1)
    left, right = values >> half, values & low
    for key in keys:
        left, right = right, left ^ (_mixed(right ^ np.uint64(key)) & low)
    return (left << half) | right


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
