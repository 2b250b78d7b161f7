"""Packing by `pack` at scale: how fast, how full, how much memory, and what the order tells.

    python -m tests.benchmarks.packing [DOCUMENTS]

Lengths are lognormal, each of six sources with its own middle, as they come from an exchange: sorted by position, in
batches. Prints documents/s, the share of tokens that are no padding, the largest distance of a source's share in any
1,000 sequences on end from its share of the whole, and the correlation of fill with the order.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from datapipe.stage import Scratch, columns
from stages.pack import STAGE, Config

LENGTH = 2048
BATCH = 65_536
SOURCES = 6


def stream(count: int) -> Iterator[pa.RecordBatch]:
    """Rows as round one of the exchange gives them."""
    rng = np.random.default_rng(1)
    for start in range(0, count, BATCH):
        rows = min(BATCH, count - start)
        source = rng.choice(SOURCES, rows, p=[0.4, 0.25, 0.15, 0.1, 0.07, 0.03])
        middle = np.array([5.8, 6.5, 5.0, 6.0, 4.5, 7.0])[source]
        yield columns(
            row=np.arange(start, start + rows, dtype=np.uint32),
            key=(np.arange(start, start + rows, dtype=np.float64) / count * 2.0**64).astype(np.uint64),
            part=np.zeros(rows, np.int32),
            length=np.exp(rng.normal(middle, 1.0)).astype(np.int64) + 1,
            source=source.astype(np.uint64),
            shard=np.zeros(rows, np.uint32),
        )


def main(count: int) -> None:
    """Pack, and print."""
    whole = list(stream(min(count, BATCH)))  # compiles the kernels
    list(STAGE.rounds[0].resolve(iter(whole), Config(length=LENGTH), Scratch(Path(), 1 << 28)))
    source_of = np.concatenate([batch["source"].to_numpy().astype(np.int8) for batch in stream(count)])
    began = time.process_time()
    fill, tokens = [], []
    for made in STAGE.rounds[0].resolve(stream(count), Config(length=LENGTH), Scratch(Path(), 1 << 28)):
        lengths = (made["end"].to_numpy() - made["start"].to_numpy()).astype(np.int64)
        begins = np.flatnonzero(made["offset"].to_numpy() == 0)
        number = np.cumsum(made["offset"].to_numpy() == 0) - 1
        mine = np.zeros((len(begins), SOURCES), np.int32)
        np.add.at(mine, (number, source_of[made["row"].to_numpy()]), lengths)
        tokens.append(mine)
        fill.append(mine.sum(axis=1))
    seconds = time.process_time() - began
    every, by_source = np.concatenate(fill), np.concatenate(tokens)
    ends = np.concatenate([np.zeros((1, SOURCES)), np.cumsum(by_source, axis=0)])
    window = ends[1000:] - ends[:-1000]
    shares = window / window.sum(axis=1, keepdims=True)
    off = np.abs(shares - by_source.sum(axis=0) / by_source.sum()).max()
    print(f"documents        {count:,} in {len(every):,} sequences of {LENGTH}")
    print(f"CPU              {seconds:.1f} s, making and checking the lengths included")
    print(f"largest process  {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    print(f"full             {every.mean() / LENGTH:.2%}")
    print(f"shares           at most {100 * off:.2f} points off in any 1,000 sequences")
    print(f"order and fill   {np.corrcoef(np.arange(len(every)), every)[0, 1]:+.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
