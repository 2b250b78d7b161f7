"""Fingerprints of documents by winnowing: of every run of so many words, a few hashes that any copy of it shares.

What: a run is some words in a row, or as few as have so many characters. Each k words in a row, a gram, have a hash;
the least of a run's grams is the fingerprint of the run. It is the same wherever the run stands, so two copies share
it, and neighbours mostly have the same: a document of n words has some 2 n / (w + 1) different ones, w being the grams
of a run. A run of fewer than k words is its own fingerprint.
Hashes of runs are polynomials over the words' XXH64 modulo 2^64, mixed. A word that stands elsewhere changes all.
Costs: fingerprints at 75 MB/s a core of English and 69 of Chinese with the normal form and the segmentation, at 129
and 112 beside the segmentation (tests/benchmarks/repeats.py); 56 bytes of scratch a word, 24 of them only where those
of all runs are asked for.
Source: Schleimer, Wilkerson and Aiken 2003 (Winnowing: Local Algorithms for Document Fingerprinting).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from datapipe.algo.rolling import Bounds, fixed_ends, rolled, word_hashes
from datapipe.text import normal_form, readonly
from datapipe.text.jit import I64, U64, Int64s, Uint8s, Uint64s, kernel
from datapipe.text.normalise import NormalForm
from datapipe.text.segmentation import Segmentation

__all__ = ["HashedRuns", "Runs", "gram_of", "gram_of_characters"]

# Odd, and otherwise any: the bases of three independent polynomials, of fingerprints and of both halves of runs.
GRAM, HIGH, LOW = U64(0x9E3779B97F4A7C15), U64(0xD1342543DE82EF95), U64(0xAEF17502108EF2D9)
# Any number does for correctness: with more, runs of few long words have no common gram; with fewer, grams are common.
CHARACTERS_A_WORD = 16


def gram_of(length: int) -> int:
    """Words of a fingerprint of runs of so many words."""
    return length // 2


def gram_of_characters(length: int) -> int:
    """Words of a fingerprint of runs of so many characters."""
    return max(1, length // CHARACTERS_A_WORD)


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of some documents. Words are counted over all documents, in order.

    ends: int64, of each word where the run from it on ends; 0 where too little of the document is left for one.
    gram: words of a fingerprint.
    """

    form: NormalForm
    segmentation: Segmentation
    ends: Int64s
    gram: int

    @classmethod
    def of_words(cls, texts: Any, segmentation: Segmentation, length: int) -> Runs:
        """The runs of `length` words (2 at least) of texts, by their segmentation; null has none."""
        form = normal_form(texts, segmentation)
        return cls(form, segmentation, fixed_ends((form.first, form.last), len(form.start), length), gram_of(length))

    @classmethod
    def of_characters(cls, texts: Any, segmentation: Segmentation, length: int) -> Runs:
        """Of each word the shortest run with `length` characters, spaces apart, of texts; null has none."""
        form = normal_form(texts, segmentation)
        ends = np.zeros(len(form.start), np.int64)
        _reach((form.data, form.start, form.end), (form.first, form.last), length, ends)
        return cls(form, segmentation, ends, gram_of_characters(length))

    @cached_property
    def hashed(self) -> HashedRuns:
        """The same by the hashes of words alone."""
        return HashedRuns(word_hashes(self.form), self.form.first, self.form.last, self.ends, self.gram)


@dataclass(frozen=True, eq=False)
class HashedRuns:
    """Runs of which only the words' hashes are known: all that it takes to compare them.

    words: uint64, the hash of each word in normal form; those of document x are first[x] to last[x]. ends: int64, of
    each word where the run from it on ends, or 0; gram: words of a fingerprint.
    """

    words: Uint64s
    first: Int64s
    last: Int64s
    ends: Int64s
    gram: int

    @property
    def _bounds(self) -> Bounds:
        return self.first, self.last

    def fingerprints(self, *, every: bool) -> tuple[Int64s, Uint64s]:
        """First word (int64) and fingerprint (uint64) of each run, in order.

        Unless `every`: only of runs whose fingerprint is another, or stands elsewhere, than that of the run before.
        """
        words, gram, count = self.words, self.gram, len(self.words)
        grams = rolled(words, self._bounds, fixed_ends(self._bounds, count, gram), GRAM)
        starts, chosen, prints = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.uint64)
        first, last = map(readonly, self._bounds)
        used = _choose((grams, readonly(self.ends)), (first, last), (gram, every), (starts, chosen, prints))
        starts, chosen, prints = starts[:used], chosen[:used], prints[:used]
        own = np.flatnonzero(chosen < 0)
        if len(own):
            prints[own] = rolled(words, self._bounds, self.ends, GRAM)[starts[own]]
        return starts, prints

    def documents(self, words: Int64s) -> Int64s:
        """int64, the document of each of these words."""
        owners: Int64s = np.searchsorted(self.last, words, side="right")
        return owners

    def hashes(self, words: Int64s) -> tuple[Uint64s, Uint64s]:
        """128-bit hash of some of the runs, given by their first words, as (high, low)."""
        high, low = (rolled(self.words, self._bounds, self.ends, base)[words] for base in (HIGH, LOW))
        return high, low


@kernel
def _reach(words: tuple[Uint8s, Int64s, Int64s], bounds: Bounds, length: int, ends: Int64s) -> None:
    """Where the run of `length` characters from each word on ends."""
    (data, start, end), (first, last) = words, bounds
    for x in range(len(first)):
        stop, taken, gone = first[x], 0, 0  # characters up to `stop`, and before word i
        for i in range(first[x], last[x]):
            while stop < last[x] and taken - gone < length:
                for at in range(start[stop], end[stop]):
                    taken += I64(data[at] & 0xC0 != 0x80)
                stop += 1
            if taken - gone < length:
                break
            ends[i] = stop
            for at in range(start[i], end[i]):
                gone += I64(data[at] & 0xC0 != 0x80)


@kernel
def _choose(
    source: tuple[Uint64s, Int64s], bounds: Bounds, how: tuple[int, bool], room: tuple[Int64s, Int64s, Uint64s]
) -> int:
    """Of runs their first word, the place of their least gram and that gram, to `room`; how many runs those are.

    Of equal grams the last: copies of a run choose in the same place, so that two that overlap choose two, and are seen
    to be two. A place below 0 where a run has no gram. As hashes have no order, the least of a run is mostly that of
    the run before or the new one, and seldom searched for.
    """
    (grams, ends), (first, last), (gram, every), (starts, chosen, prints) = source, bounds, how, room
    used = 0
    for x in range(len(first)):
        best, new, before = first[x] - 1, first[x], first[x] - 1
        least = U64(0)
        for i in range(first[x], last[x]):
            if ends[i] == 0:
                break
            stop = ends[i] - gram + 1
            if best < i:
                best, new = i - 1, i
            for at in range(new, stop):
                if best < i or grams[at] <= least:
                    best, least = at, grams[at]
            new = max(new, stop)
            if every or best != before or best < i:
                starts[used] = i
                chosen[used] = best if best >= i else -1 - i
                prints[used] = least
                used += 1
            before = best
    return used
