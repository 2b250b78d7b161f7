"""Repetition, quality and normal form equal their plain-Python references."""

import numpy as np
import pyarrow as pa
import pytest

from datapipe.text import (
    normal_form,
    normalised_hash,
    quality_measures,
    reference,
    reference_measures,
    repetition_measures,
)
from datapipe.text.hashing import SEED_HIGH, SEED_LOW
from datapipe.text.quality import GOPHER_STOP_WORDS
from datapipe.text.repetition import DUPLICATE_NGRAMS, TOP_NGRAMS
from datapipe.text.segmentation import Segmentation

LONG_NGRAMS = (5, 10, 20)


@pytest.fixture(scope="session", params=["mixed", "repetitive", "real"])
def texts(request: pytest.FixtureRequest) -> list[str]:
    chosen: list[str] = request.getfixturevalue(f"{request.param}_texts")
    return chosen


def assert_equal(found: dict[str, np.ndarray], expected: list[dict[str, float]]) -> None:
    assert list(found) == list(expected[0])
    for name, values in found.items():
        assert values.tolist() == pytest.approx([one[name] for one in expected], rel=1e-12, abs=0), name


def test_repetition_equals_counting(texts: list[str]) -> None:
    found = repetition_measures(Segmentation.of(pa.array(texts)))
    expected = [reference_measures.repetition_measures(t, top=TOP_NGRAMS, duplicate=DUPLICATE_NGRAMS) for t in texts]
    assert_equal(found, expected)
    assert all(values.dtype == np.float64 for values in found.values())


def test_longer_ngrams_can_be_asked_for(repetitive_texts: list[str]) -> None:
    texts = [text * 3 for text in repetitive_texts[:50]]
    found = repetition_measures(Segmentation.of(pa.array(texts)), top=(), duplicate=LONG_NGRAMS)
    expected = [reference_measures.repetition_measures(t, top=(), duplicate=LONG_NGRAMS) for t in texts]
    assert_equal(found, expected)


@pytest.mark.parametrize("size", [1, 65])
def test_impossible_ngrams_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="2 to 64 words"):
        repetition_measures(Segmentation.of(pa.array(["a"])), duplicate=[size])


def test_repetition_worked_out_by_hand() -> None:
    """Two of four lines are extra copies; `a b` stands three times in six words of one character."""
    found = repetition_measures(
        Segmentation.of(pa.array(["x\nx\nx\nyyy", "a b a b a b", ""])), top=(2,), duplicate=(3,)
    )
    assert found["duplicate_lines"].tolist() == [0.5, 0, 0]
    assert found["duplicate_line_characters"].tolist() == [2 / 6, 0, 0]
    assert found["duplicate_paragraphs"].tolist() == [0, 0, 0]
    assert found["top_2_gram"].tolist() == [3 / 6, 1, 0]
    assert found["duplicate_3_grams"].tolist() == [0, 1, 0]


def test_quality_equals_counting(texts: list[str]) -> None:
    found = quality_measures(pa.array(texts), Segmentation.of(pa.array(texts)))
    assert_equal(found, [reference_measures.quality_measures(t, stop_words=GOPHER_STOP_WORDS) for t in texts])


def test_quality_of_taken_documents() -> None:
    parent = pa.array(["the # one", "- to be...", "of and that"])
    rows = np.array([2, 1])
    found = quality_measures(
        parent.take(pa.array(rows)), Segmentation.of(parent).take(rows), stop_words=["THE", "of", "be"]
    )
    assert found["stop_words"].tolist() == [1, 1]
    assert found["bullet_lines"].tolist() == [0, 1]
    assert found["ellipsis_lines"].tolist() == [0, 1]
    assert found["ellipses_per_word"].tolist() == [0, 0.5]


def test_normal_form_is_the_references(texts: list[str]) -> None:
    form = normal_form(pa.array(texts))
    data = form.data.tobytes()
    whole = form.documents()
    for x, text in enumerate(texts):
        words = reference.normal_words(text)
        chosen = range(form.first[x], form.last[x])
        assert [data[form.start[w] : form.end[w]].decode() for w in chosen] == words
        assert data[whole.starts[x] : whole.ends[x]].decode() == " ".join(words)


def test_normalised_hash_is_the_references(texts: list[str]) -> None:
    high, low = normalised_hash(pa.array(texts))
    seeds = (int(SEED_HIGH), int(SEED_LOW))
    expected = [reference_measures.normalised_hash(text, seeds=seeds) for text in texts]
    assert [list(pair) for pair in zip(high.tolist(), low.tolist(), strict=True)] == expected


def test_normal_form_of_every_code_point() -> None:
    characters = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    words = [c for c in characters if reference.group(c) in reference.WORD_GROUPS]
    form = normal_form(pa.array([" ".join(words)]))
    expected = [normal for normal in map(reference.normal_character, words) if normal]
    assert form.data[form.start[0] : form.end[-1]].tobytes().decode() == " ".join(expected)
    marks = [f"a{c}b" for c in characters if reference.group(c) == reference.MARK]
    assert form is not normal_form(pa.array(marks))
    found = normal_form(pa.array([" ".join(marks)]))
    assert found.data[: found.end[-1]].tobytes().decode() == " ".join(
        "".join(map(reference.normal_character, mark)) for mark in marks
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Héllo, WORLD 12!", "hello world 34", True),
        ("  a\n b", "a b", True),
        ("ab", "a b", False),
        ("!!!", "???", False),
        (" !!! ", "!!!", True),
        ("😀", "😀😀", False),
        ("हिन्दी", "हनद", False),
        ("が", "か", False),
        ("ＡＢＣ", "abc", True),
        ("ﬁne", "fine", True),
    ],
)
def test_what_counts_as_the_same_text(one: str, other: str, *, same: bool) -> None:
    high, low = normalised_hash(pa.array([one, other]))
    assert bool(high[0] == high[1] and low[0] == low[1]) is same


def test_null_hashes_to_zero_and_empty_does_not() -> None:
    high, low = normalised_hash(pa.array(["", None]))
    assert high[0] != 0
    assert (high[1], low[1]) == (0, 0)


def test_normal_form_grows_where_characters_do() -> None:
    text = "\ufdfa" * 3000  # 18 letters of 33 bytes from 3 bytes
    form = normal_form(pa.array(["a", text, "b"]))
    assert form.data[form.start[1] : form.end[1]].tobytes().decode() == reference.normal_character("\ufdfa") * 3000
    assert form.data[form.start[2] : form.end[2]].tobytes() == b"b"
