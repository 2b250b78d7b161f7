"""Sets of hashes against Python's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.hash_sets import are_first, are_in

# Few values that meet in the table of a few, and any.
HASHES = st.lists(st.sampled_from([1, 2, 3, 17, 33, 2**63, 2**64 - 1]) | st.integers(1, 2**64 - 1), max_size=40)


@given(HASHES, HASHES)
def test_as_pythons_sets_do(some: list[int], others: list[int]) -> None:
    array, among = np.array(some, np.uint64), np.array(others, np.uint64)
    assert are_first(array).tolist() == [value not in some[:at] for at, value in enumerate(some)]
    assert are_in(array, among).tolist() == [value in others for value in some]


@pytest.mark.parametrize("others", [[], [5], [0], [1]])
def test_a_hash_of_0_is_one_of_1(others: list[int]) -> None:
    found = are_in(np.array([0, 1], np.uint64), np.array(others, np.uint64))
    assert found.tolist() == [bool({0, 1} & set(others))] * 2
