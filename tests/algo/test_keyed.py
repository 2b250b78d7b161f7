"""Sizes of groups in a sorted stream, as a dictionary counts them, however the stream is cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.keyed import counted, of_rows

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=30).map(sorted)


def cut(pairs: list[tuple[int, int]], places: set[int]) -> Iterator[pa.RecordBatch]:
    """A stream of (a, b, place in the stream, limit by a), with empty batches in it."""
    edges = sorted({0, len(pairs), *(place for place in places if place < len(pairs))})
    for start, stop in pairwise([0, *edges]):
        some = pairs[start:stop]
        yield pa.record_batch(
            {
                "a": pa.array([a for a, _ in some], pa.uint64()),
                "b": pa.array([b for _, b in some], pa.uint64()),
                "place": pa.array(range(start, stop), pa.int64()),
                "limit": pa.array([a + 1 for a, _ in some], pa.int64()),
            }
        )


@given(PAIRS, st.sets(st.integers(0, 30)), st.one_of(st.integers(1, 6), st.just("limit")))
def test_as_a_dictionary_counts_them(pairs: list[tuple[int, int]], places: set[int], most: int | str) -> None:
    sizes, seen = Counter(pairs), set[tuple[int, int]]()
    expected = []
    for pair in pairs:
        expected.append((min(sizes[pair], pair[0] + 1 if isinstance(most, str) else most), pair not in seen))
        seen.add(pair)
    found = list(counted(cut(pairs, places), ("a", "b"), most))
    assert [place for each in found for place in each.rows["place"].to_pylist()] == list(range(len(pairs)))
    given_out = [pair for each in found for pair in zip(each.sizes.tolist(), each.first.tolist(), strict=True)]
    assert given_out == expected


def test_a_large_group_passes_through_as_it_comes() -> None:
    """Never more rows wait than a batch and the limit."""
    came = 0

    def stream() -> Iterator[pa.RecordBatch]:
        nonlocal came
        for batch in cut([(1, 1)] * 1000, set(range(0, 1000, 10))):
            came += len(batch)
            yield batch

    gone = 0
    for each in counted(stream(), ("a",), 25):
        gone += len(each.sizes)
        assert came - gone <= 35
    assert gone == 1000


@pytest.mark.parametrize("rows", [[3, 5, 9], [9, 3, 5], []])
def test_verdicts_find_their_rows_in_any_order(rows: list[int]) -> None:
    judged = sorted(rows * 2)
    verdicts = pa.record_batch({"row": pa.array(judged, pa.uint32())})
    places = of_rows(pa.array(rows, pa.uint32()), verdicts)
    assert np.array(rows, np.int64)[places].tolist() == judged
