"""How much a text looks like the output of optical character recognition that went wrong.

English: words in small letters that no lexicon has, letters alone, digits within words, hyphens at line ends.
Chinese: pairs of neighbouring characters that are not met in good texts, characters none of whose pairs is, and ASCII
signs between two characters. The lexicon is a Bloom filter over the segmentation's hashes of words and pairs
(`lexicon.npz`, with a record of what it was made from), so that no word becomes a string.
Costs: some 20 MB/s beside the segmentation.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import xxhash

from datapipe.stage import Mask
from datapipe.text import IS_WORD, segment, view_bytes, word_hash
from datapipe.text.reference import HAS_ALPHABETIC
from datapipe.text.segmentation import flat

Uint64s: TypeAlias = npt.NDArray[np.uint64]
Int64s: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

PATH = Path(__file__).with_name("lexicon.npz")
PAIR = np.uint64(0x9E3779B97F4A7C15)  # odd
PROBES = 3  # bits of the filter for each entry
MIN_LETTERS = 3  # words of fewer are in no lexicon
HAN_LEADS = (0xE4, 0xE9)  # first UTF-8 bytes of U+4000 to U+9FFF
MIN_WORDS, MIN_PAIRS = 40, 150  # looked up; texts with fewer are not judged
MODERN, TRADITIONAL = "的了们这是在和", "這們個為與說時對來會國"
MIN_MODERN, MOST_TRADITIONAL = 0.03, 0.02  # shares of the characters
SMALL = np.uint8(0x20)  # the bit that makes an ASCII letter small
ASCII_END = 0x80


class Tokens(NamedTuple):
    """The tokens of all documents: document, start and end in the buffer, hash, kind bits, first and last byte.

    `digits`: whether a digit, `plain`: whether nothing but ASCII letters is in the token.
    """

    document: Int64s
    start: Int64s
    end: Int64s
    hashes: Uint64s
    kind: npt.NDArray[np.uint8]
    first: npt.NDArray[np.uint8]
    last: npt.NDArray[np.uint8]
    digits: Mask
    plain: Mask


class Lexicon(NamedTuple):
    """Bloom filters of words and of pairs of characters (uint8 of bits), weights by language, and the record."""

    words: npt.NDArray[np.uint8]
    pairs: npt.NDArray[np.uint8]
    weights: dict[str, Floats]
    record: dict[str, Any]


@cache
def lexicon() -> Lexicon:
    """The lexicon that comes with datapipe."""
    with np.load(PATH, allow_pickle=False) as stored:
        record = orjson.loads(stored["record"].tobytes())
        weights = {code: stored[f"weights_{code}"] for code in ("en", "zh")}
        return Lexicon(stored["words"], stored["pairs"], weights, record)


@cache
def lexicon_digest() -> str:
    """Hex digits for what the lexicon holds."""
    return xxhash.xxh3_128_hexdigest(PATH.read_bytes())


def probes(hashes: Uint64s, size: int) -> Any:
    """The bits of a filter of `size` bytes, a power of two, that stand for each hash; int64 (PROBES, n)."""
    bits = 8 * size
    return np.stack([(hashes >> np.uint64(21 * k)) & np.uint64(bits - 1) for k in range(PROBES)]).astype(np.int64)


def known(bits: npt.NDArray[np.uint8], hashes: Uint64s) -> Mask:
    """Whether each hash is in a filter; of those that are not, one in some hundred is said to be."""
    at = probes(hashes, len(bits))
    found: Mask = ((bits[at >> 3] >> (at & 7)) & 1).all(axis=0)
    return found


def tokens(texts: Any) -> Tokens:
    """The tokens of a string array."""
    view, words = view_bytes(texts), segment(texts).words
    document, at = flat(words.first, words.last)
    start, end = view.starts[document] + words.start[at], view.starts[document] + words.end[at]
    data = view.data
    is_digit = (data >= ord("0")) & (data <= ord("9"))
    return Tokens(
        document=document,
        start=start,
        end=end,
        hashes=words.hashes[at],
        kind=words.kind[at],
        first=data[start],
        last=data[end - 1],
        digits=_within(is_digit, start, end) > 0,
        plain=_within(_is_letter(data), start, end) == end - start,
    )


def _within(hit: Mask, start: Int64s, end: Int64s) -> Int64s:
    """How many bytes of each token are hit."""
    so_far: Int64s = np.append(0, np.cumsum(hit))
    return so_far[end] - so_far[start]


def english_words(found: Tokens) -> Mask:
    """Which tokens are words in small letters that a lexicon could have."""
    small = (found.first >= ord("a")) & (found.first <= ord("z"))
    return small & found.plain & (found.end - found.start >= MIN_LETTERS)


def is_han(found: Tokens) -> Mask:
    """Which tokens are Chinese characters."""
    low, high = HAN_LEADS
    return (found.first >= low) & (found.first <= high) & ((found.kind & IS_WORD) > 0)


def pairs(found: Tokens) -> tuple[Int64s, Uint64s]:
    """Where two Chinese characters stand side by side (index of the first), and the hash of the pair."""
    han = is_han(found)
    at = np.flatnonzero(han[1:] & han[:-1] & _beside(found))
    return at, (found.hashes[at] ^ (found.hashes[at + 1] >> np.uint64(1))) * PAIR


def english(found: Tokens, count: int, model: Lexicon) -> tuple[Floats, Mask]:
    """Shares of each document, float64 (n, 4), and whether it has enough words to be judged.

    Of the words in small letters those unknown; of all words: letters alone, digits within, hyphens at line ends.
    """
    asked = english_words(found)
    unknown = asked.copy()
    unknown[asked] = ~known(model.words, found.hashes[asked])
    letter, last_letter = _is_letter(found.first), _is_letter(found.last)
    small = found.first | SMALL
    alone = letter & (found.end - found.start == 1) & (small != ord("a")) & (small != ord("i"))
    mixed = letter & found.digits & last_letter
    broken = np.zeros(len(asked), np.bool_)
    broken[1:] = (found.first[1:] == ord("-")) & asked[:-1] & _beside(found)
    broken[:-1] &= (found.start[1:] > found.end[:-1]) & (found.document[1:] == found.document[:-1])
    words = np.maximum(_per_document(found, (found.kind & HAS_ALPHABETIC) > 0, count), 1)
    looked = _per_document(found, asked, count)
    shares = [_per_document(found, each, count) / words for each in (alone, mixed, broken)]
    first = _per_document(found, unknown, count) / np.maximum(looked, 1)
    return np.stack([first, *shares], axis=1), looked >= MIN_WORDS


def chinese(found: Tokens, count: int, model: Lexicon) -> tuple[Floats, Mask]:
    """The same of Chinese: of the pairs those unknown; of the characters: alone, alone between others, ASCII between.

    Judged are texts in today's Chinese and simplified characters, since the lexicon knows no others.
    """
    han = is_han(found)
    at, hashes = pairs(found)
    good = known(model.pairs, hashes)
    left, right, has_left, has_right = (np.zeros(len(han), np.bool_) for _ in range(4))
    right[at], left[at + 1], has_right[at], has_left[at + 1] = good, good, True, True
    alone = has_left & has_right & ~left & ~right
    enclosed, between = np.zeros(len(han), np.bool_), np.zeros(len(han), np.bool_)
    if len(han) > 2:
        enclosed[1:-1] = alone[1:-1] & left[:-2] & right[2:]
        beside = _beside(found)
        between[1:-1] = han[:-2] & han[2:] & beside[:-1] & beside[1:] & (found.first[1:-1] < ASCII_END)
        between[1:-1] &= (found.end - found.start == 1)[1:-1] & ((found.kind & IS_WORD) == 0)[1:-1]
        between &= found.first != ord("/")  # lists of names and the like
    characters = np.maximum(_per_document(found, han, count), 1)
    looked = np.bincount(found.document[at], minlength=count)
    unknown = np.bincount(found.document[at], ~good, count) / np.maximum(looked, 1)
    shares = [_per_document(found, each, count) / characters for each in (alone, enclosed, between)]
    modern, traditional = (
        _per_document(found, np.isin(found.hashes, _hashes(one)), count) / characters for one in (MODERN, TRADITIONAL)
    )
    judged = (looked >= MIN_PAIRS) & (modern >= MIN_MODERN) & (traditional < MOST_TRADITIONAL)
    return np.stack([unknown, *shares], axis=1), judged


def scores(features: Floats, weights: Floats) -> Floats:
    """Between 0 and 1; more than one half is beyond 99% of the texts by people that the weights were made on."""
    sums: Floats = 1 / (1 + np.exp(-(features @ weights[:-1] + weights[-1])))
    return sums


@cache
def _hashes(characters: str) -> Uint64s:
    return np.array([word_hash(one) for one in characters], np.uint64)


def _per_document(found: Tokens, hit: Mask, count: int) -> Int64s:
    counts: Int64s = np.bincount(found.document[hit], minlength=count)
    return counts


def _beside(found: Tokens) -> Mask:
    """For each token but the first, whether it follows the one before without a gap."""
    beside: Mask = (found.start[1:] == found.end[:-1]) & (found.document[1:] == found.document[:-1])
    return beside


def _is_letter(byte: npt.NDArray[np.uint8]) -> Mask:
    """ASCII letters."""
    small = byte | SMALL
    letters: Mask = (small >= ord("a")) & (small <= ord("z"))
    return letters
