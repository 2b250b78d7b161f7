"""The one segmentation of a batch: words, lines, paragraphs and sentences of each document, and their hashes.

Why: every text rule asks for the same things, so they are found once per batch and shared (see `cache`).
All places are UTF-8 byte offsets [start, end) within the document; lengths are in characters.
Costs: words about 180 MB/s of English, the rest 175, each when first asked for. Memory: 21 bytes a token, 20 a
line, paragraph or sentence: about 5 bytes for each byte of English, 8 of Chinese. No scratch space besides.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from datapipe.text import tables
from datapipe.text.buffers import BytesView, Texts, readonly, view_bytes
from datapipe.text.jit import Int32s, Int64s, Uint8s, Uint64s
from datapipe.text.lines import SpanArrays, find_lines
from datapipe.text.words import DocumentArrays, TokenArrays, find_words

# First guesses of how many bytes there are to one token or span; too little room is doubled and the document redone.
BYTES_PER_TOKEN = 4
BYTES_PER_LINE = 40

_Scalar = TypeVar("_Scalar", bound=np.generic)


def flat(first: Int64s, last: Int64s) -> tuple[Int64s, Int64s]:
    """Document and index (int64) of each piece, document by document, of documents whose pieces are first to last."""
    sizes = last - first
    before = np.cumsum(sizes) - sizes
    return np.repeat(np.arange(len(sizes)), sizes), np.arange(sizes.sum()) + np.repeat(first - before, sizes)


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Pieces of documents. Those of document d are the indexes first[d] to last[d] (exclusive).

    first, last: int64, one per document. start, end (byte offsets within the document), length (characters): int32,
    and hashes: uint64 XXH64 of the bytes (of words: `word_hash`), one per piece, shared by all that `take` gives.
    """

    first: Int64s
    last: Int64s
    start: Int32s
    end: Int32s
    length: Int32s
    hashes: Uint64s

    def take(self, rows: npt.NDArray[np.integer]) -> Self:
        """The pieces of these documents, in this order; nothing but `first` and `last` is copied."""
        return replace(self, first=readonly(self.first[rows]), last=readonly(self.last[rows]))

    def per_document(self) -> Int32s:
        """How many pieces each document has."""
        return (self.last - self.first).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Words(Spans):
    """Words and punctuation tokens. kind: uint8 bits IS_WORD, HAS_ALPHABETIC, AFTER_SPACE (of `reference`)."""

    kind: Uint8s


class _Batch:
    """The pieces of a whole batch, found when first asked for; shared by every selection of its documents."""

    def __init__(self, view: BytesView) -> None:
        self.view = view

    @cached_property
    def words(self) -> tuple[Words, Int32s]:
        """The tokens; characters and words of each document, int32 (2, n)."""
        return _find_words(self.view)

    @cached_property
    def lines(self) -> tuple[Spans, Spans, Spans]:
        """Lines, paragraphs, sentences."""
        return _find_lines(self.view)


class Segmentation:
    """Words, lines, paragraphs and sentences of some documents. Immutable; parts appear when first asked for."""

    def __init__(self, batch: _Batch, rows: npt.NDArray[np.integer] | None = None) -> None:
        self._batch = batch
        self._rows = rows

    @classmethod
    def of(cls, texts: Texts) -> "Segmentation":
        """The segmentation of an array of texts, which it keeps alive."""
        return cls(_Batch(view_bytes(texts)))

    def __len__(self) -> int:
        """Number of documents."""
        return len(self._batch.view.starts) if self._rows is None else len(self._rows)

    def take(self, rows: npt.NDArray[np.integer]) -> "Segmentation":
        """The segmentation of these documents, in this order; shares all arrays of pieces."""
        return Segmentation(self._batch, rows if self._rows is None else self._rows[rows])

    @cached_property
    def words(self) -> Words:
        """Words and punctuation tokens."""
        return self._selected(self._batch.words[0])

    @cached_property
    def characters(self) -> Int32s:
        """Length of each document in characters."""
        return self._sizes(0)

    def words_per_document(self) -> Int32s:
        """Words of each document, without punctuation tokens."""
        return self._sizes(1)

    @cached_property
    def lines(self) -> Spans:
        """Lines that are not blank, stripped."""
        return self._selected(self._batch.lines[0])

    @cached_property
    def paragraphs(self) -> Spans:
        """Runs of lines with no blank line between."""
        return self._selected(self._batch.lines[1])

    @cached_property
    def sentences(self) -> Spans:
        """Sentences; none reaches across a line's end."""
        return self._selected(self._batch.lines[2])

    def _selected(self, spans: "_AnySpans") -> "_AnySpans":
        return spans if self._rows is None else spans.take(self._rows)

    def _sizes(self, which: int) -> Int32s:
        sizes: Int32s = self._batch.words[1][which]
        return sizes if self._rows is None else sizes[self._rows]


_AnySpans = TypeVar("_AnySpans", bound=Spans)


def _more_room(array: npt.NDArray[_Scalar], used: int) -> npt.NDArray[_Scalar]:
    """Twice the room along the last axis; what is used is copied."""
    larger = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    larger[..., :used] = array[..., :used]
    return larger


def _three(places: Int32s) -> tuple[Int32s, Int32s, Int32s]:
    """Starts, ends and lengths."""
    return places[0], places[1], places[2]


def _text_bytes(view: BytesView) -> int:
    return int((view.ends - view.starts).sum())


def _find_words(view: BytesView) -> tuple[Words, Int32s]:
    count = len(view.starts)
    room = _text_bytes(view) // BYTES_PER_TOKEN + count + 1
    tokens = TokenArrays(np.empty((3, room), np.int32), np.empty(room, np.uint8), np.empty(room, np.uint64))
    documents = DocumentArrays(np.empty((2, count), np.int64), np.empty((2, count), np.int32), np.zeros(2, np.int64))
    while True:
        find_words(view, tables.load().folded, tokens, documents)
        done, used = documents.progress.tolist()
        if done == count:
            break
        places, kinds, hashes = tokens
        tokens = TokenArrays(_more_room(places, used), _more_room(kinds, used), _more_room(hashes, used))
    first, last = readonly(documents.bounds)
    start, end, length = _three(readonly(tokens.places[:, :used]))
    words = Words(
        first=first,
        last=last,
        start=start,
        end=end,
        length=length,
        hashes=readonly(tokens.hashes[:used]),
        kind=readonly(tokens.kinds[:used]),
    )
    return words, readonly(documents.sizes)


def _find_lines(view: BytesView) -> tuple[Spans, Spans, Spans]:
    count = len(view.starts)
    room = _text_bytes(view) // BYTES_PER_LINE + count + 1
    places, hashes = np.empty((3, 3, room), np.int32), np.empty((3, room), np.uint64)
    bounds, progress = np.empty((6, count), np.int64), np.zeros(4, np.int64)
    while True:
        find_lines(view, tables.load().folded, SpanArrays(places, hashes, bounds, progress))
        *used, done = progress.tolist()
        if done == count:
            break
        places, hashes = _more_room(places, max(used)), _more_room(hashes, max(used))
    bounds, places, hashes = readonly(bounds), readonly(places), readonly(hashes)
    lines, paragraphs, sentences = (
        Spans(bounds[2 * kind], bounds[2 * kind + 1], *_three(places[kind, :, :n]), hashes[kind, :n])
        for kind, n in enumerate(used)
    )
    return lines, paragraphs, sentences
