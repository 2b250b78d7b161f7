"""Phrases are found as a plain search over the words of each text finds them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.families import Families, read_phrases
from datapipe.errors import InputError
from datapipe.text import forget, segment
from datapipe.text.reference import IS_WORD, tokens

FAMILIES = {"one": ["a b", "a", "b a b"], "two": ["a b", "中 文", "c'd"], "none": []}


def plain(text: str, phrase: str) -> int:
    words = [text[one.start : one.end].casefold().replace("’", "'") for one in tokens(text) if one.kind & IS_WORD]
    wanted = [phrase[one.start : one.end] for one in tokens(phrase) if one.kind & IS_WORD]
    return sum(words[at : at + len(wanted)] == wanted for at in range(len(words)))


WORDS = st.lists(st.sampled_from(["a", "B", "b", "c'd", "c’d", "中", "文", "中文", ",", "\n", "a.b"]), max_size=12)


@given(st.lists(st.one_of(st.none(), WORDS.map(" ".join)), max_size=5))
def test_as_a_plain_search(texts: list[str | None]) -> None:
    forget()
    counts = Families.of_families(FAMILIES).counts(segment(pa.array(texts, pa.large_string())))
    assert counts.shape == (len(texts), 3)
    assert counts.tolist() == [[sum(plain(t or "", p) for p in some) for some in FAMILIES.values()] for t in texts]


def test_a_phrase_does_not_reach_over_documents() -> None:
    forget()
    assert Families.of_families({"x": ["a b"]}).counts(segment(pa.array(["a", "b"], pa.large_string()))).tolist() == [
        [0],
        [0],
    ]


@pytest.mark.parametrize("told", ["a: b", "- a", "a: [b, [c]]", "a: [", "a: ['--']"])
def test_files_of_another_form_are_refused(told: str, tmp_path: Path) -> None:
    path = tmp_path / "phrases.yaml"
    path.write_text(told)
    with pytest.raises(InputError):
        read_phrases(path)


def test_a_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "phrases.yaml"
    path.write_text("a: [b]")
    first = read_phrases(path)
    assert read_phrases(path) is first
    path.write_text("a: [b, c d]")
    assert read_phrases(path).phrases == ("b", "c d")
    assert read_phrases(path).digest != first.digest


@pytest.mark.parametrize(
    ("phrase", "text", "count"), [("a'b'c", "a’b'c a'b’c", 2), ("a" + "'b" * 40, "a" + "'b" * 40, 1)]
)
def test_apostrophes_are_straight_or_curly_however_many_there_are(phrase: str, text: str, count: int) -> None:
    """Forty of either form each would be 2^40 phrases."""
    forget()
    for written in (text, text.replace("'", "’")):
        pieces = segment(pa.array([written], pa.large_string()))
        assert Families.of_families({"x": [phrase]}).counts(pieces).tolist() == [[count]]
