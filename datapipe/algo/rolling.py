"""Hashes of runs of words: of each word on, that of the words up to a given one, in one pass whatever their number.

What: polynomials over the hashes of the words modulo 2^64, mixed. A base is odd, so it has an inverse, by which the
first word of a run is taken off again.
Costs: 4 to 5 ns a word; 8 bytes of output and 8 of ends a word (tests/benchmarks/repeats.py).
Collisions: two different runs have one hash with a probability of about 2^-64, as their words' hashes do not follow
from the texts in a way that anyone chose.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from datapipe.text import BytesView, hash_slices, readonly
from datapipe.text.hashing import PRIME_2, PRIME_3
from datapipe.text.jit import U64, Int64s, Uint64s, inlined, kernel
from datapipe.text.normalise import NormalForm

__all__ = ["Bounds", "fixed_ends", "rolled", "word_hashes"]

Bounds: TypeAlias = tuple[Int64s, Int64s]  # of stretches of words, such as documents: the first, and the one behind


def word_hashes(form: NormalForm) -> Uint64s:
    """uint64, the hash of each word of all documents in normal form."""
    hashes: Uint64s = hash_slices(BytesView(form.data, form.start, form.end))
    return hashes


def fixed_ends(bounds: Bounds, count: int, size: int) -> Int64s:
    """Of each of `count` words where a run of `size` from it on ends; 0 where its stretch has not so many left."""
    ends = np.zeros(count, np.int64)
    _fix((readonly(bounds[0]), readonly(bounds[1])), size, ends)
    return ends


def rolled(words: Uint64s, bounds: Bounds, ends: Int64s, base: Any) -> Uint64s:
    """The hash of words i to ends[i] (uint64, 0 where ends[i] is 0) for each word i of the stretches within bounds.

    In a stretch, ends never decrease before they become 0, and stay 0 from there. base: any odd uint64.
    """
    out = np.zeros(len(words), np.uint64)
    inverse = U64(pow(int(base), -1, 1 << 64))
    _roll((readonly(words), readonly(ends)), (readonly(bounds[0]), readonly(bounds[1])), (base, inverse), out)
    return out


@inlined
def _mixed(value: Any) -> Any:
    value = (value ^ (value >> U64(31))) * PRIME_2
    value = (value ^ (value >> U64(29))) * PRIME_3
    return value ^ (value >> U64(32))


@kernel
def _fix(bounds: Bounds, size: int, ends: Int64s) -> None:
    first, last = bounds
    for x in range(len(first)):
        for i in range(first[x], last[x] - size + 1):
            ends[i] = i + size


@kernel
def _roll(source: tuple[Uint64s, Int64s], bounds: Bounds, factors: tuple[Any, Any], out: Uint64s) -> None:
    (words, ends), (first, last), (base, inverse) = source, bounds, factors
    for x in range(len(first)):
        value, power = U64(0), U64(1)  # power: the base, as often as the run has words
        stop = first[x]
        for i in range(first[x], last[x]):
            if ends[i] == 0:
                break
            while stop < ends[i]:
                value = value * base + words[stop]
                power *= base
                stop += 1
            out[i] = _mixed(value)
            power *= inverse
            value -= words[i] * power
