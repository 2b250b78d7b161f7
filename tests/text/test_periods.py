"""Blocks of words that repeat without a break: by hand, against the plain reference, in linear time."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.text import reference_measures, repeated_periods
from datapipe.text.segmentation import Segmentation

PERIODS = tuple(range(1, 14))


def kernel(texts: list[str], periods: tuple[int, ...] = PERIODS) -> list[list[int]]:
    return repeated_periods(Segmentation.of(pa.array(texts, pa.large_string())), periods).T.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [0, 0, 0]),
        ("... !!!", [0, 0, 0]),
        ("one", [1, 1, 1]),
        ("a b c d", [1, 1, 1]),
        ("a a a", [3, 1, 1]),
        ("x a A a y", [3, 1, 1]),
        ("a b a b a", [1, 2, 1]),  # half a block does not count
        ("a, b. a! b? a b", [1, 3, 1]),
        ("a a b a a b a a b", [2, 1, 3]),
        ("a a a a b a b a b", [4, 3, 1]),  # the last a, b three times
        ("哈哈哈哈", [4, 1, 1]),
        ("你好你好，你好", [1, 3, 1]),
        ("加油吧加油吧", [1, 1, 2]),
    ],
)
def test_blocks_in_a_row_counted_by_hand(text: str, expected: list[int]) -> None:
    assert kernel([text], (1, 2, 3)) == [expected]


@pytest.mark.parametrize("kind", ["mixed", "repetitive"])
def test_equals_the_plain_reference(kind: str, request: pytest.FixtureRequest) -> None:
    texts: list[str] = request.getfixturevalue(f"{kind}_texts")
    assert kernel(texts) == [reference_measures.repeated_periods(text, periods=PERIODS) for text in texts]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abB"), max_size=40))
def test_any_words_equal_the_plain_reference(words: list[str]) -> None:
    text = " ".join(words)
    assert kernel([text]) == [reference_measures.repeated_periods(text, periods=PERIODS)]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 13), st.integers(1, 50))
def test_a_block_of_different_words_counts_as_often_as_it_stands(period: int, times: int) -> None:
    block = " ".join(f"w{i}" for i in range(period))
    counts = kernel([" ".join([block] * times)])[0]
    assert counts[period - 1] == times
    assert all(count == 1 for i, count in enumerate(counts) if i != period - 1)


@pytest.mark.parametrize("period", [0, 65])
def test_impossible_periods_are_refused(period: int) -> None:
    with pytest.raises(ValueError, match="1 to 64 words"):
        kernel(["a"], (period,))
