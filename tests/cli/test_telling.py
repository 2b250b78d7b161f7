from __future__ import annotations

from typing import Any

import pytest

from datapipe.cli.telling import say_value


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
