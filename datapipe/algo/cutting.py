"""Lines or paragraphs that are cut out of texts: what is equal to what, which bytes go, and what is left.

Units are equal by the hash of their normal form (casefolded words without accents and punctuation, digits as 0), so
that "3 comments" and "7 comments" are one; those without a word, such as a single bracket, are equal to nothing.
The breaks behind a unit go with it, at a text's end those before.
Costs: units are found at 85 to 100 MB/s a core beside the segmentation (tests/benchmarks/marks.py).
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from datapipe.algo.hash_sets import are_first, are_in
from datapipe.algo.keyed import of_rows
from datapipe.stage import Mask
from datapipe.text import BytesView, hash_slices, normal_form, readonly, segment, view_bytes
from datapipe.text.cutting import SPANS, spans_of, without
from datapipe.text.jit import Int64s, Uint8s, Uint64s
from datapipe.text.normalise import NormalForm
from datapipe.text.segmentation import flat

__all__ = ["NO_WORDS", "SPANS", "SPREAD", "Kind", "Rest", "Units", "cut_out", "is_named", "pairs", "units_of"]

NO_WORDS = 0  # the hash of a unit without a word
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # odd, so that two numbers make one key without losing bits
NEWLINE, RETURN, FILE_SEPARATOR, RECORD_SEPARATOR = 0x0A, 0x0D, 0x1C, 0x1E

Kind: TypeAlias = Literal["lines", "paragraphs"]


class Units(NamedTuple):
    """The units of all documents of a batch, arrays of one length.

    Of each its document, its bytes [start, end) in the buffer, how many words and characters it has (int64), the
    hash of its normal form (uint64), and which of the words of `form`, the normal form of all, is its first (int64).
    """

    document: Int64s
    start: Int64s
    end: Int64s
    words: Int64s
    characters: Int64s
    hashes: Uint64s
    first: Int64s
    form: NormalForm

    def different(self, some: Mask) -> Int64s:
        """Where the first of each of these units of each document stands, in order."""
        mine = np.flatnonzero(some)
        found: Int64s = mine[are_first(pairs(self.document[mine], self.hashes[mine]))]
        return found


def pairs(document: Int64s, hashes: Uint64s) -> Uint64s:
    """Document and hash together, uint64; two different ones are equal with a probability of 2^-64."""
    return hashes + document.astype(np.uint64) * SPREAD


def units_of(texts: Any, kind: Kind) -> Units:
    """All units of the texts, a large_string array; null has none."""
    view, pieces = view_bytes(texts), segment(texts)
    form, spans = normal_form(texts, pieces), pieces.lines if kind == "lines" else pieces.paragraphs
    document, at = flat(spans.first, spans.last)
    start, end = view.starts[document] + spans.start[at], view.starts[document] + spans.end[at]
    owner, word = flat(form.first, form.last)
    stands = view.starts[owner] + pieces.words.start[form.token[word]]
    first, last = np.searchsorted(stands, start), np.searchsorted(stands, end)
    some = last > first
    hashes = np.full(len(document), NO_WORDS, np.uint64)
    slices = form.start[word[first[some]]], form.end[word[last[some] - 1]]
    hashes[some] = np.maximum(hash_slices(BytesView(form.data, *map(readonly, slices))), NO_WORDS + 1)
    return Units(document, start, end, last - first, spans.length[at].astype(np.int64), hashes, first, form)


def is_named(units: Units, rows: Any, verdicts: pa.RecordBatch, column: str) -> Mask:
    """Which units the verdicts name, by the rows of the documents (uint32) and the hashes in a column."""
    if verdicts.num_rows == 0:  # then it may have no columns but `row`
        return np.zeros(len(units.document), np.bool_)
    return are_in(pairs(units.document, units.hashes), pairs(of_rows(rows, verdicts), verdicts[column].to_numpy()))


def _breaks(data: Uint8s) -> Int64s:
    """Where the last bytes of line breaks stand: of U+000A to D, 1C to 1E, 85, 2028 and 2029, in order."""
    ends = (data >= NEWLINE) & (data <= RETURN) | (data >= FILE_SEPARATOR) & (data <= RECORD_SEPARATOR)
    for last, before in ((0x85, (0xC2,)), (0xA8, (0x80, 0xE2)), (0xA9, (0x80, 0xE2))):
        at = np.flatnonzero(data == last)
        at = at[at >= len(before)]
        for back, byte in enumerate(before, 1):
            at = at[data[at - back] == byte]
        ends[at] = True
    return np.flatnonzero(ends)


def _parts(view: BytesView, units: Units) -> tuple[Int64s, Int64s]:
    """Where the part of the buffer that goes with each unit begins and ends.

    It reaches from the unit's indentation to that of the next line, so the breaks behind a unit go with it.
    """
    breaks = np.append(-1, _breaks(view.data))
    begins = breaks[np.searchsorted(breaks, units.start) - 1] + 1
    begins = np.maximum(begins, view.starts[units.document])
    same = units.document[1:] == units.document[:-1]
    ends = view.ends[units.document]
    ends[:-1][same] = begins[1:][same]
    return begins, ends


def _cuts(view: BytesView, units: Units, is_cut: Mask) -> tuple[Int64s, Int64s]:
    """Where the parts begin and end that go with the units that are cut; at a text's end the breaks before go too."""
    starts, ends = _parts(view, units)
    chosen, stays = np.flatnonzero(is_cut), np.flatnonzero(~is_cut)
    document = units.document[chosen]
    nobody = len(units.document)
    after = np.append(stays, nobody)[np.searchsorted(stays, chosen)]
    is_last = np.append(units.document, -1)[after] != document
    follows = (chosen > 0) & (units.document[chosen - 1] == document) & ~is_cut[chosen - 1]
    ending = chosen[is_last & follows]
    starts[ending] = units.end[ending - 1]
    return starts[chosen], ends[chosen]


class Rest(NamedTuple):
    """What is left of each document.

    Its text, how many units and which bytes [start, end) of the text received were cut (list of spans), and words left
    (int32, null where nothing was cut).
    """

    text: Any
    cut: Any
    spans: Any
    words: Any


def cut_out(texts: Any, units: Units, is_cut: Mask) -> Rest:
    """Take units out of texts."""
    view, count = view_bytes(texts), len(texts)
    starts, ends = _cuts(view, units, is_cut)
    document = units.document[is_cut]
    cut = np.bincount(document, minlength=count)
    words = np.bincount(units.document[~is_cut], units.words[~is_cut], count)
    before = view.starts[document]
    return Rest(
        without(texts, starts, ends) if len(starts) else texts,
        pa.array(cut.astype(np.int32)),
        spans_of(document, starts - before, ends - before, count),
        pa.array(words.astype(np.int32), mask=cut == 0),
    )
