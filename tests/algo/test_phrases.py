"""Phrases in documents; the words are mild stand-ins."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.phrases import Phrases
from datapipe.text import Segmentation
from datapipe.text.reference import tokens

WORDS = Phrases.of(["grump", "silly goose", "silly goose dance", "笨蛋", "バカ", "nit-wit", "", "a b c d e f g h i"])


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("A grump met a GRUMP.", 2),
        ("grumpy people grumped", 0),
        ("a silly goose", 1),
        ("a silly\n  goose", 1),
        ("silly, goose", 0),
        ("the silly goose dance", 1),  # the longest counts, what lies inside it does not
        ("silly silly goose goose", 1),
        ("你这个笨蛋真笨", 1),
        ("笨 蛋", 1),
        ("バカ", 1),
        ("バカンス", 0),  # a run of katakana is one word
        ("a nit-wit", 1),
        ("nit wit", 0),
        ("a b c d e f g h i", 0),  # longer than any phrase may be
    ],
)
def test_whole_words_and_in_chinese_any_place_count(text: str, count: int) -> None:
    assert WORDS.count(Segmentation.of(pa.array([text]))).tolist() == [count]


def counted(text: str, phrases: list[str]) -> int:
    """Plain Python: leftmost, then longest."""
    words = [text[token.start : token.end] for token in tokens(text)]
    known = {tuple(phrase.split()) for phrase in phrases}
    at = count = 0
    while at < len(words):
        longest = max((len(one) for one in known if tuple(words[at : at + len(one)]) == one), default=0)
        count += longest > 0
        at += max(longest, 1)
    return count


@given(st.lists(st.text("ab ", min_size=1, max_size=5), max_size=5), st.text("ab ", max_size=40))
def test_the_kernel_counts_what_plain_python_counts(phrases: list[str], text: str) -> None:
    some = [phrase for phrase in phrases if phrase.strip()]
    assert Phrases.of(phrases).count(Segmentation.of(pa.array([text]))).tolist() == [counted(text, some)]
