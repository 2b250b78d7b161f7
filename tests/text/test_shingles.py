"""Shingles are those of the plain reference, whatever the script, the batch, and where windows end."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo import reference_minhash as reference
from datapipe.text import Shingles, shingles
from datapipe.text.reference import decode
from tests.text.conftest import PIECES


def hashes_of(found: Shingles) -> list[list[int]]:
    bounds = found.bounds.tolist()
    return [found.hashes[start:end].tolist() for start, end in pairwise(bounds)]


def expected(texts: list[str], n: int, most_words: int | None = None) -> list[list[int]]:
    return [[*map(reference.shingle_hash, reference.shingles(text, n, most_words))] for text in texts]


def of(texts: Sequence[str | None], n: int = 5, most_words: int | None = None) -> list[list[int]]:
    return hashes_of(shingles(pa.array(texts, pa.large_string()), n, most_words=most_words))


@pytest.mark.parametrize(
    ("text", "n", "runs"),
    [
        ("The  quick, brown FOX.", 2, ["the quick", "quick brown", "brown fox"]),
        ("It's café No. 42!", 3, ["its cafe no", "cafe no 00"]),
        ("你好，世界 ok", 3, ["你 好 世", "好 世 界", "世 界 ok"]),
        ("two words", 5, ["two words"]),  # fewer words than a shingle has: all of them are one
        ("word", 1, ["word"]),
        ("_ a_b __", 1, ["ab"]),  # `_` has no normal form, and a word of nothing else is none
        ("...!?  😀", 5, []),
        ("", 5, []),
    ],
)
def test_shingles_worked_by_hand(text: str, n: int, runs: list[str]) -> None:
    assert of([text], n) == [[xxhash.xxh64_intdigest(run.encode()) & 0xFFFFFFFF for run in runs]]


@pytest.mark.parametrize("n", [1, 2, 5, 64])
def test_shingles_of_all_kinds_of_characters(n: int, mixed_texts: list[str]) -> None:
    assert of(mixed_texts, n) == expected(mixed_texts, n)


def test_shingles_of_real_texts(real_texts: list[str]) -> None:
    assert of(real_texts) == expected(real_texts, 5)


@given(st.lists(st.lists(st.sampled_from(PIECES)).map("".join) | st.text(), max_size=4), st.integers(1, 7))
def test_shingles_of_any_texts(texts: list[str], n: int) -> None:
    assert of(texts, n) == expected(texts, n)


@given(st.binary(max_size=40))
def test_a_bad_byte_ends_a_word(data: bytes) -> None:
    assert hashes_of(shingles(pa.array([data], pa.large_binary()), 2)) == expected([decode(data)], 2)


@pytest.mark.parametrize("n", [1, 5, 64])
def test_documents_longer_than_the_window(n: int) -> None:
    """Words of 1 to 30 letters of several scripts over 300 KB, so that windows end within words, and after them."""
    rng = random.Random(n)
    alphabets = ["abcDEF", "абв", "éàü", "你好", "カナ", "ไท", "a'b_0"]
    words = ["".join(rng.choices(rng.choice(alphabets), k=rng.randrange(1, 30))) for _ in range(12_000)]
    texts = ["", " ".join(words), ", ".join(reversed(words)), "x"]
    assert of(texts, n) == expected(texts, n)


@pytest.mark.parametrize("character", ["a", "é", "カ", "\ufdfa", "e\u0301"])
def test_a_word_longer_than_the_window(character: str) -> None:
    texts = ["b " + character * 50_000 + " c d", "b", " ".join([character * 9_000] * 7)]
    assert of(texts, 3) == expected(texts, 3)


def test_words_of_one_letter_fill_the_room() -> None:
    texts = ["a " * 70_000, "b " * 10]
    assert of(texts, 1) == expected(texts, 1)


@pytest.mark.parametrize("most", [5, 6, 9, 5_000, 11_999, 12_000, 20_000])
def test_only_the_first_words_count(most: int) -> None:
    texts = [" ".join(map(str, range(12_000))).replace("1", "x").replace("2", "y"), "a b c", "", "a b c d e f g"]
    assert of(texts, 5, most) == expected(texts, 5, most)


def test_nulls_and_slices(half_masked: tuple[pa.StringArray, pa.StringArray]) -> None:
    _, masked = half_masked
    assert hashes_of(shingles(masked, 1)) == [*expected(["one"], 1), [], *expected(["three"], 1)]
    assert hashes_of(shingles(masked.slice(2), 1)) == expected(["three"], 1)
    empty = shingles(pa.array([], pa.string()))
    assert (len(empty), empty.per_document().tolist()) == (0, [])


def test_the_cut_into_batches_changes_nothing(mixed_texts: list[str]) -> None:
    texts = pa.array(mixed_texts[:300], pa.large_string())
    whole = hashes_of(shingles(texts))
    assert whole == [row for start in range(0, 300, 7) for row in hashes_of(shingles(texts.slice(start, 7)))]


@pytest.mark.parametrize(("n", "most"), [(0, None), (65, None), (-1, None), (5, 4)])
def test_sizes_that_make_no_sense_are_refused(n: int, most: int | None) -> None:
    with pytest.raises(ValueError, match="words"):
        shingles(pa.array(["a"]), n, most_words=most)
