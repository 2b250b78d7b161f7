"""The segmentation equals its plain-Python reference, whatever the text and however Arrow holds it."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.text import hash_slices, reference, segment, view_bytes, word_hash
from datapipe.text.reference import AFTER_SPACE, HAS_ALPHABETIC, IS_WORD
from datapipe.text.segmentation import Segmentation, Spans

KINDS = ("lines", "paragraphs", "sentences")


def byte_places(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Start and end in bytes, length in characters."""
    place = np.cumsum([0, *(len(character.encode()) for character in text)])
    return [(int(place[start]), int(place[end]), end - start) for start, end in spans]


def pieces_of(spans: Spans, document: int) -> list[tuple[int, int, int]]:
    chosen = slice(spans.first[document], spans.last[document])
    return list(
        zip(spans.start[chosen].tolist(), spans.end[chosen].tolist(), spans.length[chosen].tolist(), strict=True)
    )


def assert_as_reference(segmentation: Segmentation, document: int, text: str) -> None:
    tokens = reference.tokens(text)
    words = segmentation.words
    chosen = slice(words.first[document], words.last[document])
    assert pieces_of(words, document) == byte_places(text, [(token.start, token.end) for token in tokens])
    assert words.kind[chosen].tolist() == [token.kind for token in tokens]
    assert words.hashes[chosen].tolist() == [word_hash(text[token.start : token.end]) for token in tokens]
    assert segmentation.characters[document] == len(text)
    assert segmentation.words_per_document()[document] == sum(token.kind & IS_WORD for token in tokens)
    for kind in KINDS:
        spans: Spans = getattr(segmentation, kind)
        expected = byte_places(text, getattr(reference, kind)(text))
        assert pieces_of(spans, document) == expected, kind
        found = spans.hashes[spans.first[document] : spans.last[document]].tolist()
        raw = text.encode()
        assert (
            found
            == hash_slices(view_bytes(pa.array([raw[start:end] for start, end, _ in expected], pa.binary()))).tolist()
        )


def assert_all_as_reference(texts: list[str]) -> None:
    segmentation = Segmentation.of(pa.array(texts, pa.large_string()))
    for document, text in enumerate(texts):
        assert_as_reference(segmentation, document, text)


def test_mixed_texts_are_segmented_as_by_the_reference(mixed_texts: list[str]) -> None:
    assert_all_as_reference(mixed_texts)


def test_real_texts_are_segmented_as_by_the_reference(real_texts: list[str]) -> None:
    assert_all_as_reference(real_texts)


@given(st.lists(st.text(max_size=40), max_size=5))
@settings(max_examples=50, deadline=None)
def test_any_text_is_segmented_as_by_the_reference(texts: list[str]) -> None:
    assert_all_as_reference(texts)


def test_every_code_point_is_classed_and_folded_as_by_the_reference() -> None:
    """One document a code point, with a letter after it, so that joining is seen as well."""
    characters = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    groups = np.array([reference.group(c) for c in characters])
    words = Segmentation.of(pa.array([f"{c}a" for c in characters], pa.large_string())).words
    is_space = np.isin(groups, (reference.SPACE, reference.BREAK))
    joins = groups == reference.LETTER
    assert np.array_equal(words.last - words.first, np.where(is_space | joins, 1, 2))
    # From here on: the tokens that the characters stand in.
    first, groups, joins = words.first[~is_space], groups[~is_space], joins[~is_space]
    shown = [c for c, space in zip(characters, is_space.tolist(), strict=True) if not space]
    assert np.array_equal(words.length[first], np.where(joins, 2, 1))
    assert np.array_equal(words.kind[first] & IS_WORD != 0, np.isin(groups, reference.WORD_GROUPS))
    assert np.array_equal(words.kind[first] & HAS_ALPHABETIC != 0, [c.isalpha() for c in shown] | joins)
    assert np.all(words.kind[first] & AFTER_SPACE)
    folding = np.flatnonzero([c.casefold() != c or ord(c) % 97 == 0 for c in shown])
    expected = [word_hash(shown[k] + "a" if joins[k] else shown[k]) for k in folding]
    assert words.hashes[first[folding]].tolist() == expected


def test_every_mark_and_space_ends_lines_and_sentences_as_by_the_reference() -> None:
    """Every code point of punctuation, space or control, and some others."""
    characters = [
        c
        for c in map(chr, range(0x110000))
        if (category := unicodedata.category(c)) != "Cs"
        and (category[0] in "PZ" or category == "Cc" or ord(c) % 509 == 0)
    ]
    assert_all_as_reference(["".join(f'a{c}b{c} C{c}"{c}d. ' for c in characters[k::97]) for k in range(97)])


