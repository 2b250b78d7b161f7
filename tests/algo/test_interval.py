"""Wilson's interval against values worked out by hand, and what holds of every interval."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.interval import wilson

# By the formula with z = 1.96 (z² = 3.8416), on paper: centre (p + z²/2n)/(1 + z²/n), half width
# z·sqrt(p(1-p)/n + z²/4n²)/(1 + z²/n). For 9 of 10: centre 1.09208/1.38416 = .78898,
# half 1.96·sqrt(.009 + .009604)/1.38416 = .19314.
BY_HAND = [
    (9, 10, 0.5958, 0.9821),
    (0, 5, 0.0, 0.4345),  # z²/(n + z²) = 3.8416/8.8416
    (5, 5, 0.5655, 1.0),
    (50, 100, 0.4038, 0.5962),  # half 1.96·sqrt(.0025 + .00009604)/1.038416 = .09617
    (1, 1, 0.2065, 1.0),  # 1/(1 + z²)
]


@pytest.mark.parametrize(("hits", "cases", "low", "high"), BY_HAND)
def test_intervals_are_those_worked_out_by_hand(hits: int, cases: int, low: float, high: float) -> None:
    assert wilson(hits, cases) == pytest.approx((low, high), abs=1e-4)


def test_of_no_cases_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 10_000).flatmap(lambda cases: st.tuples(st.integers(0, cases), st.just(cases))))
def test_an_interval_holds_its_share_and_is_mirrored(drawn: tuple[int, int]) -> None:
    hits, cases = drawn
    low, high = wilson(hits, cases)
    assert 0 <= low <= hits / cases <= high <= 1
    assert high - low < 1
    assert wilson(cases - hits, cases) == pytest.approx((1 - high, 1 - low))
