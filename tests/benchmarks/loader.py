"""The training loader by itself: tokens a second of one process from page cache, in order and shuffled.

    python -m tests.benchmarks.loader [MILLION_TOKENS] [ROUNDS]

Writes a packed folder of so many tokens, documents of lognormal lengths packed to 2,048 and to 8,192, and takes it
through data set, order, collator and torch's DataLoader without workers. Prints the median over rounds of million
tokens a second, of wall time and of CPU time, padding not counted, and beside it what copying the same files' tokens
and labels to int64 takes, nothing else: the machine's part in it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
from torch.utils.data import DataLoader

from datapipe.train.collator import Collator
from datapipe.train.packed import PackedDataset
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
    return sum(int((made["sources"] >= 0).sum()) for made in loader)


def copied(dataset: PackedDataset) -> int:
    """Tokens of all files, read by Arrow and widened, with their labels."""
    count = 0
    for name in dataset.names:
        with pa.memory_map(str(dataset.folder / name)) as source:
            for batch in pa.ipc.open_stream(source):
                lists: list[Any] = [batch["input_ids"], batch["labels"]]
                wide = [each.values.to_numpy().astype(np.int64) for each in lists]
                count += len(wide[0])
    return count


def speed(work: Callable[[], int], rounds: int) -> str:
    """Medians, in million tokens a second."""
    wall, cpu = list[float](), list[float]()
    for _ in range(rounds):
        began, ran = time.perf_counter(), time.process_time()
        tokens = work()
        wall.append(tokens / (time.perf_counter() - began) / 1e6)
        cpu.append(tokens / (time.process_time() - ran) / 1e6)
    return f"{median(wall):7.1f} wall {median(cpu):7.1f} CPU"


def main(tokens: int, rounds: int) -> None:
    """Write, read, print."""
    for length in (2048, 8192):
        with tempfile.TemporaryDirectory() as scratch:
            dataset = PackedDataset(folder_of(Path(scratch, "out"), tokens, length))
            cases: dict[str, partial[int]] = {
                f"{attention}, {order}": partial(loaded, dataset, attention, shuffle=order == "shuffled")
                for attention in ("varlen", "sdpa")
                for order in ("in order", "shuffled")
            } | {"copy alone": partial(copied, dataset)}
            for work in cases.values():
                work()
            for name, work in cases.items():
                print(f"{length:5} tokens a sequence, {name:<18} million tokens/s: {speed(work, rounds)}", flush=True)


if __name__ == "__main__":
    main(int((sys.argv[1:2] or ["16"])[0]) * 1_000_000, int((sys.argv[2:3] or ["5"])[0]))
