"""Packed folders one after the other as one data set, and which sequences each rank's micro-batches hold.

A step takes the same sequences for every number of ranks and of loader workers: step s those at positions [s × B,
(s + 1) × B) of the order. What ranks and micro-batches leave over is filled with sequences without tokens.
Costs what one folder costs; nothing is listed. Batches are made some 16,384 tokens at a time: with one sequence in
each, calls would take longer than their tokens.
"""

from __future__ import annotations

import math
import signal
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, islice
from typing import Any

import numpy as np
import torch
import xxhash
from torch.utils.data import DataLoader, Dataset

from datapipe.errors import InputError
from datapipe.train.collator import Collator
from datapipe.train.packed import FILLER, PackedDataset
from datapipe.train.sampler import CHUNK, Ints, OrderedSampler

__all__ = ["Feed", "JoinedDataset", "StepBatches"]

GROUP = 1 << 14  # tokens, padding counted, that a call of the loader makes batches of


class JoinedDataset:
    """Sequences of several packed folders, numbered through; items are the views of `PackedDataset`.

    Raises InputError where one folder has loss weights and another none.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self.parts = [PackedDataset(folder) for folder in folders]
        self.folders = tuple(folders)
        if len({part.weighted for part in self.parts if len(part)}) > 1:
            raise InputError(
                f"{' and '.join(folders)} differ in having loss weights", remedy="write them with one `loss_weights`"
            )
        self._firsts = [0, *accumulate(len(part) for part in self.parts)]
        self.sources = sorted({source for part in self.parts for source in part.sources})
        numbers = {source: at for at, source in enumerate(self.sources)}
        self._numbers = [np.array([numbers[source] for source in part.sources], np.int64) for part in self.parts]

    @property
    def length(self) -> int:
        """Tokens of the longest sequence that any folder may hold."""
        return max(part.length for part in self.parts)

    @property
    def digest(self) -> str:
        """Of all folders, in order."""
        return xxhash.xxh3_128_hexdigest(" ".join(part.digest for part in self.parts).encode())

    def __len__(self) -> int:
        return self._firsts[-1]

    def __getitem__(self, number: int) -> dict[str, Any]:
        if number == FILLER:
            return self.parts[0].views(FILLER)
        which, own = self.place(number)
        return self.parts[which].views(own) | {"index": number}

    def place(self, number: int) -> tuple[int, int]:
        """Which folder, and the number of the sequence in it."""
        which = bisect_right(self._firsts, number) - 1
        return which, number - self._firsts[which]

    def source_numbers(self, number: int) -> Ints:
        """The number, in `sources`, of the source of each document of a sequence."""
        if number == FILLER:
            return np.zeros(0, np.int64)
        which, own = self.place(number)
        found: Ints = self._numbers[which][self.parts[which].source_numbers(own)]
        return found

    def by_folder(self, numbers: Sequence[int]) -> dict[str, list[int]]:
        """Numbers in each folder of some sequences; FILLER is left out."""
        told: dict[str, list[int]] = {}
        for number in numbers:
            if number != FILLER:
                which, own = self.place(number)
                told.setdefault(self.folders[which], []).append(own)
        return told


@dataclass(kw_only=True)
class StepBatches:
    """The micro-batches of one rank: lists of sequence numbers, `micro` in each.

    `total` positions are trained on, `batch` of them a step of all ranks. Iterating begins with step `first`; the
    length is that of the whole, so that a schedule does not depend on where training was taken up.
    """

    order: OrderedSampler
    total: int
    batch: int
    micro: int
    rank: int = 0
    world: int = 1
    first: int = 0

    @property
    def accumulation(self) -> int:
        """Micro-batches of a rank in one step."""
        return -(-self.batch // (self.micro * self.world))

    @property
    def steps(self) -> int:
        """Steps in all; the last may hold fewer sequences."""
        return -(-self.total // self.batch)

    def __len__(self) -> int:
        return self.steps * self.accumulation

    def __iter__(self) -> Iterator[list[int]]:
        own = self._own()
        several = max(1, CHUNK // len(own))  # a call for each micro-batch would cost more than its sequences
        for first in range(self.first, self.steps, several):
            steps = np.arange(first, min(self.steps, first + several))
            positions = steps[:, None] * self.batch + own
            inside = (own < self.batch) & (positions < self.total)
            found = np.full(positions.shape, FILLER)
            found[inside] = self.order.at(positions[inside])
            yield from found.reshape(-1, self.micro).tolist()

    def _own(self) -> Ints:
        """Places in a step of the sequences of this rank, one micro-batch after the other."""
        begins = (np.arange(self.accumulation) * self.world + self.rank) * self.micro
        return (begins[:, None] + np.arange(self.micro)).ravel()

    def epochs(self, step: int) -> float:
        """Passes over the data that `step` steps make."""
        return min(self.total, step * self.batch) / self.order.count

    def state(self, step: int) -> dict[str, Any]:
        """The place in the data after `step` steps, whatever ranks and workers."""
        epoch, place = divmod(min(self.total, step * self.batch), self.order.count)
        return {"digest": self.order.digest, "epoch": epoch, "position": place}


@dataclass(frozen=True)
class _Groups:
    """Micro-batches, so many on end in one list."""

    batches: StepBatches
    size: int

    def __len__(self) -> int:
        return math.ceil(len(self.batches) / self.size)

    def __iter__(self) -> Iterator[list[int]]:
        micros = iter(self.batches)
        while group := list(chain.from_iterable(islice(micros, self.size))):
            yield group


class _Loader(DataLoader[Any]):
    """Micro-batches, though they are made a group at a time."""

    def __len__(self) -> int:
        groups: Any = self.batch_sampler
        return len(groups.batches)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override] # no more is asked of it
        for group in super().__iter__():
            yield from group


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Packed data, the batches made of them, and how: what is trained on, or what is evaluated on.

    `vocabulary`: rows that the model has for tokens, `positions`: places that it knows, where they are to be looked at.
    Raises InputError for data that no token is learned from.
    """

    data: JoinedDataset
    batches: StepBatches
    attention: Any
    vocabulary: int | None = None
    positions: int | None = None

    def __post_init__(self) -> None:
        if len(self.data) and not any(part.manifest.get("trained", 1) for part in self.data.parts):
            raise InputError(
                f"{', '.join(self.data.folders)}: no token is trained on, so that nothing would be learned",
                remedy="see by `datapipe show FOLDER` which tokens carry loss",
            )

    def loader(self, workers: int, *, pinned: bool) -> DataLoader[Any]:
        """Batches on the CPU, from `batches.first` on."""
        data: Dataset[Any] = self.data  # type: ignore[assignment] # map-style: __getitem__ and __len__ are all of it
        length, micro = self.data.length, self.batches.micro
        collator = Collator(
            length,
            attention=self.attention,
            source_numbers=self.data.source_numbers,
            vocabulary=self.vocabulary,
            positions=self.positions,
        )
        groups: Any = _Groups(self.batches, max(1, GROUP // (micro * length)))
        return _Loader(
            data,
            batch_sampler=groups,
            collate_fn=partial(collator.several, micro=micro),
            num_workers=workers,
            pin_memory=pinned,
            worker_init_fn=_deaf,
            generator=torch.Generator(),  # a loader draws a seed: not from the state that dropout goes on with
        )


def _deaf(_: int) -> None:
    """Ends with the main process, which still needs batches when a launcher sends SIGTERM to all of a group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