def test_invalid_utf_8_reads_as_one_replacement_character_a_bad_byte() -> None:
    rng = np.random.default_rng(3)
    alphabet = np.frombuffer(b"a .\n\x80\xbf\xc3\xe4\xed\xf0\x9f\xa0", np.uint8)
    values = [
        b"\xff", b"a\xc3", b"\xe4\xbd", b"\xed\xa0\x80x", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xe0\x80\x80",
        b"\xf0\x9f\x98", "é".encode() + b"\x80 ok.",
        *(rng.choice(alphabet, 12).tobytes() for _ in range(500)),
    ]  # fmt: skip
    # The segmentation reads binary like text; a cast to string does not check the bytes either.
    segmentation = Segmentation.of(pa.array(values, pa.large_binary()))
    for document, value in enumerate(values):
        text = reference.decode(value)
        assert segmentation.characters[document] == len(text)
        words = segmentation.words
        chosen = slice(words.first[document], words.last[document])
        tokens = reference.tokens(text)
        assert words.length[chosen].tolist() == [token.end - token.start for token in tokens], value
        assert words.kind[chosen].tolist() == [token.kind for token in tokens]
        assert segmentation.sentences.per_document()[document] == len(reference.sentences(text))
        assert segmentation.lines.per_document()[document] == len(reference.lines(text))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()], ids=str)
def test_slices_nulls_and_chunks_give_the_same_as_the_values_alone(kind: pa.DataType) -> None:
    values = ["one two", None, "", "Drei. Vier!", "五六。", None]
    array = pa.array(values, pa.string()).cast(kind)
    for texts in (
        array,
        pa.concat_arrays([array, array]).slice(6),
        pa.chunked_array([array.slice(0, 2), array.slice(2)]),
    ):
        segmentation = Segmentation.of(texts)
        assert len(segmentation) == len(values)
        for document, value in enumerate(values):
            assert_as_reference(segmentation, document, value or "")
    part = Segmentation.of(array.slice(3, 2))
    assert_as_reference(part, 0, "Drei. Vier!")
    assert_as_reference(part, 1, "五六。")


def test_no_documents_have_no_pieces() -> None:
    segmentation = Segmentation.of(pa.array([], pa.string()))
    assert len(segmentation) == len(segmentation.words.start) == len(segmentation.sentences.start) == 0
    assert segmentation.words_per_document().tolist() == []


def test_what_is_null_under_a_mask_is_not_read(half_masked: tuple[pa.StringArray, pa.StringArray]) -> None:
    """Arrow allows bytes under a null."""
    _, masked = half_masked
    assert masked.to_pylist() == ["one", None, "three"]
    assert Segmentation.of(masked).words_per_document().tolist() == [1, 0, 1]


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="int64"):
        segment(pa.array([1, 2]))


@pytest.mark.parametrize(
    "text", ["a." * 40_000, "a\n" * 40_000, "a\n\n" * 40_000, "a. " * 40_000, "x" * 100_000, "\n" * 100_000]
)
def test_documents_of_nothing_but_one_kind_of_piece_find_room(text: str) -> None:
    assert_all_as_reference(["before.", text, "after\nit"])


def test_taking_documents_shares_the_pieces() -> None:
    texts = ["one two", "", "three. Four!\n\nfive", "six"]
    whole = Segmentation.of(pa.array(texts))
    rows = np.array([2, 0, 2])
    chosen = whole.take(rows)
    assert len(chosen) == len(rows)
    assert np.shares_memory(chosen.words.start, whole.words.start)
    for document, row in enumerate(rows):
        assert_as_reference(chosen, document, texts[row])
    assert_as_reference(chosen.take(np.array([1])), 0, texts[0])


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two? Three", ["One.", "Two?", "Three"]),
        ("He said “Stop!” and left.", ["He said “Stop!”", "and left."]),
        ("Pi is 3.14, see example.com now.", ["Pi is 3.14, see example.com now."]),
        ("你好。再见！好", ["你好。", "再见！", "好"]),
        ("他说：“好。”然后走了。", ["他说：“好。”", "然后走了。"]),
        ("Wait ... what?", ["Wait ...", "what?"]),
        ("... !!! ???", []),
        ("A title\nA line. !!", ["A title", "A line."]),
        ("ยินดี", ["ยินดี"]),
        ("यह है। वह है।", ["यह है।", "वह है।"]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in reference.sentences(text)] == sentences
    assert_all_as_reference([text])


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's the dogs' ball", ["It's", "the", "dogs", "'", "ball"]),
        ("snake_case x2 ...!!", ["snake_case", "x2", "...", "!!"]),
        ("你好 world", ["你", "好", "world"]),
        ("ข้าว", ["ข้", "า", "ว"]),
        ("テレビを見る", ["テレビ", "を", "見", "る"]),
        ("한국어 말", ["한국어", "말"]),
        ("naïve e\u0301te\u0301", ["naïve", "e\u0301te\u0301"]),
    ],
)
def test_words(text: str, tokens: list[str]) -> None:
    assert [text[token.start : token.end] for token in reference.tokens(text)] == tokens
