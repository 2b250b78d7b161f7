"""Groups of equal rows in the sorted stream that a Group's round gets: how many rows each has, in bounded memory.

Why: a verdict on a row often needs only whether its group is large enough. Sizes are counted up to a limit, so that a
group larger than that passes through as it comes; a smaller one waits until it is whole.
Costs: memory for one batch and for as many rows as the limit says; time for one comparison a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.stage import Mask
from datapipe.text.jit import Int64s

__all__ = ["Counted", "counted", "of_rows", "verdict_of_rows"]


class Counted(NamedTuple):
    """Rows of a stream; of each the size of its group (int64, up to the limit), and whether it is the group's first."""

    rows: pa.RecordBatch
    sizes: Int64s
    first: Mask


def counted(stream: Iterator[pa.RecordBatch], by: tuple[str, ...], most: int | str) -> Iterator[Counted]:
    """All rows of a stream sorted by the columns `by` (without nulls), in order, with the sizes of their groups.

    `most` is where counting stops: a number of at least 1, or a column of such numbers, the same within a group.
    """
    held: pa.RecordBatch | None = None  # the group that may go on
    gone = 0  # rows of it that were given; then the last of them is held
    for batch in stream:
        if batch.num_rows == 0:
            continue
        rows = pa.concat_batches([held, batch]) if held is not None else batch  # type: ignore[attr-defined]
        firsts = _firsts(rows, by)
        lengths = np.diff(np.append(firsts, rows.num_rows))
        totals = lengths.copy()
        totals[0] += gone - (gone > 0)
        limits = rows[most].to_numpy()[firsts] if isinstance(most, str) else np.full(len(firsts), most)
        is_open = totals[-1] < limits[-1]
        stop = int(firsts[-1]) if is_open else rows.num_rows
        start = int(gone > 0)
        if stop > start:
            yield _given(rows, firsts, np.repeat(np.minimum(totals, limits), lengths), slice(start, stop))
        held, gone = (rows.slice(stop), 0) if is_open else (rows.slice(rows.num_rows - 1), int(totals[-1]))
    if held is not None and not gone:
        size = held.num_rows
        yield Counted(held, np.full(size, size, np.int64), np.arange(size) == 0)


def _given(rows: pa.RecordBatch, firsts: Int64s, sizes: Int64s, some: slice) -> Counted:
    first = np.zeros(rows.num_rows, np.bool_)
    first[firsts] = True
    return Counted(rows.slice(some.start, some.stop - some.start), sizes[some], first[some])


def _firsts(rows: pa.RecordBatch, by: tuple[str, ...]) -> Int64s:
    changes = np.zeros(rows.num_rows - 1, np.bool_)
    for name in by:
        values = rows[name].to_numpy()
        changes |= values[1:] != values[:-1]
    return np.concatenate(([0], np.flatnonzero(changes) + 1))


def of_rows(rows: pa.Array[Any], verdicts: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """For each verdict the position in `rows` of the document that it is on; both are uint32 row numbers."""
    numbers = rows.to_numpy()
    order = np.argsort(numbers)
    return order[np.searchsorted(numbers[order], verdicts["row"].to_numpy())]


def verdict_of_rows(rows: pa.Array[Any], verdicts: pa.RecordBatch) -> pa.Int64Array:
    """For each document the position of its verdict, null without one; of a document there is one at most.

    `rows` are uint32 row numbers, and the verdicts are sorted by `row`.
    """
    mine, judged = rows.to_numpy(), verdicts["row"].to_numpy()
    places = np.searchsorted(judged, mine)
    hit = np.zeros(len(mine), np.bool_)
    within = places < len(judged)
    hit[within] = judged[places[within]] == mine[within]
    found: pa.Int64Array = pa.array(places, pa.int64(), mask=~hit)
    return found
