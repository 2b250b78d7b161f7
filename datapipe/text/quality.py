"""What a document is made of: the quality measures of Gopher.

Source: Rae et al. 2021 (Gopher), table A1. Stop words are counted distinct and casefolded. The share of words with a
letter is taken over units between spaces, since punctuation stands apart in the segmentation: over its tokens the
usual threshold would drop nearly all technical texts.
Costs: 500 MB/s of English after the segmentation, 400 of Chinese; no scratch.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from datapipe.text.buffers import BytesView, Texts, readonly, view_bytes
from datapipe.text.characters import read
from datapipe.text.jit import I64, U64, Int32s, Int64s, Uint8s, Uint64s, kernel, pasted
from datapipe.text.reference import AFTER_SPACE, HAS_ALPHABETIC, IS_WORD, word_hash
from datapipe.text.segmentation import Segmentation

HASH_MARK, FULL_STOP, ELLIPSIS = 0x23, 0x2E, 0x2026
STOPS_IN_ELLIPSIS = 3
BUCKETS = 8  # for each stop word, at least
ELLIPSIS_BYTES = 3
BULLETS = np.array(sorted(map(ord, "-*\u2022\u2023\u25aa\u25cf\u25e6")), np.int64)

GOPHER_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")

# Rows of the counts.
WORDS, WORD_CHARACTERS, HASH_MARKS, ELLIPSES, UNITS, ALPHABETIC_UNITS, STOP_WORDS, BULLET_LINES, ELLIPSIS_LINES = range(
    9
)
COUNTS = 9


class _Tokens(NamedTuple):
    first: Int64s
    last: Int64s
    start: Int32s
    length: Int32s
    hashes: Uint64s
    kinds: Uint8s


class _Lines(NamedTuple):
    first: Int64s
    last: Int64s
    start: Int32s
    end: Int32s


class _Stops(NamedTuple):
    """Stop words in buckets by the low bits of their hashes: those of bucket b are opens[b] to opens[b + 1].

    hashes: uint64; opens: int64 (a power of two and one,); met: int64, the document (plus 1) in which each was last
    met.
    """

    hashes: Uint64s
    opens: Int64s
    met: Int64s


def _stops(hashes: Uint64s) -> _Stops:
    """Most buckets are empty: hardly any other word is compared to a stop word."""
    size = 16
    while size < BUCKETS * len(hashes):
        size *= 2
    buckets = (hashes & np.uint64(size - 1)).astype(np.int64)
    opens = np.searchsorted(np.sort(buckets), np.arange(size + 1)).astype(np.int64)
    ordered = hashes[np.argsort(buckets, kind="stable")]
    return _Stops(readonly(ordered), readonly(opens), np.zeros(len(hashes), np.int64))


@pasted
def _is_first_meeting(stops: _Stops, hashed: object, document: int) -> bool:
    """Whether a word is a stop word not yet met in this document."""
    bucket = I64(hashed & U64(len(stops.opens) - 2))
    found = False
    for p in range(stops.opens[bucket], stops.opens[bucket + 1]):
        if stops.hashes[p] == hashed and stops.met[p] != document + 1:
            stops.met[p] = document + 1
            found = True
    return found


@pasted
def _count_tokens(view: BytesView, pieces: tuple[_Tokens, _Stops], x: int, counts: Int64s) -> None:
    tokens, stops = pieces
    words, characters, units, alphabetic_units, met, alphabetic = 0, 0, 0, 0, 0, 0
    for token in range(tokens.first[x], tokens.last[x]):
        kind, length = I64(tokens.kinds[token]), tokens.length[token]
        # Sums without branches, which are hard to foresee.
        begins = I64(kind & AFTER_SPACE != 0)
        units += begins
        alphabetic_units += alphabetic & begins
        alphabetic = alphabetic & (1 - begins) | I64(kind & HAS_ALPHABETIC != 0)
        if kind & IS_WORD:
            words += 1
            characters += length
            met += _is_first_meeting(stops, tokens.hashes[token], x)
            continue
        # Equal punctuation marks in a row are one token.
        point, _ = read(view.data, view.starts[x] + tokens.start[token], view.ends[x])
        if point == HASH_MARK:
            counts[HASH_MARKS] += length
        elif point == ELLIPSIS:
            counts[ELLIPSES] += length
        elif point == FULL_STOP:
            counts[ELLIPSES] += length // STOPS_IN_ELLIPSIS
    counts[WORDS], counts[WORD_CHARACTERS], counts[STOP_WORDS] = words, characters, met
    counts[UNITS], counts[ALPHABETIC_UNITS] = units, alphabetic_units + alphabetic


@pasted
def _ends_in_ellipsis(data: Uint8s, start: int, end: int) -> bool:
    """Three full stops, or U+2026."""
    if end - start < ELLIPSIS_BYTES:
        return False
    a, b, c = data[end - 3], data[end - 2], data[end - 1]
    found: bool = (a == FULL_STOP and b == FULL_STOP and c == FULL_STOP) or (a == 0xE2 and b == 0x80 and c == 0xA6)
    return found


@pasted
def _count_lines(view: BytesView, lines: _Lines, x: int, counts: Int64s) -> None:
    base = view.starts[x]
    for line in range(lines.first[x], lines.last[x]):
        start, end = base + lines.start[line], base + lines.end[line]
        point, _ = read(view.data, start, end)
        for bullet in BULLETS:
            if point == bullet:
                counts[BULLET_LINES] += 1
        if _ends_in_ellipsis(view.data, start, end):
            counts[ELLIPSIS_LINES] += 1


@kernel
def _count(view: BytesView, pieces: tuple[_Tokens, _Lines], stops: _Stops, counts: Int64s) -> None:
    """Fill counts int64 (documents, COUNTS)."""
    tokens, lines = pieces
    for x in range(len(view.starts)):
        _count_tokens(view, (tokens, stops), x, counts[x])
        _count_lines(view, lines, x, counts[x])


def stop_word_hashes(words: Iterable[str]) -> Uint64s:
    """Words as `quality_measures` wants them: distinct word hashes, uint64, ascending."""
    return np.array(sorted({word_hash(word) for word in words}), np.uint64)


def quality_measures(
    texts: Texts, segmentation: Segmentation, *, stop_words: Iterable[str] = GOPHER_STOP_WORDS
) -> dict[str, np.ndarray]:
    """Gopher's quality measures of each text, one array each; 0 where a text has no words or lines.

    words (int32); mean_word_length (characters, float64); hash_marks_per_word, ellipses_per_word (float64);
    bullet_lines, ellipsis_lines (shares of lines that begin with a bullet, end in an ellipsis, float64);
    alphabetic_words (share of units between spaces that hold a letter, float64); stop_words (how many different ones
    of `stop_words` stand in the text, whatever their case, int32).
    """
    view = view_bytes(texts)
    words, lines = segmentation.words, segmentation.lines
    tokens = _Tokens(words.first, words.last, words.start, words.length, words.hashes, words.kind)
    stops = _stops(stop_word_hashes(stop_words))
    counts = np.zeros((len(view.starts), COUNTS), np.int64)
    _count(
        view,
        (tokens, _Lines(lines.first, lines.last, lines.start, lines.end)),
        stops,
        counts,
    )
    by = counts.T
    some_words = np.maximum(by[WORDS], 1)
    some_lines = np.maximum(lines.per_document(), 1)
    return {
        "words": by[WORDS].astype(np.int32),
        "mean_word_length": by[WORD_CHARACTERS] / some_words,
        "hash_marks_per_word": by[HASH_MARKS] / some_words,
        "ellipses_per_word": by[ELLIPSES] / some_words,
        "bullet_lines": by[BULLET_LINES] / some_lines,
        "ellipsis_lines": by[ELLIPSIS_LINES] / some_lines,
        "alphabetic_words": by[ALPHABETIC_UNITS] / np.maximum(by[UNITS], 1),
        "stop_words": by[STOP_WORDS].astype(np.int32),
    }
