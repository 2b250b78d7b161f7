"""N-grams of units of text, such as lines: which there are, and what share of a unit's stands elsewhere.

An n-gram is so many words of the normal form in a row, within one unit; in scripts without spaces a word is a
character. A unit of fewer words is one n-gram as a whole, which only another unit of just these words has.
Costs: see `repeated`; some 80 bytes of scratch an n-gram.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.cutting import Units, pairs
from datapipe.algo.hash_sets import are_first, are_in
from datapipe.algo.keyed import of_rows
from datapipe.algo.rolling import fixed_ends, rolled, word_hashes
from datapipe.stage import Mask
from datapipe.text.jit import U64, Float64s, Int64s, Uint64s
from datapipe.text.segmentation import flat

__all__ = ["Grams", "Shares", "grams_of", "shares"]

BASE = U64(0xC2A2EDFB5D7C3A35)  # odd, and otherwise any


class Grams(NamedTuple):
    """N-grams, repeated ones too: of each the unit it stands in (int64), its document (int64), its hash (uint64)."""

    unit: Int64s
    document: Int64s
    hashes: Uint64s

    def different(self) -> Int64s:
        """Where the first of each n-gram of each document stands, in order."""
        return np.flatnonzero(are_first(pairs(self.document, self.hashes)))


def grams_of(units: Units, some: Mask, size: int) -> Grams:
    """The n-grams of `size` words of some of the units, in no certain order."""
    long, short = (np.flatnonzero(some & is_so) for is_so in (units.words >= size, units.words < size))
    first, last = units.first[long], units.first[long] + units.words[long]
    words = word_hashes(units.form)
    hashes = rolled(words, (first, last), fixed_ends((first, last), len(words), size), BASE)
    which, at = flat(first, last - size + 1)
    unit = np.concatenate([long[which], short])
    return Grams(unit, units.document[unit], np.concatenate([hashes[at], units.hashes[short]]))


class Shares(NamedTuple):
    """Which share of the n-grams of each unit, and of each document, is named (float64; NaN where it has none)."""

    units: Float64s
    documents: Float64s


def shares(units: Units, grams: Grams, batch: pa.RecordBatch, verdicts: pa.RecordBatch) -> Shares:
    """How much of what there is `verdicts` name, by `row` and hashes (`unit`), on documents of `row` in a batch."""
    seen = np.zeros(len(grams.unit), np.bool_)
    if verdicts.num_rows:  # else it may have no columns but `row`
        named = pairs(of_rows(batch["row"], verdicts), verdicts["unit"].to_numpy())
        seen = are_in(pairs(grams.document, grams.hashes), named)
    return Shares(_share(grams.unit, seen, len(units.document)), _share(grams.document, seen, batch.num_rows))


def _share(of: Int64s, seen: Any, count: int) -> Float64s:
    with np.errstate(invalid="ignore"):
        found: Float64s = np.bincount(of[seen], minlength=count) / np.bincount(of, minlength=count)
    return found
