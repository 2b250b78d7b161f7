"""Hashes are counted as a plain dictionary counts them, whenever they are merged."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo import tally
from datapipe.algo.tally import Tally
from datapipe.text.jit import Int64s, Uint64s

BATCHES = st.lists(st.lists(st.tuples(st.sampled_from([0, 1, 7, 2**63, 2**64 - 1]), st.integers(1, 9)), max_size=6))


@pytest.mark.parametrize("least", [1, 4, 1 << 16])
@given(batches=BATCHES)
def test_as_a_plain_count(least: int, batches: list[list[tuple[int, int]]]) -> None:
    expected, found = Counter[int](), Tally()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally, "LEAST", least)
        for batch in batches:
            found.add(np.array([h for h, _ in batch], np.uint64), np.array([n for _, n in batch], np.int64))
            for hashed, count in batch:
                expected[hashed] += count
    hashes, counts = found.merged()
    assert list(zip(hashes.tolist(), counts.tolist(), strict=True)) == sorted(expected.items())


def test_merges_grow_with_the_logarithm_of_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,000 batches of new hashes: ten doublings, not a thousand merges."""
    merges = 0

    class Watched(Tally):
        def merged(self) -> tuple[Uint64s, Int64s]:
            nonlocal merges
            merges += 1
            return super().merged()

    monkeypatch.setattr(tally, "LEAST", 10)
    found = Watched()
    for batch in range(1_000):
        found.add(np.arange(10 * batch, 10 * batch + 10, dtype=np.uint64), np.ones(10, np.int64))
    assert len(found.merged()[0]) == 10_000
    assert merges <= 12
