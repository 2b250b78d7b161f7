"""Cut items out of texts, whole sentences at a time, until none is found there any more.

Costs a match more for each copy of an item that a text holds, of that text alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.item_index import Index
from datapipe.algo.item_rules import CONTEXT
from datapipe.text import BytesView, readonly, segment, view_bytes
from datapipe.text.cutting import without
from datapipe.text.jit import Int64s
from datapipe.text.segmentation import flat
from stages.decontaminate._evidence import Evidence, find, together

__all__ = ["Rest", "covered", "cut_items", "words_left"]

ROUNDS = 16  # copies of an item that are cut out of a text
SPACE = 0x20


class Rest(NamedTuple):
    """What is left of texts; what was found in all rounds; which texts were cut, and in which items are left (bool)."""

    texts: Any
    found: Evidence
    is_cut: Any
    holds: Any


def cut_items(texts: Any, index: Index, over: float) -> Rest:
    """Large strings without the sentences that hold parts of items, but for contexts, of a strength over that."""
    view = view_bytes(texts)
    data, rows = view.data, np.arange(len(texts))
    found, cuts = [], [(rows[:0], rows[:0])]
    is_cut, holds = np.zeros(len(texts), np.bool_), np.zeros(len(texts), np.bool_)
    bounds: tuple[Int64s, Int64s] | None = None
    for number in range(ROUNDS + 1):
        part = BytesView(readonly(data), readonly(view.starts[rows]), readonly(view.ends[rows]))
        new = find(part, index)
        new = new._replace(text=rows[new.text])
        strong = (new.strength > over) & (new.kind != CONTEXT)
        if number:  # the others are known already, or stand across a cut
            new = Evidence(*(each[strong] for each in new))
            strong = strong[strong]
        rows = np.unique(new.text[strong])
        if number == ROUNDS:
            holds[rows] = True
            break
        found.append(new)
        if not len(rows):
            break
        bounds = bounds or _sentences(texts)
        before = view.starts[new.text[strong]]
        cut = _widened(before + new.start[strong], before + new.end[strong], bounds)
        data = np.where(covered(len(data), *cut), np.uint8(SPACE), data)
        is_cut[rows] = True
        cuts.append(cut)
    starts, ends = map(np.concatenate, zip(*cuts, strict=True))
    return Rest(without(texts, starts, ends) if len(starts) else texts, together(found), is_cut, holds)


def covered(count: int, starts: Int64s, ends: Int64s) -> Any:
    """Which of `count` bytes lie within a span [start, end)."""
    change = np.bincount(starts, minlength=count + 1) - np.bincount(ends, minlength=count + 1)
    return np.cumsum(change)[:count] > 0


def _sentences(texts: Any) -> tuple[Int64s, Int64s]:
    """Where the sentences of all texts begin and end, in their buffer."""
    sentences, starts = segment(texts).sentences, view_bytes(texts).starts
    document, at = flat(sentences.first, sentences.last)
    return starts[document] + sentences.start[at], starts[document] + sentences.end[at]


def _widened(begins: Int64s, ends: Int64s, bounds: tuple[Int64s, Int64s]) -> tuple[Int64s, Int64s]:
    """Spans with the whole of the sentences in which they begin and end."""
    first, last = bounds
    begins = np.minimum(begins, first[np.maximum(np.searchsorted(first, begins, side="right") - 1, 0)])
    return begins, np.maximum(ends, last[np.maximum(np.searchsorted(first, ends - 1, side="right") - 1, 0)])


def words_left(texts: Any, document: Int64s, is_cut: Any, count: int) -> Any:
    """Words left in each document of which something was cut (int32), null in others; `document`: of each text."""
    cut = np.bincount(document[is_cut], minlength=count) > 0
    words = np.bincount(document, segment(texts).words_per_document() if cut.any() else None, count)
    return pa.array(words.astype(np.int32), mask=~cut)
