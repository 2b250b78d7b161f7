"""Repetition, quality and normal form equal their plain-Python references."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datapipe.text import (
    kept_lines,
    line_measures,
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


LINES = [
    "One two three.[3] [edit]\n no end here \nTwo words.\nEnable JavaScript to see this.\nWe USE Cookies here now.",
    "他说：“好的。”\n使用条款请看这里。\n好。\n（见注。）\n没有结尾",
    "An end...\nIn brackets (as here.)\nA note (no end)\n{ code } is here now.\nLorem IPSUM dolor sit.",
    "[12]\n[x] is not a mark, is it?\n" + "a" * 12 + " b c d.\n\r\n\u2028x y z!\n'quoted words here'",
    "[]",
    "",
]


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_that_c4_keeps_equal_reading_them(texts: list[str], terminal: bool) -> None:  # noqa: FBT001 - a parameter
    documents = [*LINES, *texts]
    rules: dict[str, Any] = {
        "min_words": 3,
        "max_word_length": 11,
        "terminal": terminal,
        "policies": ("use cookies", "使用条款"),
    }
    kept, counts = kept_lines(pa.array(documents, pa.large_string()), Segmentation.of(pa.array(documents)), **rules)
    expected = [reference_measures.kept_lines(reference.decode(text.encode()), **rules) for text in documents]
    assert kept.to_pylist() == [text for text, _ in expected]
    assert {name: values.tolist() for name, values in counts.items()} == {
        name: [one[name] for _, one in expected] for name in counts
    }


def test_shapes_of_lines_equal_counting(texts: list[str]) -> None:
    documents = [*LINES, *texts]
    found = line_measures(pa.array(documents), Segmentation.of(pa.array(documents)), short=10)
    assert_equal(found, [reference_measures.line_measures(text, short=10) for text in documents])


def test_lines_kept_of_taken_documents_and_of_nulls() -> None:
    parent = pa.array(["One two three.\nno", None, "Four five six.\nSeven eight nine."], pa.large_string())
    rows = np.array([2, 1])
    kept, counts = kept_lines(parent.take(pa.array(rows)), Segmentation.of(parent).take(rows))
    assert kept.to_pylist() == ["Four five six.\nSeven eight nine.", None]
    assert counts["kept"].tolist() == [2, 0]


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


@pytest.mark.parametrize(
    ("policies", "line", "cut"),
    [
        (("x",), "One two three x.", 1),
        (("x",), "One two three y.", 0),
        (("ab",), "One two three AB.", 1),
        (("ab",), "One two three aB.", 1),
        (("b.",), "One two three ab.", 1),
        (("b.z",), "One two three ab.", 0),
        (tuple(f"p{n:02}" for n in range(70)), "One two p69 three.", 1),
        (tuple(f"p{n:02}" for n in range(70)), "One two p70 three.", 0),
        (("cookie", "cook"), "We are cooks here.", 1),
        (("\u9690\u79c1",), "\u6211\u7684\u9690\u79c1\u3002", 1),
    ],
)
def test_phrases_are_found_whatever_their_length_number_and_place(
    policies: tuple[str, ...], line: str, cut: int
) -> None:
    texts = pa.array([line], pa.large_string())
    _, counts = kept_lines(texts, Segmentation.of(texts), policies=policies)
    assert (counts["policy"][0], counts["kept"][0]) == (cut, 1 - cut)
