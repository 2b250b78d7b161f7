"""Thresholds at the same percentile, against a plain count."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.fit.percentiles import beyond, fit
from datapipe.stage import Map, StageConfig, columns, schema
from datapipe.text.thresholds import Number, by_language


class Config(StageConfig):
    """One bound on each side."""

    min_length: Number = by_language(3, "characters")
    max_length: Number = by_language(10, "characters")


STAGE = Map(
    name="filter.toy",
    version=1,
    config=Config,
    reads=("text",),
    adds=schema(length=pa.float64()),
    process=lambda batch, config, resource: columns(length=np.zeros(len(batch))),
)


def fitted(values: list[float], option: str, share: float, english: int) -> tuple[float, float, bool]:
    measured = {STAGE.name: {option: np.sort(np.array(values, np.float64))}}
    found = fit(measured, [STAGE], {STAGE.name: {option: share}}, english)
    assert len(found) == 1
    return found[0].threshold, found[0].share, found[0].sure


@pytest.mark.parametrize(
    ("values", "option", "share", "threshold", "dropped"),
    [
        (range(1, 101), "max_length", 0.05, 95, 0.05),  # 96 to 100 leave
        (range(1, 101), "min_length", 0.05, 6, 0.05),  # 1 to 5 leave
        ([1] * 94 + [7] * 6, "max_length", 0.05, 7, 0.0),  # 1 would drop six
        ([x / 2000 for x in range(100)], "max_length", 0.05, 0.047, 0.05),
        ([x / 3 for x in range(100)], "max_length", 0.06, 31, 0.06),
        ([x / 3 for x in range(100)], "max_length", 0.05, 31.334, 0.05),  # 31.3333… rounded to the loose side
        ([x / 3 for x in range(100)], "min_length", 0.07, 2.333, 0.07),
    ],
)
def test_as_many_documents_leave_as_of_the_english_ones(
    values: list[float], option: str, share: float, threshold: float, dropped: float
) -> None:
    assert fitted(list(values), option, share, 1000) == (threshold, dropped, True)


@pytest.mark.parametrize(
    ("values", "option", "share", "english", "threshold"),
    [
        ([0.0] * 20, "max_length", 0.0, 1000, 10),  # nothing was seen near the threshold: it stays
        ([8.0] * 20, "min_length", 0.0, 1000, 3),
        ([*([9.0] * 19), 14.0], "max_length", 0.01, 1000, 14),  # a good document would leave: loosened
        ([*([9.0] * 19), 2.5], "min_length", 0.01, 1000, 2.5),
        ([float(x) for x in range(1000)], "max_length", 0.01, 100, 989),  # one of 100 English ones tells little
        ([float(x) for x in range(1000)], "max_length", 0.0, 100, 989),  # none of 100: at most one in 100 is known
    ],
)
def test_too_few_documents_never_tighten_a_threshold(
    values: list[float], option: str, share: float, english: int, threshold: float
) -> None:
    found, _, sure = fitted(values, option, share, english)
    assert (found, sure) == (threshold, False)


VALUES = st.lists(st.floats(0, 100), min_size=1, max_size=200)


@given(VALUES, st.sampled_from(["min_length", "max_length"]), st.floats(0, 1), st.integers(1, 500))
def test_a_fitted_threshold_drops_no_more_than_the_share(
    values: list[float], option: str, share: float, english: int
) -> None:
    threshold, dropped, _ = fitted(values, option, share, english)
    count = sum(value > threshold if option == "max_length" else value < threshold for value in values)
    assert dropped == count / len(values)
    assert count <= max(share, 1 / english) * len(values) + 1e-6


def test_the_share_beyond_is_of_values_over_or_under_the_english_number() -> None:
    values = np.array([2.0, 3.0, 10.0, 10.5, 11.0])
    found = beyond({STAGE.name: {"min_length": values, "max_length": values}}, [STAGE])
    assert found == {"filter.toy": {"min_length": 0.2, "max_length": 0.4}}
