"""The estimate of tokens: every class of word by hand, and sums that fit however documents are cut."""

import itertools

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.text import MOST_PER_BYTE, Segmentation, estimate_tokens


def estimated(*texts: str) -> list[int]:
    return estimate_tokens(Segmentation.of(pa.array(texts, pa.large_string())).words).total.tolist()


# Thousandths, by the rates that the module names.
CASES = [
    ("", 0),
    (" \n ", 0),
    ("tide", 60 + 4 * 210),
    ("tide tide", 2 * 900),
    ("naïve", 6 * 500),  # 6 bytes for 5 characters
    ("лодка", 10 * 210),
    ("नाव", 9 * 190),
    ("배", 560),  # one character of three bytes
    ("潮水", 2 * 560),
    ("ก็", 6 * 190),  # a letter and its mark
    ("!", 1100),
    ("=====", 1100 + 4 * 30),
    (".,.,", 4 * 1100),
    ("a\n    b", 2 * 270 + 1500 + 3 * 30),
    ("  a", 270 + 1500),
    ("a  ", 270),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[repr(text) for text, _ in CASES])
def test_each_class_of_word_has_its_rate(text: str, expected: int) -> None:
    assert estimated(text) == [expected]


def test_documents_do_not_share_their_sums() -> None:
    texts = [text for text, _ in CASES]
    assert estimated(*texts) == [expected for _, expected in CASES]


@given(st.lists(st.text(max_size=30), max_size=5))
@settings(max_examples=60)
def test_what_stands_before_each_word_adds_up(texts: list[str]) -> None:
    words = Segmentation.of(pa.array(texts, pa.large_string())).words
    before, own, total = estimate_tokens(words)
    for first, last, whole in zip(words.first, words.last, total.tolist(), strict=True):
        sums = [*before[first:last].tolist(), whole]
        assert sums[0] == (0 if first < last else whole)
        blanks = [b - a - c for (a, b), c in zip(itertools.pairwise(sums), own[first:last].tolist(), strict=True)]
        assert all(extra >= 0 for extra in blanks)
    sizes = [len(text.encode()) for text in texts]
    assert all(whole <= size * MOST_PER_BYTE for whole, size in zip(total.tolist(), sizes, strict=True))
