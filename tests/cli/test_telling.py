from __future__ import annotations

from typing import Any

import pytest

from datapipe.cli.telling import measure_lines, say_value
from datapipe.lineage import OTHERS, Measure


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.5628140568733215, "0.5628"),
        ([{"language": "de", "share": 0.5628140568733215}], '[{"language": "de", "share": 0.5628}]'),
        ({"share": [1.0, 0.000012345678]}, '{"share": [1.0, 1.235e-05]}'),
        ([0.123456789] * 4, "4 entries: 0.1235, 0.1235, 0.1235"),
        (["+44 20 7946 0018", 7], '["[number]", 7]'),
        (True, "yes"),
    ],
)
def test_numbers_are_short_and_only_texts_are_masked(value: Any, said: str) -> None:
    assert say_value(value) == said


def test_measures_stand_beside_their_thresholds_and_below_them_the_options_that_bound_no_single_one() -> None:
    measures = (
        Measure("score", 0.98765),
        Measure("words", 7, ("min_words 3", "max_words off")),
        Measure("missing", None, ("max_missing 1",)),
        Measure(OTHERS, None, ("drop {'spam\x1b[31m': 0.9}", "keep ['en']")),
    )
    assert list(measure_lines(measures)) == [
        "     score       0.9877",
        "     words       7   (min_words 3, max_words off)",
        r"     decided by  drop {'spam\x1b[31m': 0.9}, keep ['en']",
    ]
    assert list(measure_lines(measures[2:3])) == []
