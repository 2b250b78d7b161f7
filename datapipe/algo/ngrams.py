"""Hashed n-grams of documents: what a linear model of texts sees.

Tokens are those of the segmentation, folded, punctuation too; in scripts without spaces each character is one, so that
n-grams of words are n-grams of characters there. Words of several characters also give n-grams of their characters
with a mark at either end. Each n-gram is a number below 2^bits; where two share one, they share a weight.
A model may know terms of groups: a token among them is the same token as any other of them in n-grams of several
tokens, and every token near it is told apart from the same token elsewhere.
Documents are cut evenly into windows of about as many tokens as a model was trained on, and never read as a whole.
Costs some 10 ns an n-gram, of which English has 3 a byte; no memory but the n-grams of one window.
"""

from typing import Any, NamedTuple

import numpy as np

from datapipe.text import tables
from datapipe.text.buffers import BytesView, Texts, readonly, view_bytes
from datapipe.text.cache import segment
from datapipe.text.characters import HASH_MULTIPLIER, HASH_START, hash_mapped, look_up, mix, read
from datapipe.text.jit import U64, Float64s, Int32s, Int64s, Uint8s, Uint64s, called, inlined, pasted
from datapipe.text.reference import IS_WORD
from datapipe.text.segmentation import Segmentation
from datapipe.text.tables import MAPPED_SHIFT, MULTIPLE, Table

__all__ = [
    "MOST_CHARACTERS",
    "MOST_WINDOW",
    "MOST_WORDS",
    "Eye",
    "Room",
    "Shape",
    "Source",
    "collect",
    "eye_for",
    "source_of",
    "window_of",
]

MOST_WINDOW = 4096  # tokens
MOST_WORDS, MOST_CHARACTERS = 8, 8  # of an n-gram
WIDEST = 32  # characters of a word that are looked at
START, END = 0x2, 0x3  # code points that no text should hold: where a word begins and ends
# Any numbers do that differ: they keep n-grams of one kind apart from those of another.
GROUP = U64(0x452821E638D01377)
NEAR = U64(0xBE5466CF34E90C6C)
CHARACTERS = U64(0xC0AC29B7C97C50DD)


class Shape(NamedTuple):
    """What n-grams a model sees.

    bits: of the numbers of n-grams; words: longest n-gram of tokens; shortest, longest: n-grams of characters within
    a word, marks included (longest 0: none); window: tokens.
    """

    bits: int
    words: int
    shortest: int
    longest: int
    window: int


class Source(NamedTuple):
    """A batch as kernels read it.

    texts: their bytes; bounds: int64 (2, n), tokens of each document; start, end: int32, kind: uint8 and hashes: uint64
    of each token; terms: uint64, sorted hashes of the terms of groups.
    """

    texts: BytesView
    bounds: Int64s
    start: Int32s
    end: Int32s
    kind: Uint8s
    hashes: Uint64s
    terms: Uint64s


class Room(NamedTuple):
    """Scratch space. points: int64, of one word; ngrams: int32, of one window; sums: float64, of one window."""

    points: Int64s
    ngrams: Int32s
    sums: Float64s


class Eye(NamedTuple):
    """What looks at documents: the n-grams it sees, the table by which characters are folded, and scratch space."""

    shape: Shape
    table: Table
    room: Room


def source_of(texts: Texts, terms: Uint64s, segmentation: Segmentation | None = None) -> Source:
    """Texts with their tokens; null has none. Uses the shared segmentation unless one is given."""
    words = (segmentation or segment(texts)).words
    bounds = readonly(np.stack([words.first, words.last]))
    return Source(view_bytes(texts), bounds, words.start, words.end, words.kind, words.hashes, readonly(terms))


def eye_for(shape: Shape, outputs: int) -> Eye:
    """With room for a window of this shape and so many sums."""
    of_characters = (WIDEST + 2) * max(0, shape.longest - shape.shortest + 1) if shape.longest else 0
    most = (2 * shape.window + 2) * (shape.words + 1 + of_characters)
    room = Room(np.zeros(WIDEST + 2, np.int64), np.zeros(most, np.int32), np.zeros(outputs, np.float64))
    return Eye(shape, tables.load().folded, room)


@inlined
def window_of(first: int, last: int, size: int) -> int:
    """Into how many windows the tokens of a document are cut: as even as can be, none of twice the size."""
    return max(1, (last - first + size // 2) // size)


@inlined
def _is_term(terms: Uint64s, hashed: Any) -> bool:
    low, high = 0, len(terms)
    while low < high:
        middle = (low + high) >> 1
        if terms[middle] < hashed:
            low = middle + 1
        else:
            high = middle
    return low < len(terms) and terms[low] == hashed


@pasted
def _word_points(data: Uint8s, place: tuple[int, int], table: Table, points: Int64s) -> int:
    """The folded code points of a word between its marks, the first WIDEST of them; returns how many."""
    i, end = place
    points[0] = START
    used = 1
    while i < end and used <= WIDEST:
        point, width = read(data, i, end)
        mapped = look_up(table, point) >> MAPPED_SHIFT
        points[used] = point + mapped if mapped < MULTIPLE else table.rows[mapped - MULTIPLE, 1]
        used += 1
        i += width
    points[used] = END
    return used + 1


@pasted
def _characters(eye: Eye, used: int, n: int, mask: Any) -> int:
    """N-grams of the characters of a word, from the n-th on; returns the place after them."""
    shape, points, ngrams = eye.shape, eye.room.points, eye.room.ngrams
    for i in range(used):
        state = HASH_START ^ CHARACTERS
        for size in range(1, min(shape.longest, used - i) + 1):
            state = hash_mapped(state, points[i + size - 1], 0, eye.table.rows)
            if size >= shape.shortest and size < used:
                ngrams[n] = np.int32((state ^ (state >> U64(32))) * HASH_MULTIPLIER >> U64(20) & mask)
                n += 1
    return n


@called
def collect(source: Source, at: tuple[int, int, int], eye: Eye) -> int:
    """The n-grams of tokens first to last of a document, at = (document, first, last), to room.ngrams; how many."""
    x, first, last = at
    shape = eye.shape
    data, base = source.texts.data, source.texts.starts[x]
    mask = U64((1 << shape.bits) - 1)
    ngrams, n = eye.room.ngrams, 0
    grouped = False
    for token in range(first, last):
        hashed = source.hashes[token]
        ngrams[n] = np.int32(hashed & mask)
        n += 1
        if len(source.terms) > 0 and _is_term(source.terms, hashed):
            grouped = True
        state = U64(0)
        for back in range(min(shape.words, token - first + 1)):
            other = source.hashes[token - back]
            if len(source.terms) > 0 and _is_term(source.terms, other):
                other = GROUP
            state = mix(state * HASH_MULTIPLIER + other + U64(back))
            if back > 0:
                ngrams[n] = np.int32(state & mask)
                n += 1
        start, end = source.start[token], source.end[token]
        if shape.longest > 0 and source.kind[token] & IS_WORD != 0 and end - start > 1:
            used = _word_points(data, (base + start, base + end), eye.table, eye.room.points)
            if used > 3:
                n = _characters(eye, used, n, mask)
    if grouped:
        for token in range(first, last):
            ngrams[n] = np.int32(mix(source.hashes[token] ^ NEAR) & mask)
            n += 1
    return n
