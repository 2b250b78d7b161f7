"""Cuts a batch in many ways, and compares what came out, row by row.

Outputs are compared by the exact value of every cell (NaN equals NaN, -0.0 is not 0.0).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeAlias

import pyarrow as pa

__all__ = ["Rows", "concatenated", "cuts", "difference", "empty_like", "fingerprint", "groups", "permutation"]

# What came of each input row: the rows that a function made of it, each as the exact text of its values.
Rows: TypeAlias = list[tuple[str, ...]]

_ROUNDS = 3


def cuts(batch: pa.RecordBatch) -> Iterator[tuple[str, list[pa.RecordBatch]]]:
    """Named ways to cut a batch: single rows, and at random places; empty pieces and offsets included."""
    yield "one row at a time", [batch.slice(row, 1) for row in range(len(batch))]
    for seed in range(_ROUNDS):
        chance = random.Random(seed)  # noqa: S311 - where to cut, always the same
        places = sorted({0, len(batch), *(chance.randrange(len(batch) + 1) for _ in range(seed + 2))})
        pairs = pairwise(places)
        yield f"cut at rows {places[1:-1]}", [batch.slice(start, stop - start) for start, stop in pairs]


def permutation(size: int) -> list[int]:
    """An order of rows other than the given one."""
    order = list(range(size))
    random.Random(size).shuffle(order)  # noqa: S311 - the order of a test
    return order


def groups(out: pa.RecordBatch, index: str | None, size: int) -> Rows:
    """The rows that came of each of `size` input rows: row by row, or by the column `index`."""
    cells = [[repr(value) for value in column.to_pylist()] for name, column in _columns(out) if name != index]
    lines = [" | ".join(values) for values in zip(*cells, strict=True)] if cells else [""] * len(out)
    if index is None:
        return [(line,) for line in lines]
    found: list[list[str]] = [[] for _ in range(size)]
    for row, line in zip(out.column(index).to_numpy(), lines, strict=True):
        found[row].append(line)
    return [tuple(lines) for lines in found]


def difference(expected: Rows, got: Rows) -> str | None:
    """Where two outputs differ first, in a few words."""
    if len(expected) != len(got):
        return f"{len(got)} rows instead of {len(expected)}"
    for row, (one, other) in enumerate(zip(expected, got, strict=True)):
        if one != other:
            return f"row {row} gives {_short(other)} instead of {_short(one)}"
    return None


def concatenated(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Several batches of one schema as one."""
    arrow: Any = pa  # the stubs do not know this function
    whole: pa.RecordBatch = arrow.concat_batches(batches)
    return whole


def empty_like(batch: pa.RecordBatch) -> pa.RecordBatch:
    """No rows of the same columns."""
    return batch.slice(0, 0)


def fingerprint(batch: pa.RecordBatch) -> bytes:
    """The batch byte for byte, to see whether somebody wrote into it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _columns(batch: pa.RecordBatch) -> Iterator[tuple[str, Any]]:
    return zip(batch.schema.names, batch.columns, strict=True)


def _short(lines: tuple[str, ...]) -> str:
    text = " / ".join(lines) or "nothing"
    most = 120
    return text if len(text) <= most else f"{text[:most]}..."
