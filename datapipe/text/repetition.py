"""How much a document repeats itself: the repetition measures of Gopher.

Source: Rae et al. 2021 (Gopher), table A1, by the paper's wording, where public tools differ from it and from each
other: shares are of the characters contained in duplicates; of lines and paragraphs only the extra copies count;
of n-grams every copy counts, but each word once, however many repeated n-grams it stands in. The most frequent
n-gram counts only if it occurs twice. Shares of n-grams are of the characters in words, without punctuation.
Costs: 290 MB/s of English, 115 of Chinese, after the segmentation. A repeated n-gram begins only where the
(n-1)-grams at its first and second word are both repeated, so only the pass over 2-grams looks at all words.
Scratch: 40 bytes a word and up to 24 bytes a word for a hash table, of the largest document.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from datapipe.text.characters import mix
from datapipe.text.jit import I64, U64, Float64s, Int, Int32s, Int64s, Uint8s, Uint64s, called, kernel, pasted
from datapipe.text.meetings import Meetings, first_met, new_epoch, room_for
from datapipe.text.reference import IS_WORD
from datapipe.text.segmentation import Segmentation, Spans

TOP_NGRAMS = (2, 3, 4)
DUPLICATE_NGRAMS = (5, 6, 7, 8, 9, 10)
LONGEST_NGRAM = 64

EMPTY = np.int64(-1)  # not a Python integer, for which numba compiles anew
COMBINE = U64(0x9FB21C651E98DF25)  # any large odd number
SLOTS = 4  # for each n-gram, at least, of those in which repeated ones meet


class _Found(NamedTuple):
    """For each word of a document, all int32: places of n-grams found; the first of its kind for each; lengths."""

    places: Int32s
    leaders: Int32s
    lengths: Int32s


class _Scratch(NamedTuple):
    """Of one call and thread. hashes: uint64, of each word of a document; seen: uint8 (power of two,)."""

    meetings: Meetings
    found: _Found
    hashes: Uint64s
    seen: Uint8s


class _Pieces(NamedTuple):
    """Spans as the kernel needs them."""

    first: Int64s
    last: Int64s
    length: Int32s
    hashes: Uint64s


@pasted
def _extra_copies(spans: _Pieces, x: int, meetings: Meetings) -> tuple[int, int, int]:
    """Of document x: spans that stood before, their characters, all characters."""
    first, last = spans.first[x], spans.last[x]
    mask = new_epoch(meetings.epoch, last - first)
    copies, copied, characters = 0, 0, 0
    for i in range(last - first):
        length = spans.length[first + i]
        characters += length
        meetings.grams[i] = spans.hashes[first + i]
        if first_met(meetings, meetings.grams[i], i, mask) != i:
            copies += 1
            copied += length
    return copies, copied, characters


@called
def _covered(found: _Found, count: int, size: int, leader: Int) -> int:
    """Characters of the words, each once, in the n-grams at places[:count] (those of `leader` unless that is EMPTY)."""
    total, done = 0, 0
    for q in range(count):
        i = found.places[q]
        if leader == EMPTY or leader == found.leaders[i]:
            for word in range(i if i > done else done, i + size):  # noqa: FURB136 - numba compiles `max` anew
                total += found.lengths[word]
            done = i + size
    return total


@pasted
def _most_frequent(found: _Found, count: int, counts: Int32s) -> Int:
    """The leader of the n-gram met most often, the first such."""
    best, most = EMPTY, 0
    for q in range(count):
        i = found.places[q]
        if found.leaders[i] == i and counts[i] > most:
            best, most = i, counts[i]
    return best


@pasted
def _maybe_repeated(scratch: _Scratch, candidates: int, size: int) -> int:
    """Make the n-grams at places[:candidates]; keep those whose slot another fell into too, returns how many.

    Without a branch on what the text holds, unlike the table that tells them apart, and most n-grams end here.
    """
    grams, places, seen = scratch.meetings.grams, scratch.found.places, scratch.seen
    slots = 16
    while slots < SLOTS * candidates:
        slots *= 2
    mask = U64(slots - 1)
    for slot in range(slots):
        seen[slot] = 0
    for q in range(candidates):
        i = places[q]
        gram = mix(grams[i] * COMBINE + scratch.hashes[i + size - 1])
        grams[i] = gram
        slot = gram & mask
        seen[slot] = (seen[slot] << 1) | 1  # 1: one fell in; 3 and more: several
    kept: int = I64(0)
    for q in range(candidates):
        i = places[q]
        places[kept] = i
        kept += seen[grams[i] & mask] > 1
    return kept


@pasted
def _repeated(scratch: _Scratch, candidates: int) -> int:
    """Of the n-grams at places[:candidates], keep those that occur twice; returns how many are kept."""
    meetings, found = scratch.meetings, scratch.found
    mask = new_epoch(meetings.epoch, candidates)
    for q in range(candidates):
        i = np.int64(found.places[q])
        found.leaders[i] = first_met(meetings, meetings.grams[i], i, mask)
    kept: int = I64(0)  # as a Python integer, parts that it is given to would be compiled for it anew
    for q in range(candidates):
        i = found.places[q]
        if meetings.counts[found.leaders[i]] > 1:
            found.places[kept] = i
            kept += 1
    return kept


@pasted
def _measure_ngrams(scratch: _Scratch, words: int, rows: Int64s, out: Float64s) -> None:
    """Characters in the top n-gram (into out[rows[0, n]]) and in repeated n-grams (out[rows[1, n]])."""
    found, meetings = scratch.found, scratch.meetings
    places = found.places
    for i in range(words):
        meetings.grams[i] = scratch.hashes[i]
        places[i] = i
    kept = words
    _, sizes = rows.shape
    for size in range(2, sizes):
        candidates: int = I64(0)
        for q in range(kept - 1):
            if places[q + 1] == places[q] + 1:
                places[candidates] = places[q]
                candidates += 1
        kept = _repeated(scratch, _maybe_repeated(scratch, candidates, size))
        if kept == 0:
            return
        if rows[0, size] >= 0:
            out[rows[0, size]] = _covered(found, kept, size, _most_frequent(found, kept, meetings.counts))
        if rows[1, size] >= 0:
            out[rows[1, size]] = _covered(found, kept, size, EMPTY)


@pasted
def _gather_words(words: _Pieces, kinds: Uint8s, x: int, scratch: _Scratch) -> tuple[int, int]:
    """The words of document x, without punctuation, into the scratch: how many, and their characters."""
    count, characters = 0, 0
    for token in range(words.first[x], words.last[x]):
        scratch.hashes[count] = words.hashes[token]
        scratch.found.lengths[count] = words.length[token]
        if kinds[token] & IS_WORD:
            count += 1
            characters += words.length[token]
    return count, characters


@kernel
def _measure(pieces: tuple[_Pieces, _Pieces, _Pieces], kinds: Uint8s, plan: tuple[Int64s, Float64s],
             scratch: _Scratch) -> None:  # fmt: skip
    """Fill `out` float64 (measures, documents), given as plan = (rows, out)."""
    words, lines, paragraphs = pieces
    rows, out = plan
    for x in range(len(words.first)):
        measures = out[:, x]
        row = 0
        for spans in (lines, paragraphs):
            copies, copied, characters = _extra_copies(spans, x, scratch.meetings)
            if characters:
                measures[row] = copies / (spans.last[x] - spans.first[x])
                measures[row + 1] = copied / characters
            row += 2
        count, characters = _gather_words(words, kinds, x, scratch)
        _measure_ngrams(scratch, count, rows, measures)
        for k in range(row, len(measures)):
            if characters:
                measures[k] /= characters


def _scratch_for(words: Spans, lines: Spans) -> _Scratch:
    """Scratch for the largest document."""
    most = max(int(np.max(spans.last - spans.first, initial=0)) for spans in (words, lines)) + 1
    hashes, grams = np.empty((2, most), np.uint64)
    counts, *others = np.empty((4, most), np.int32)
    return _Scratch(
        Meetings(np.zeros(room_for(most), np.uint64), np.zeros(1, np.uint64), grams, counts),
        _Found(*others),
        hashes,
        np.empty(max(16, 2 * SLOTS * most), np.uint8),
    )


def _pieces(spans: Spans) -> _Pieces:
    return _Pieces(spans.first, spans.last, spans.length, spans.hashes)


def repetition_measures(
    segmentation: Segmentation,
    *,
    top: Iterable[int] = TOP_NGRAMS,
    duplicate: Iterable[int] = DUPLICATE_NGRAMS,
) -> dict[str, Float64s]:
    """Gopher's repetition measures, each a float64 share in 0-1, one per document; 0 where there is nothing to repeat.

    duplicate_lines, duplicate_line_characters, duplicate_paragraphs, duplicate_paragraph_characters;
    top_{n}_gram for each n of `top`; duplicate_{n}_grams for each n of `duplicate` (n in words, 2-64).
    Raises ValueError for other n.
    """
    top, duplicate = tuple(top), tuple(duplicate)
    sizes = (*top, *duplicate)
    if any(not 2 <= size <= LONGEST_NGRAM for size in sizes):
        message = f"n-grams of 2 to {LONGEST_NGRAM} words, not {sizes}"
        raise ValueError(message)
    names = ["duplicate_lines", "duplicate_line_characters", "duplicate_paragraphs", "duplicate_paragraph_characters"]
    rows = np.full((2, max(sizes, default=1) + 1), -1, np.int64)
    for which, pattern in enumerate(("top_{}_gram", "duplicate_{}_grams")):
        for size in (top, duplicate)[which]:
            rows[which, size] = len(names)
            names.append(pattern.format(size))
    out = np.zeros((len(names), len(segmentation)), np.float64)
    words = segmentation.words
    pieces = (_pieces(words), _pieces(segmentation.lines), _pieces(segmentation.paragraphs))
    _measure(pieces, words.kind, (rows, out), _scratch_for(words, segmentation.lines))
    return dict(zip(names, out, strict=True))
