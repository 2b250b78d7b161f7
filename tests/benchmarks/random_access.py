"""Random access to packed sequences: sequences/s of 2,048 tokens, in an order drawn by chance.

    python -m tests.benchmarks.random_access [SEQUENCES]

The files are written by `write.packed` itself, and read by `datasets.load_from_disk`, whose formats differ widely
(without one every token becomes a Python number; `numpy` pays for each row, and is fast for many at once), and by a
plain memory map, as a trainer may. Each is asked for `input_ids` and `labels`; medians of the rounds, of wall time and
of CPU time, on one core, with the file in the page cache.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.stage import Above, columns
from stages.write.packed import STAGE, Config, write

LENGTH = 2048
DOCUMENTS = 4  # of each sequence
ROUNDS = 5
ROWS = 64  # sequences of one batch that comes in
MANY = 32  # rows asked for at once, as a batch of a trainer is


def stream(count: int) -> Iterator[pa.RecordBatch]:
    """Pieces of full sequences, as the exchange gives them."""
    rng = np.random.default_rng(1)
    size = LENGTH // DOCUMENTS
    for first in range(0, count, ROWS):
        pieces = min(ROWS, count - first) * DOCUMENTS
        number: Any = np.arange(pieces)
        bounds: Any = pa.array(np.arange(pieces + 1) * size)
        weights: Any = pa.array(rng.integers(0, 2, pieces * size).astype(np.float32))
        yield columns(
            key=(first + number // DOCUMENTS).astype(np.uint64),
            offset=(number % DOCUMENTS * size).astype(np.int32),
            start=np.zeros(pieces, np.int32),
            end=np.full(pieces, size, np.int32),
            id=pa.array([f"{first:08d}-{each}" for each in range(pieces)]),
            source=pa.array(["web"] * pieces),
            cut=np.zeros(pieces, np.int64),
            first=np.ones(pieces, np.bool_),
            packed=np.ones(pieces, np.bool_),
            tokens=pa.LargeListArray.from_arrays(bounds, pa.array(rng.integers(0, 32_000, pieces * size, np.int32))),
            weights=pa.LargeListArray.from_arrays(bounds, weights),
        )


def made(folder: Path, count: int) -> Path:
    """A folder as a run leaves it. Returns its file of sequences."""
    path = folder / "data-00000-of-00001.arrow"
    with path.open("wb") as target:
        written = write(stream(count), target, Config())
    assert STAGE.gather is not None
    assert written is not None
    for name, data in STAGE.gather.finish({path.name: written.facts}, Above(), Config()):
        (folder / name).write_bytes(data)
    return path


def mapped(path: Path) -> Callable[[int], tuple[Any, Any]]:
    """What gives the tokens and labels of a sequence out of a plain memory map."""
    batches = list(pa.ipc.open_stream(pa.memory_map(str(path))))
    ends = np.cumsum([len(batch) for batch in batches])
    lists = [[_values(batch[name]) for name in ("input_ids", "labels")] for batch in batches]

    def of(number: int) -> tuple[Any, Any]:
        at = int(np.searchsorted(ends, number, side="right"))
        own = number - (int(ends[at - 1]) if at else 0)
        ids, labels = (values[offsets[own] : offsets[own + 1]].copy() for values, offsets in lists[at])
        return ids, labels

    return of


def _values(lists: Any) -> tuple[Any, Any]:
    return lists.values.to_numpy(), lists.offsets.to_numpy()


def arrow_row(table: Any) -> tuple[Any, Any]:
    """Tokens and labels of a table of one row, as numpy arrays without a copy."""
    ids, labels = (table.column(name).chunk(0).flatten().to_numpy() for name in ("input_ids", "labels"))
    return ids, labels


def speed(ask: Callable[[Any], Any], questions: list[Any], sequences: int) -> str:
    """Sequences/s by wall and by CPU time, of all rounds the medians."""
    wall, cpu = [], []
    for _ in range(ROUNDS):
        began, busy = time.perf_counter(), time.process_time()
        for question in questions:
            ask(question)
        wall.append(sequences / (time.perf_counter() - began))
        cpu.append(sequences / (time.process_time() - busy))
    return f"{statistics.median(wall):>9,.0f} {statistics.median(cpu):>9,.0f}"


def main(count: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as kept:
        path = made(Path(kept), count)
        rows = import_module("datasets").load_from_disk(kept)
        order = np.random.default_rng(2).permutation(count)
        one = order[: min(count, 10_000)].tolist()
        many = [order[at : at + MANY].tolist() for at in range(0, len(one) // MANY * MANY, MANY)]
        some, most = one[: len(one) // 10], len(many) * MANY
        arrow, numpy = rows.with_format("arrow"), rows.with_format("numpy")
        assert (arrow_row(arrow[one[0]])[0] == rows[one[0]]["input_ids"]).all()
        assert (mapped(path)(one[0])[1] == rows[one[0]]["labels"]).all()
        print(f"{count:,} sequences of {LENGTH:,} tokens      wall/s     CPU/s")
        print(f"plain memory map                {speed(mapped(path), one, len(one))}")
        print(f'with_format("arrow")            {speed(lambda at: arrow_row(arrow[at]), one, len(one))}')
        print(f'with_format("arrow"), {MANY} a time  {speed(arrow.__getitem__, many, most)}')
        print(f'with_format("numpy")            {speed(numpy.__getitem__, some, len(some))}')
        print(f'with_format("numpy"), {MANY} a time  {speed(numpy.__getitem__, many, most)}')
        print(f"no format (Python lists)        {speed(rows.__getitem__, some, len(some))}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 32_768)
