"""Fingerprints of documents by winnowing: of every run of so many words, a few hashes that any copy of it shares.

What: a run is some words in a row, or as few as have so many characters. Each k words in a row, a gram, have a hash;
the least of a run's grams is the fingerprint of the run. It is the same wherever the run stands, so two copies share
it, and neighbours mostly have the same: a document of n words has some 2 n / (w + 1) different ones, w being the grams
of a run. A run of fewer than k words is its own fingerprint.
Hashes of runs are polynomials over the words' XXH64 modulo 2^64, mixed. A word that stands elsewhere changes all.
Costs: COSTS
Source: Schleimer, Wilkerson and Aiken 2003 (Winnowing: Local Algorithms for Document Fingerprinting).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from datapipe.algo.rolling import Bounds, fixed_ends, rolled, word_hashes
from datapipe.text import normal_form, readonly
from datapipe.text.jit import U64, Int64s, Uint8s, Uint64s, kernel
from datapipe.text.normalise import NormalForm
from datapipe.text.segmentation import Segmentation

__all__ = ["Runs"]

# Odd, and otherwise any: the bases of three independent polynomials, of fingerprints and of both halves of runs.
GRAM, HIGH, LOW = U64(0x9E3779B97F4A7C15), U64(0xD1342543DE82EF95), U64(0xAEF17502108EF2D9)
# Any number does for correctness: with more, runs of few long words have no common gram; with fewer, grams are common.
CHARACTERS_A_WORD = 16


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
        return cls(form, segmentation, fixed_ends((form.first, form.last), len(form.start), length), length // 2)

    @classmethod
    def of_characters(cls, texts: Any, segmentation: Segmentation, length: int) -> Runs:
        """Of each word the shortest run with `length` characters, spaces apart, of texts; null has none."""
        form = normal_form(texts, segmentation)
        ends = np.zeros(len(form.start), np.int64)
        _reach((form.data, form.start, form.end), (form.first, form.last), length, ends)
        return cls(form, segmentation, ends, max(1, length // CHARACTERS_A_WORD))

    @property
    def _bounds(self) -> Bounds:
        return self.form.first, self.form.last

    @cached_property
    def words(self) -> Uint64s:
        """uint64, the hash of each word in normal form."""
        return word_hashes(self.form)

    @cached_property
    def _found(self) -> tuple[Int64s, Int64s, Uint64s]:
        words, gram, count = self.words, self.gram, len(self.words)
        grams = rolled(words, self._bounds, fixed_ends(self._bounds, count, gram), GRAM)
        starts, chosen, fingerprints = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.uint64)
        first, last = map(readonly, self._bounds)
        used = _choose((grams, readonly(self.ends)), (first, last), gram, (starts, chosen, fingerprints))
        starts, chosen, fingerprints = starts[:used], chosen[:used], fingerprints[:used]
        own = np.flatnonzero(chosen < 0)
        if len(own):
            fingerprints[own] = rolled(words, self._bounds, self.ends, GRAM)[starts[own]]
        return starts, chosen, fingerprints

    @property
    def starts(self) -> Int64s:
        """int64, the first word of each run."""
        return self._found[0]

    @property
    def changes(self) -> Int64s:
        """int64, which of the runs have a fingerprint, in another place, than the run before."""
        chosen = self._found[1]
        return np.flatnonzero(np.append(True, chosen[1:] != chosen[:-1])[: len(chosen)])

    @property
    def fingerprints(self) -> Uint64s:
        """uint64: the fingerprint of each run."""
        return self._found[2]

    def documents(self, words: Int64s) -> Int64s:
        """int64, the document of each of these words."""
        owners: Int64s = np.searchsorted(self.form.last, words, side="right")
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
                    taken += np.int64(data[at] & 0xC0 != 0x80)
                stop += 1
            if taken - gone < length:
                break
            ends[i] = stop
            for at in range(start[i], end[i]):
                gone += np.int64(data[at] & 0xC0 != 0x80)


@kernel
def _choose(source: tuple[Uint64s, Int64s], bounds: Bounds, gram: int, room: tuple[Int64s, Int64s, Uint64s]) -> int:
    """Of each run its first word, the place of its least gram and that gram, to `room`; how many runs there are.

    Of equal grams the one chosen for the run before, or else the last; a place below 0 where a run has no gram. As
    hashes have no order, the least of a run is mostly that of the run before or the new one, and seldom searched for.
    """
    (grams, ends), (first, last), (starts, chosen, fingerprints) = source, bounds, room
    used = 0
    for x in range(len(first)):
        best, new = first[x] - 1, first[x]
        least = U64(0)
        for i in range(first[x], last[x]):
            if ends[i] == 0:
                break
            stop = ends[i] - gram + 1
            if best < i:
                best, new = i - 1, i
            for at in range(new, stop):
                if best < i or grams[at] < least or (new == i and grams[at] == least):
                    best, least = at, grams[at]
            new = max(new, stop)
            starts[used] = i
            chosen[used] = best if best >= i else -1 - i
            fingerprints[used] = least
            used += 1
    return used
