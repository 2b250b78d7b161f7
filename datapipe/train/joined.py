"""Packed folders one after the other as one data set, and which sequences each rank's micro-batches hold.

A step takes the same sequences for every number of ranks and of loader workers: step s those at positions [s × B,
(s + 1) × B) of the order. What ranks and micro-batches leave over is filled with sequences without tokens.
Costs what one folder costs; nothing is copied or listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash
from torch.utils.data import DataLoader, Dataset

from datapipe.errors import InputError
from datapipe.train.collator import Collator
from datapipe.train.packed import FILLER, PackedDataset
from datapipe.train.sampler import Ints, OrderedSampler

__all__ = ["Feed", "JoinedDataset", "StepBatches"]


class JoinedDataset:
    """Sequences of several packed folders, numbered through; items are those of `PackedDataset`.

    Raises InputError where one folder has loss weights and another none.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self.parts = [PackedDataset(folder) for folder in folders]
        self.folders = tuple(folders)
        if len({part.weighted for part in self.parts if len(part)}) > 1:
            raise InputError(
                f"{' and '.join(folders)} differ in having loss weights", remedy="write them with one `loss_weights`"
            )
        self._firsts: Ints = np.concatenate(([0], np.cumsum([len(part) for part in self.parts], dtype=np.int64)))
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
        return int(self._firsts[-1])

    def __getitem__(self, number: int) -> dict[str, Any]:
        if number == FILLER:
            return self.parts[0][FILLER]
        which, own = self.place(number)
        return self.parts[which][own] | {"index": number}

    def place(self, number: int) -> tuple[int, int]:
        """Which folder, and the number of the sequence in it."""
        which = int(np.searchsorted(self._firsts, number, "right")) - 1
        return which, number - int(self._firsts[which])

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
        for step in range(self.first, self.steps):
            for part in range(self.accumulation):
                yield self.numbers(step, part)

    def numbers(self, step: int, part: int) -> list[int]:
        """Sequences of one micro-batch, filled up with FILLER."""
        begin = (part * self.world + self.rank) * self.micro
        own = np.arange(begin, begin + self.micro)
        positions = np.where(own < self.batch, step * self.batch + own, self.total)
        inside = positions < self.total
        found = np.full(self.micro, FILLER)
        found[inside] = self.order.at(positions[inside])
        listed: list[int] = found.tolist()
        return listed

    def epochs(self, step: int) -> float:
        """Passes over the data that `step` steps make."""
        return min(self.total, step * self.batch) / self.order.count

    def state(self, step: int) -> dict[str, Any]:
        """The place in the data after `step` steps, whatever ranks and workers."""
        epoch, place = divmod(min(self.total, step * self.batch), self.order.count)
        return {"digest": self.order.digest, "epoch": epoch, "position": place}


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Packed data, the batches made of them, and how: what is trained on, or what is evaluated on."""

    data: JoinedDataset
    batches: StepBatches
    attention: Any

    def loader(self, workers: int, *, pinned: bool) -> DataLoader[Any]:
        """Batches on the CPU, from `batches.first` on."""
        data: Dataset[Any] = self.data  # type: ignore[assignment] # map-style: __getitem__ and __len__ are all of it
        collator = Collator(self.data.length, attention=self.attention, source_numbers=self.data.source_numbers)
        return DataLoader(data, batch_sampler=self.batches, collate_fn=collator, num_workers=workers, pin_memory=pinned)
