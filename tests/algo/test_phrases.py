"""Phrases in documents, and tricks undone; the words are mild stand-ins."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.phrases import Phrases, undo_tricks
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


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gr\u200bum\u00adp", "grump"),
        ("gr\u2060u\ufeffm\u034fp", "grump"),
        ("s1lly g00se", "silly goose"),
        ("$illy g0o$e", "silly goose"),
        ("s!lly goose!!!", "silly goose!!!"),
        ("in 2016 or 1:30", "in 2016 or 1:30"),  # no letter in the word
        ("g r u m p", "grump"),
        ("a g.r.u.m.p here", "a grump here"),
        ("g-r-u-m-p!", "grump!"),
        ("g*r_u*m_p", "g*r_u*m_p"),  # two at a time are no word spelled out
        ("i a man", "i a man"),
        ("gruuuuump", "gruump"),
        ("gruump", "gruump"),
        ("GRUUUMP", "GRUUMP"),
        ("hm...... 1111", "hm...... 1111"),
        ("é t é", "é t é"),  # Latin letters without marks alone
        ("你 好 吗", "你 好 吗"),
        ("", ""),
    ],
)
def test_tricks_are_undone(written: str, meant: str) -> None:
    assert undo_tricks(pa.array([written]), 2).to_pylist() == [meant]


def test_repeated_letters_may_stand_for_one_or_two() -> None:
    assert undo_tricks(pa.array(["sillllly gooooose"]), 1).to_pylist() == ["sily gose"]
    assert undo_tricks(pa.array(["sillllly gooooose"]), 2).to_pylist() == ["silly goose"]


@given(
    st.lists(st.none() | st.text("aB0$.! -é港\u200b\u00ad\U0001f600", max_size=30), max_size=6), st.sampled_from([1, 2])
)
def test_what_comes_out_is_valid_text_and_never_longer(texts: list[str | None], repeats: int) -> None:
    made = undo_tricks(pa.array(texts, pa.large_string()), repeats)
    made.validate(full=True)
    for text, undone in zip(texts, made.to_pylist(), strict=True):
        assert len(str(undone).encode()) <= len((text or "").encode())
        wide = re.sub(r"[\x00-\x7f\u200b\u00ad]", "", text or "")
        assert re.sub(r"[\x00-\x7f]", "", str(undone)) == wide
