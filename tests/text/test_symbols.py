"""Kinds of characters: by hand, and against the plain reference."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.text import reference_measures, symbol_measures
from datapipe.text.segmentation import Segmentation


def kernel(texts: list[str]) -> list[dict[str, float]]:
    array = pa.array(texts, pa.large_string())
    found = symbol_measures(array, Segmentation.of(array))
    return [{name: float(values[i]) for name, values in found.items()} for i in range(len(texts))]


@pytest.mark.parametrize(
    ("text", "measure", "share"),
    [
        ("", "punctuation", 0),
        ("ab, c!", "punctuation", 2 / 5),
        ("你好，世界。", "punctuation", 2 / 6),
        ("a 1 ٣ ３ ½", "digits", 3 / 5),
        ("第12章", "digits", 2 / 4),
        ("Ab CD 12!", "capitals", 3 / 4),
        ("ΣΑΣ ος ß", "capitals", 3 / 6),
        ("你好AB", "capitals", 2 / 4),
        ("see http://a.b now", "addresses", 10 / 16),
        ("看(https://a.b) 吧", "addresses", 12 / 15),
        ("awww.x www.x", "addresses", 5 / 11),
        ("http:/a https:x", "addresses", 0),
        ("a = {b};", "code_characters", 4 / 6),
        ("；＝《", "code_characters", 0),
        ("f() {\n\n  x;\n}\nend.", "code_lines", 3 / 4),
    ],
)
def test_shares_worked_out_by_hand(text: str, measure: str, share: float) -> None:
    assert kernel([text])[0][measure] == pytest.approx(share)


@pytest.mark.parametrize("kind", ["mixed", "repetitive", "real"])
def test_equals_the_plain_reference(kind: str, request: pytest.FixtureRequest) -> None:
    texts: list[str] = request.getfixturevalue(f"{kind}_texts")
    for text, found in zip(texts, kernel(texts), strict=True):
        assert found == pytest.approx(reference_measures.symbol_measures(text)), repr(text[:80])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["http://", "https://", "www.", "a", "é", "你", "\u0301", " ", "\u3000", "\n", ";"])))
def test_addresses_anywhere_equal_the_plain_reference(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert kernel([text])[0] == pytest.approx(reference_measures.symbol_measures(text))


def test_every_character_is_taken_for_what_the_reference_takes_it() -> None:
    texts = [chr(point) for point in range(0x20000) if not 0xD800 <= point < 0xE000]
    told = kernel(texts)
    known = [i for i, text in enumerate(texts) if reference_measures.symbol_measures(text) != told[i]]
    assert [hex(ord(texts[i])) for i in known] == []
