"""Bands and rows are those that datasketch chooses, and the S-curve is what is measured."""

import numpy as np
import pytest
from datasketch.lsh import _optimal_param

from datapipe.algo.banding import optimal_bands, probability

THRESHOLDS = [0.05, 0.2, 0.35, 0.5, 0.7, 0.75, 0.8, 0.9, 0.97]


@pytest.mark.parametrize(
    ("jaccard", "bands", "rows", "expected"),
    [
        (0.0, 14, 8, 0.0),
        (1.0, 14, 8, 1.0),
        (0.5, 1, 1, 0.5),
        (0.5, 2, 1, 0.75),  # 1 - 0.5 * 0.5
        (0.5, 2, 2, 0.4375),  # 1 - 0.75 * 0.75
        (0.8, 14, 8, 0.92),  # FineWeb's, as published
    ],
)
def test_probabilities_worked_by_hand(jaccard: float, bands: int, rows: int, expected: float) -> None:
    assert float(probability(jaccard, bands, rows)) == pytest.approx(expected, abs=0.005)


def test_probabilities_keep_the_shape_and_rise() -> None:
    curve = probability(np.linspace(0, 1, 101).reshape(1, -1), 14, 8)
    assert curve.shape == (1, 101)
    assert (np.diff(curve[0]) >= 0).all()


@pytest.mark.parametrize("permutations", [2, 16, 112, 128])
@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.1, 0.9), (0.8, 0.2)])
def test_the_choice_is_datasketch_s(permutations: int, weights: tuple[float, float]) -> None:
    for threshold in THRESHOLDS:
        chosen = optimal_bands(threshold, permutations, weights=weights)
        assert chosen == _optimal_param(threshold, permutations, *weights), threshold


@pytest.mark.parametrize(
    ("threshold", "permutations", "weights", "message"),
    [
        (1.1, 112, (0.5, 0.5), "threshold"),
        (-0.1, 112, (0.5, 0.5), "threshold"),
        (float("nan"), 112, (0.5, 0.5), "threshold"),
        (0.8, 1, (0.5, 0.5), "two permutations"),
        (0.8, 112, (0.5, 0.6), "weights"),
        (0.8, 112, (-0.5, 1.5), "weights"),
    ],
)
def test_what_makes_no_sense_is_refused(
    threshold: float, permutations: int, weights: tuple[float, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        optimal_bands(threshold, permutations, weights=weights)
