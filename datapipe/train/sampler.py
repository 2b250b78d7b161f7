"""In which order sequences are trained on, as a function of seed, epoch and position.

What: a sampler whose order is the packed one, which is mixed already and may hold a curriculum, or a keyed permutation
of it, another each epoch. Why: training that is taken up again sees exactly what it would have seen, with any number of
ranks and of loader workers, and nothing is skipped by reading it. Its state is where it is: (digest, epoch, position).
Costs: nothing is stored; some 10 million numbers/s in packed order, 1 million/s permuted. Needs no torch.
Source: a Feistel network with cycle walking (Black and Rogaway 2002), mixed by the finaliser of SplitMix64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from datapipe.errors import InputError
from datapipe.train.marks import FILLER

__all__ = ["OrderedSampler", "permuted"]

CHUNK = 1 << 12  # numbers made at a time
ROUNDS = 6
Ints = npt.NDArray[np.int64]


class OrderedSampler:
    """Numbers of sequences for one rank, over all epochs in one go.

    Position p of epoch e is the same sequence for every `world` and `batch`: a step of all ranks takes the next
    world × batch positions, `batch` on end for each rank. Where the last step is not full, it is filled with FILLER,
    so that ranks stay in step and no sequence is left out. `position` counts from the start of the first epoch.
    """

    def __init__(  # noqa: PLR0913 - where it stands, of what, and for whom: each by its name
        self,
        digest: str,
        count: int,
        *,
        seed: int,
        epochs: int = 1,
        position: int = 0,
        rank: int = 0,
        world: int = 1,
        batch: int = 1,
        shuffle: bool = False,
    ) -> None:
        if count < 1 or epochs < 1 or not 0 <= rank < world or batch < 1:
            raise InputError(f"no order over {count} sequences in {epochs} epochs for rank {rank} of {world}")
        self.count, self.epochs, self.position = count, epochs, position
        self.rank, self.world, self.batch = rank, world, batch
        self._seed = seed if shuffle else None
        order = "packed" if self._seed is None else f"shuffled {seed}"
        self.digest = xxhash.xxh3_128_hexdigest(f"{digest} {count} {order}".encode())

    @property
    def total(self) -> int:
        """Sequences of all epochs."""
        return self.count * self.epochs

    def __len__(self) -> int:
        """Numbers that this rank still gets."""
        step = self.world * self.batch
        return -(-(self.total - self.position) // step) * self.batch

    def __iter__(self) -> Iterator[int]:
        step = self.world * self.batch
        steps = max(1, CHUNK // self.batch)
        mine = self.rank * self.batch + np.arange(self.batch)
        for start in range(self.position, self.total, steps * step):
            firsts = np.arange(start, min(self.total, start + steps * step), step)
            yield from self.at((firsts[:, None] + mine).ravel()).tolist()

    def at(self, positions: Ints) -> Ints:
        """The sequences at some positions, FILLER behind the last."""
        epochs, places = np.divmod(positions, self.count)
        within = positions < self.total
        if self._seed is not None:
            for epoch in np.unique(epochs[within]):
                mine = within & (epochs == epoch)
                places[mine] = permuted(places[mine], self.count, self._seed, int(epoch))
        return np.where(within, places, FILLER)

    def advance(self, sequences: int) -> None:
        """So many sequences, of all ranks together, were trained on."""
        self.position = min(self.total, self.position + sequences)

    def state_dict(self) -> dict[str, Any]:
        """Where it is, whatever the ranks and the loader's workers."""
        epoch, place = divmod(self.position, self.count)
        return {"digest": self.digest, "epoch": epoch, "position": place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go where another was. Raises InputError if that one was over other data, or in another order."""
        if state["digest"] != self.digest:
            raise InputError(
                "the checkpoint was trained on other packed data, or in another order",
                remedy="name the packed folder, seed and order that it was started with, or start anew",
            )
        self.position = state["epoch"] * self.count + state["position"]


def permuted(places: Ints, count: int, seed: int, epoch: int) -> Ints:
    """Where each of some places in [0, count) goes, by a permutation that seed and epoch choose."""
    half = max(1, (max(1, count - 1).bit_length() + 1) // 2)
    keys = [xxhash.xxh3_64_intdigest(f"{seed} {epoch} {turn}".encode()) for turn in range(ROUNDS)]
    made = places.astype(np.uint64)
    outside = np.ones(len(made), np.bool_)
    while outside.any():  # a walk along the cycle ends within; fewer than four steps are the mean
        made[outside] = _feistel(made[outside], np.uint64(half), keys)
        outside = made >= count
    return made.astype(np.int64)


def _feistel(values: npt.NDArray[np.uint64], half: np.uint64, keys: list[int]) -> npt.NDArray[np.uint64]:
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
