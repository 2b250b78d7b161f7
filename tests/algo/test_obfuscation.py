"""Tricks undone that hide words; the words are mild stand-ins."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.obfuscation import undo_tricks


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
