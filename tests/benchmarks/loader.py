"""The loader that training uses, by itself: tokens a second of one process from page cache, in order and shuffled.

    python -m tests.benchmarks.loader [MILLION_TOKENS] [ROUNDS]

Writes packed folders of so many tokens, documents of lognormal lengths, and takes each through `Feed.loader` without
workers: one sequence a micro-batch, which is what a plan gives by default and costs most, and 16,384 tokens. Prints the
median over rounds of million tokens a second, of wall time and of CPU time, padding not counted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from datapipe.train.joined import Feed, JoinedDataset, StepBatches
from datapipe.train.sampler import OrderedSampler
from tests.train.packed_folder import Document, write_packed

VOCABULARY = 50_000
ROW_TOKENS = 16_384  # of a micro-batch that fills a device
LENGTHS = (1024, 2048, 8192)


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


def loaded(data: JoinedDataset, micro: int, *, shuffle: bool) -> int:
    """Tokens of all batches of an epoch."""
    order = OrderedSampler(data.digest, len(data), seed=1, shuffle=shuffle)
    batches = StepBatches(order=order, total=len(data), batch=8 * micro, micro=micro)
    feed = Feed(data=data, batches=batches, attention="varlen")
    tokens = sum(sum(made["lengths"]) for made in feed.loader(0, pinned=False))
    assert tokens == sum(part.manifest["tokens"] for part in data.parts)
    return tokens


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
        yield f"{name:<30} million tokens/s: {told[0]:6.1f} wall {told[1]:6.1f} CPU"


def main(tokens: int, rounds: int) -> None:
    """Write, read, print."""
    torch.set_num_threads(1)
    for length in LENGTHS:
        with tempfile.TemporaryDirectory() as scratch:
            data = JoinedDataset([str(folder_of(Path(scratch, "out"), tokens, length))])
            cases = {
                f"{micro} a batch, {order}": partial(loaded, data, micro, shuffle=order == "shuffled")
                for micro in (1, ROW_TOKENS // length)
                for order in ("in order", "shuffled")
            }
            for line in speeds(cases, rounds):
                print(f"{length:5} tokens a sequence, {line}", flush=True)


if __name__ == "__main__":
    main(int((sys.argv[1:2] or ["16"])[0]) * 1_000_000, int((sys.argv[2:3] or ["5"])[0]))
