"""The training loader by itself: tokens a second of one process from page cache, in order and shuffled.

    python -m tests.benchmarks.loader [MILLION_TOKENS] [ROUNDS]

Writes a packed folder of so many tokens, documents of lognormal lengths packed to 2,048 and to 8,192, and takes it
through data set, order, collator and torch's DataLoader without workers. Prints the median over rounds of million
tokens a second, of wall time and of CPU time, padding not counted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from datapipe.train.collator import Collator
from datapipe.train.packed import FILLER, PackedDataset
from datapipe.train.sampler import OrderedSampler
from tests.train.packed_folder import Document, write_packed

VOCABULARY = 50_000
ROW_TOKENS = 16_384  # of a batch


def folder_of(folder: Path, tokens: int, length: int) -> Path:
    """A packed folder of about so many tokens."""
    rng = np.random.default_rng(1)
    sequences: list[list[Document]] = []
    while tokens > 0:
        left, documents = length, list[Document]()
        while left:
            size = min(left, int(np.exp(rng.normal(6, 1))) + 2)
            name = f"{len(sequences)}-{len(documents)}"
            source = ("web", "chats")[len(documents) % 2]
            documents.append(Document(name, source, rng.integers(1, VOCABULARY, size).tolist()))
            left -= size
        sequences.append(documents)
        tokens -= length
    return write_packed(folder, sequences, files=2, length=length)


def loaded(dataset: PackedDataset, attention: Any, *, shuffle: bool) -> int:
    """Tokens of all batches of an epoch."""
    batch = ROW_TOKENS // dataset.length
    loader: DataLoader[Any] = DataLoader(
        dataset,  # type: ignore[arg-type] # any map will do
        batch_size=batch,
        sampler=OrderedSampler(dataset.digest, len(dataset), seed=1, batch=batch, shuffle=shuffle),
        collate_fn=Collator(dataset.length, attention=attention, source_numbers=dataset.source_numbers),
    )
    assert sum(int((made["indices"] != FILLER).sum()) for made in loader) == len(dataset)
    return int(dataset.manifest["tokens"])


def speeds(cases: dict[str, partial[int]], rounds: int) -> Iterator[str]:
    """A line for each case; of each round all cases are run, one after the other."""
    wall, cpu = (np.zeros((rounds, len(cases))) for _ in range(2))
    for work in cases.values():
        work()
    for number in range(rounds):
        for place, work in enumerate(cases.values()):
            began, ran = time.perf_counter(), time.process_time()
            tokens = work()
            wall[number, place] = tokens / (time.perf_counter() - began) / 1e6
            cpu[number, place] = tokens / (time.process_time() - ran) / 1e6
    for place, name in enumerate(cases):
        told = [float(np.median(each[:, place])) for each in (wall, cpu)]
        yield f"{name:<18} million tokens/s: {told[0]:6.1f} wall {told[1]:6.1f} CPU"


def main(tokens: int, rounds: int) -> None:
    """Write, read, print."""
    torch.set_num_threads(1)
    for length in (2048, 8192):
        with tempfile.TemporaryDirectory() as scratch:
            dataset = PackedDataset(folder_of(Path(scratch, "out"), tokens, length))
            cases = {
                f"{attention}, {order}": partial(loaded, dataset, attention, shuffle=order == "shuffled")
                for attention in ("varlen", "sdpa")
                for order in ("in order", "shuffled")
            }
            for line in speeds(cases, rounds):
                print(f"{length:5} tokens a sequence, {line}", flush=True)


if __name__ == "__main__":
    main(int((sys.argv[1:2] or ["16"])[0]) * 1_000_000, int((sys.argv[2:3] or ["5"])[0]))
