"""Packing by `pack` at scale: how fast, how full, how much memory, and what the order tells.

    python -m tests.benchmarks.packing [DOCUMENTS]

Lengths are lognormal, each of six sources with its own middle, as they come from an exchange: sorted by position, in
batches; then a mixture with books, much longer than a sequence, of a 25th as many documents. Prints
the CPU time, the share of tokens that are no padding, the largest distance of a source's share in any 1,000 sequences
on end from its share of the whole, and the correlation of fill with the order.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.stage import Scratch, columns
from datapipe.text.jit import Int64s
from stages.pack import STAGE, Config

LENGTH = 2048
BATCH = 65_536


class Mixture(NamedTuple):
    """Sources: the chance of a document to be of each, the middle of the logarithm of its lengths, and its spread."""

    chances: tuple[float, ...]
    middles: tuple[float, ...]
    spread: float


TEXTS = Mixture((0.4, 0.25, 0.15, 0.1, 0.07, 0.03), (5.8, 6.5, 5.0, 6.0, 4.5, 7.0), 1.0)
# Pages of 700 tokens, code of 1,200 and books of 100,000: 70, 20 and 10% of the tokens.
BOOKS = Mixture((0.8564, 0.1427, 0.0009), (6.37, 6.91, 11.33), 0.6)


class Packing(NamedTuple):
    """What was made of a mixture, in order."""

    seconds: float  # CPU time
    fills: Int64s  # tokens of each sequence
    off: float  # the largest distance of a source's share in any 1,000 sequences on end from its share of all


def stream(count: int, mixture: Mixture = TEXTS) -> Iterator[pa.RecordBatch]:
    """Rows as round one of the exchange gives them."""
    rng = np.random.default_rng(1)
    for start in range(0, count, BATCH):
        rows = min(BATCH, count - start)
        source = rng.choice(len(mixture.chances), rows, p=mixture.chances)
        yield columns(
            row=np.arange(start, start + rows, dtype=np.uint32),
            key=(np.arange(start, start + rows, dtype=np.float64) / count * 2.0**64).astype(np.uint64),
            part=np.zeros(rows, np.int32),
            length=np.exp(rng.normal(np.array(mixture.middles)[source], mixture.spread)).astype(np.int64) + 1,
            source=source.astype(np.uint64),
            shard=np.zeros(rows, np.uint32),
        )


def pack(count: int, mixture: Mixture = TEXTS) -> Packing:
    """Pack so many documents; the lengths are made, and the result is looked at, in the same time."""
    whole = list(stream(min(count, BATCH)))  # compiles the kernels
    list(STAGE.rounds[0].resolve(iter(whole), Config(length=LENGTH), Scratch(Path(), 1 << 28)))
    kinds = len(mixture.chances)
    source_of = np.concatenate([batch["source"].to_numpy().astype(np.int8) for batch in stream(count, mixture)])
    began = time.process_time()
    tokens = []
    for made in STAGE.rounds[0].resolve(stream(count, mixture), Config(length=LENGTH), Scratch(Path(), 1 << 28)):
        lengths = (made["end"].to_numpy() - made["start"].to_numpy()).astype(np.int64)
        begins = made["offset"].to_numpy() == 0
        mine = np.zeros((int(begins.sum()), kinds), np.int32)
        np.add.at(mine, (np.cumsum(begins) - 1, source_of[made["row"].to_numpy()]), lengths)
        tokens.append(mine)
    seconds = time.process_time() - began
    by_source = np.concatenate(tokens)
    ends = np.concatenate([np.zeros((1, kinds)), np.cumsum(by_source, axis=0)])
    window = ends[1000:] - ends[:-1000]
    shares = window / window.sum(axis=1, keepdims=True)
    off = float(np.abs(shares - by_source.sum(axis=0) / by_source.sum()).max())
    return Packing(seconds, by_source.sum(axis=1, dtype=np.int64), off)


def peak() -> float:
    """The largest that this process was, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def pack_and_peak(count: int) -> tuple[Packing, float]:
    """Pack so many texts in a process of its own."""
    return pack(count), peak()


def main(count: int) -> None:
    """Pack, and print."""
    for name, mixture, documents in (("texts", TEXTS, count), ("with books", BOOKS, count // 25)):
        made = pack(documents, mixture)
        print(f"{name}: {documents:,} documents in {len(made.fills):,} sequences of {LENGTH}")
        print(f"  CPU              {made.seconds:.1f} s, making and checking the lengths included")
        print(f"  largest process  {peak():.0f} MB")
        print(f"  full             {made.fills.mean() / LENGTH:.2%}")
        print(f"  shares           at most {100 * made.off:.2f} points off in any 1,000 sequences")
        print(f"  order and fill   {np.corrcoef(np.arange(len(made.fills)), made.fills)[0, 1]:+.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
