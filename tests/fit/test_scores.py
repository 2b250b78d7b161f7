"""Measures of classifiers, with answers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.fit.scores import auc, calibration_error, measures, threshold_rows


@pytest.mark.parametrize(
    ("scores", "positive", "area"),
    [
        ([0.1, 0.9], [False, True], 1.0),
        ([0.9, 0.1], [False, True], 0.0),
        ([0.5, 0.5], [False, True], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [False, False, True, True], 0.75),  # of four pairs three are in order
        ([0.2, 0.2, 0.3], [True, False, True], 0.75),  # one tie, one in order
        ([0.2, 0.3], [True, True], None),
        ([0.2, 0.3], [False, False], None),
    ],
)
def test_auc_is_the_share_of_pairs_in_order(scores: list[float], positive: list[bool], area: float | None) -> None:
    assert auc(np.array(scores), np.array(positive)) == area


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auc_equals_a_count_of_all_pairs(cases: list[tuple[int, bool]]) -> None:
    high = [score for score, positive in cases if positive]
    low = [score for score, positive in cases if not positive]
    found = auc(np.array([score for score, _ in cases], float), np.array([positive for _, positive in cases]))
    if not high or not low:
        assert found is None
    else:
        pairs = [1.0 if one > other else 0.5 if one == other else 0.0 for one in high for other in low]
        assert found == pytest.approx(sum(pairs) / len(pairs))


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    """Bin 0.5-0.6 says .55 and is right half of the time, bin 0.9-1 says .95 and always: (2 * .05 + 2 * .05) / 4."""
    confidence, right = np.array([0.55, 0.55, 0.95, 0.95]), np.array([True, False, True, True])
    assert calibration_error(confidence, right) == pytest.approx(0.05)


def test_a_threshold_counts_documents_at_it_and_over_it() -> None:
    rows = {row["at"]: row for row in threshold_rows(np.array([0.5, 0.49, 0.8]), np.array([True, True, False]))}
    assert rows[0.5] == {"at": 0.5, "share": 0.6667, "precision": 0.5, "recall": 0.5}
    assert rows[0.9] == {"at": 0.9, "share": 0.0, "precision": None, "recall": 0.0}


def test_all_measures_of_three_documents() -> None:
    found = measures(np.array([[0.8, 0.2], [0.4, 0.6], [0.3, 0.7]]), np.array([0, 0, 1], np.int32), ("a", "b"))
    assert (found["documents"], found["accuracy"], found["most_frequent_label"]) == (3, 0.6667, 0.6667)
    assert found["log_loss"] == round(-(np.log(0.8) + np.log(0.4) + np.log(0.7)) / 3, 4)
    assert {name: (of["documents"], of["auc"]) for name, of in found["labels"].items()} == {
        "a": (2, 1.0),
        "b": (1, 1.0),
    }
