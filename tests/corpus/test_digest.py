"""Digests of values: the same however an array is laid out, different for different values."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.corpus.digest import digest_rows, digest_values
from datapipe.schema import MESSAGE

_struct = pa.struct([("a", pa.int32()), ("b", pa.string())])
_of_struct = st.fixed_dictionaries({"a": st.none() | st.integers(-9, 9), "b": st.none() | st.text(max_size=3)})
_message = st.fixed_dictionaries({
    "role": st.none() | st.sampled_from(["user", "assistant"]),
    "content": st.none() | st.text(max_size=5),
    "train": st.none() | st.booleans(),
    "weight": st.none() | st.floats(0, 1, width=32),
})  # fmt: skip
KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), st.text(max_size=5)),
    (pa.large_string(), st.text(max_size=5)),
    (pa.large_binary(), st.binary(max_size=5)),
    (pa.binary(4), st.binary(min_size=4, max_size=4)),
    (pa.bool_(), st.booleans()),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32, allow_nan=False)),
    (pa.list_(pa.int32()), st.lists(st.none() | st.integers(-5, 5), max_size=3)),
    (pa.large_list(pa.string()), st.lists(st.none() | st.text(max_size=3), max_size=3)),
    (_struct, _of_struct),
    (pa.list_(_struct), st.lists(st.none() | _of_struct, max_size=3)),
    (pa.large_list(MESSAGE), st.lists(_message, max_size=3)),
    (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["a", "b", "cc"])),
]


@st.composite
def _columns(draw: st.DrawFn) -> tuple[pa.DataType, list[Any]]:
    kind, values = draw(st.sampled_from(KINDS))
    return kind, draw(st.lists(st.none() | values, max_size=8))


@given(_columns(), st.lists(st.integers(0, 8), max_size=3), st.integers(0, 3))
def test_chunks_slices_and_what_lies_under_nulls_do_not_matter(
    column: tuple[pa.DataType, list[Any]], cuts: list[int], before: int
) -> None:
    kind: Any = column[0]
    values = column[1]
    whole: Any = pa.array(values, kind)
    ends = sorted({0, len(values), *(min(cut, len(values)) for cut in cuts)})
    pieces: Any = [whole.slice(a, b - a) for a, b in pairwise(ends)]
    expected = digest_values(whole)
    assert digest_values(pa.chunked_array(pieces, kind)) == expected
    padded = pa.array([*values[:before], *values, *values[:2]], kind)
    assert digest_values(padded.slice(len(values[:before]), len(values))) == expected
    if values and not pa.types.is_dictionary(kind):
        copied = pa.array([*values, None], kind)  # takes its nulls with whatever bytes lie under them
        order = pa.array([*range(len(values)), len(values)])
        assert digest_values(copied.take(order).slice(0, len(values))) == expected


@given(_columns(), st.data())
def test_other_values_have_another_digest(column: tuple[pa.DataType, list[Any]], data: st.DataObject) -> None:
    kind, values = column
    other = list(values)
    if other:
        at = data.draw(st.integers(0, len(other) - 1))
        other[at] = data.draw(st.none() | dict(_by_text())[str(kind)])
    one: Any = pa.array(values, kind)
    two: Any = pa.array(other, kind)
    assert (digest_values(one) == digest_values(two)) == (one.to_pylist() == two.to_pylist())


def _by_text() -> list[tuple[str, st.SearchStrategy[Any]]]:
    return [(str(kind), values) for kind, values in KINDS]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["", None], [None, ""]),
        ([[1], [2, 3]], [[1, 2], [3]]),
        ([[], None], [None, []]),
        ([[None], []], [[], [None]]),
        ([0, None], [None, 0]),
        (["a"], ["a", None]),
        ([{"a": None}], [None]),
    ],
)
def test_near_misses(one: list[Any], two: list[Any]) -> None:
    kind: Any = pa.array([*one, *two]).type
    assert digest_values(pa.array(one, kind)) != digest_values(pa.array(two, kind))


def test_garbage_under_a_null_does_not_count() -> None:
    data = pa.array([1, 2, 3], pa.int32())
    masked: Any = pa.Array.from_buffers(pa.int32(), 3, [pa.py_buffer(b"\x05"), data.buffers()[1]])
    assert masked.to_pylist() == [1, None, 3]
    assert digest_values(masked) == digest_values(pa.array([1, None, 3], pa.int32()))
    text: Any = pa.array(["ab", "junk", "c"])
    masked = pa.Array.from_buffers(text.type, 3, [pa.py_buffer(b"\x05"), *text.buffers()[1:]])
    assert digest_values(masked) == digest_values(pa.array(["ab", None, "c"]))
    lists: Any = pa.array([[1], [7, 7], [3]], pa.list_(pa.int32()))
    buffers = [pa.py_buffer(b"\x05"), lists.buffers()[1]]
    masked = pa.ListArray.from_buffers(lists.type, 3, buffers, children=[lists.values])
    assert masked.to_pylist() == [[1], None, [3]]
    assert digest_values(masked) == digest_values(pa.array([[1], None, [3]], lists.type))


@given(st.lists(st.integers(0, 99), max_size=5), st.lists(st.integers(0, 99), max_size=5))
def test_rows(one: list[int], two: list[int]) -> None:
    assert (digest_rows(np.array(one, np.int64)) == digest_rows(np.array(two, np.uint32))) == (one == two)
