"""Fingerprints of documents by winnowing: of every run of so many words, a few hashes that any copy of it shares.

What: each k words in a row have a hash; of every w of these in a row the least is chosen, the first of equal ones. A
run of w + k - 1 words makes the same choice wherever it stands, so two copies of it share a fingerprint, and a
document of n words has some 2 n / (w + 1) of them.
Hashes of runs are polynomials over the words' XXH64 modulo 2^64, mixed. A word that stands elsewhere changes all.
Costs: 60 MB/s a core with the normal form and the segmentation; 40 bytes of scratch a word.
Source: Schleimer, Wilkerson and Aiken 2003 (Winnowing: Local Algorithms for Document Fingerprinting).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from datapipe.text import BytesView, hash_slices, normal_form, readonly
from datapipe.text.hashing import PRIME_2, PRIME_3
from datapipe.text.jit import U64, Int64s, Uint64s, inlined, kernel
from datapipe.text.normalise import NormalForm
from datapipe.text.segmentation import Segmentation, flat

__all__ = ["Runs"]

# Odd, and otherwise any: the multipliers of three independent polynomials, of fingerprints and of both halves of runs.
GRAM, HIGH, LOW = U64(0x9E3779B97F4A7C15), U64(0xD1342543DE82EF95), U64(0xAEF17502108EF2D9)


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of `length` words of some documents. Words are counted over all documents, in order."""

    form: NormalForm
    segmentation: Segmentation
    length: int

    @classmethod
    def of(cls, texts: Any, segmentation: Segmentation, length: int) -> Runs:
        """Of texts (null has none), by their segmentation; length of at least 2."""
        return cls(normal_form(texts, segmentation), segmentation, length)

    @cached_property
    def words(self) -> Uint64s:
        """uint64, the hash of each word in normal form."""
        hashes: Uint64s = hash_slices(BytesView(self.form.data, self.form.start, self.form.end))
        return hashes

    @cached_property
    def starts(self) -> tuple[Int64s, Int64s]:
        """Document and first word of each run."""
        last = np.maximum(self.form.last - self.length + 1, self.form.first)
        return flat(self.form.first, last)

    @property
    def gram(self) -> int:
        """Words of a fingerprint."""
        return self.length // 2

    @cached_property
    def _grams(self) -> Uint64s:
        return _rolled(self.words, self.form, self.gram, GRAM)

    @cached_property
    def chosen(self) -> Int64s:
        """int64: of each run the word at which its fingerprint starts."""
        out = np.zeros(len(self.words), np.int64)
        queue = np.empty(len(self.words) + 1, np.int64)
        window = self.length - self.gram + 1
        bounds = (readonly(self.form.first), readonly(self.form.last))
        _choose(self._grams, bounds, (self.gram, window), (queue, out))
        return out[self.starts[1]]

    @cached_property
    def fingerprints(self) -> Uint64s:
        """uint64: the fingerprint of each run."""
        return self._grams[self.chosen]

    def hashes(self, runs: Int64s) -> tuple[Uint64s, Uint64s]:
        """128-bit hash of some of the runs, given by their first words."""
        return tuple(_rolled(self.words, self.form, self.length, base)[runs] for base in (HIGH, LOW))  # type: ignore[return-value]


def _rolled(words: Uint64s, form: NormalForm, size: int, base: Any) -> Uint64s:
    out = np.zeros(len(words), np.uint64)
    _roll(readonly(words), (readonly(form.first), readonly(form.last)), (size, base), out)
    return out


@inlined
def _mixed(value: Any) -> Any:
    value = (value ^ (value >> U64(31))) * PRIME_2
    value = (value ^ (value >> U64(29))) * PRIME_3
    return value ^ (value >> U64(32))


@kernel
def _roll(words: Uint64s, bounds: tuple[Int64s, Int64s], shape: tuple[int, Any], out: Uint64s) -> None:
    """The hash of `size` words from each word on that has so many behind it in its document."""
    (first, last), (size, base) = bounds, shape
    power = U64(1)
    for _ in range(size):
        power *= base
    for x in range(len(first)):
        if last[x] - first[x] < size:
            continue
        value = U64(0)
        for i in range(first[x], first[x] + size):
            value = value * base + words[i]
        out[first[x]] = _mixed(value)
        for i in range(first[x] + size, last[x]):
            value = value * base + words[i] - words[i - size] * power
            out[i - size + 1] = _mixed(value)


@kernel
def _choose(grams: Uint64s, bounds: tuple[Int64s, Int64s], shape: tuple[int, int], room: tuple[Int64s, Int64s]) -> None:
    """For each `window` of grams the least, at the place where the window starts; of equal ones the first."""
    (first, last), (gram, window), (queue, out) = bounds, shape, room
    for x in range(len(first)):
        head, tail = 0, 0
        for i in range(first[x], last[x] - gram + 1):
            while tail > head and grams[queue[tail - 1]] > grams[i]:
                tail -= 1
            queue[tail] = i
            tail += 1
            start = i - window + 1
            if start < first[x]:
                continue
            if queue[head] < start:
                head += 1
            out[start] = queue[head]
