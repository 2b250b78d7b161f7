"""What becomes of documents that mention a group of people: scores, losses by stage, words that go with it.

Why: filters of toxicity and of quality drop more of what is said by or about some groups; a report has to show it.
These are the aggregates, over columns that `mark.bias` and the filters stored; nothing here reads a run.
Costs: 16 to 26 MB/s for `associated` (tests/benchmarks/marks.py), 16 bytes a different word in memory; the others some
additions a document.
Source: Wilson 1927 (interval of a share); Church and Hanks 1990 (pointwise mutual information); Dodge et al. 2021,
section 5 (share of documents removed by the group mentioned).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.tally import Tally
from datapipe.stage import Mask
from datapipe.text.buffers import view_bytes
from datapipe.text.cache import segment
from datapipe.text.jit import Float64s, Int64s, Uint64s
from datapipe.text.reference import HAS_ALPHABETIC
from datapipe.text.segmentation import flat

__all__ = ["Association", "Mentions", "Share", "associated", "share", "summarised"]

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
BINS = 1000  # of a score between 0 and 1: quantiles are right to a thousandth
Z_95 = 1.959964  # standard normal quantile of a two-sided interval of 95%


class Share(NamedTuple):
    """`hit` of `total`, and the 95% interval of that share (Wilson); 0 to 1 where there are none."""

    hit: int
    total: int
    low: float
    high: float


def share(hit: int, total: int) -> Share:
    """The share of `hit` in `total` with its interval."""
    if total == 0:
        return Share(0, 0, 0.0, 1.0)
    part, square = hit / total, Z_95 * Z_95
    middle = (part + square / (2 * total)) / (1 + square / total)
    width = Z_95 / (1 + square / total) * math.sqrt(part * (1 - part) / total + square / (4 * total * total))
    return Share(hit, total, max(0.0, middle - width), min(1.0, middle + width))


@dataclass(frozen=True)
class Mentions:
    """Of the documents that mention a group, or of all (`group` is None).

    `scored` have a score; `mean` and `quantiles` (by QUANTILES) are theirs, NaN without any. `removed`: by stage, how
    many of those that came to it left there.
    """

    group: str | None
    documents: int
    scored: int
    mean: float
    quantiles: tuple[float, ...]
    removed: dict[str, Share]


class _Sums:
    def __init__(self, stages: Iterable[str]) -> None:
        self.documents = 0
        self.total = 0.0
        self.bins = np.zeros(BINS + 1, np.int64)
        self.left = {stage: [0, 0] for stage in stages}

    def add(self, rows: Int64s, scores: Float64s, reasons: dict[str, tuple[Mask, Mask]]) -> None:
        self.documents += len(rows)
        mine = scores[rows]
        mine = mine[~np.isnan(mine)]
        self.total += float(mine.sum())
        self.bins += np.bincount(np.rint(np.clip(mine, 0, 1) * BINS).astype(np.int64), minlength=BINS + 1)
        for stage, (came, went) in reasons.items():
            self.left[stage][0] += int(went[rows].sum())
            self.left[stage][1] += int(came[rows].sum())

    def told(self, group: str | None) -> Mentions:
        scored = int(self.bins.sum())
        so_far = np.cumsum(self.bins)
        places = [int(np.searchsorted(so_far, max(1, math.ceil(part * scored)))) for part in QUANTILES]
        return Mentions(
            group=group,
            documents=self.documents,
            scored=scored,
            mean=self.total / scored if scored else math.nan,
            quantiles=tuple(place / BINS if scored else math.nan for place in places),
            removed={stage: share(went, came) for stage, (went, came) in self.left.items()},
        )


def summarised(
    batches: Iterable[pa.RecordBatch], groups: str, *, score: str | None = None, stages: Iterable[str] = ()
) -> list[Mentions]:
    """All documents first, then those of each group, by name.

    `groups` is a column of lists of groups, `score` one of numbers between 0 and 1. For each of `stages`, in the order
    in which documents meet them, a string column of that name holds why a document left there (null: it did not); who
    left at one stage did not come to the next.
    """
    names = tuple(stages)
    everyone, sums = _Sums(names), dict[str, _Sums]()
    for batch in batches:
        size = batch.num_rows
        scores = np.full(size, np.nan)
        if score is not None:
            given: Any = batch[score].cast(pa.float64())
            scores = given.to_numpy(zero_copy_only=False)
        reasons, here = dict[str, tuple[Mask, Mask]](), np.ones(size, np.bool_)
        for stage in names:
            went = here & batch[stage].is_valid().to_numpy(zero_copy_only=False)
            reasons[stage] = (here, went)
            here = here & ~went
        everyone.add(np.arange(size), scores, reasons)
        for group, rows in _rows_of(batch[groups]).items():
            sums.setdefault(group, _Sums(names)).add(rows, scores, reasons)
    return [everyone.told(None), *(sums[group].told(group) for group in sorted(sums))]


def _rows_of(lists: Any) -> dict[str, Int64s]:
    """The rows whose list holds each name."""
    owners, encoded = lists.value_parent_indices().to_numpy(), lists.flatten().dictionary_encode()
    which = encoded.indices.to_numpy(zero_copy_only=False)
    return {name: np.unique(owners[which == at]) for at, name in enumerate(encoded.dictionary.to_pylist())}


class Association(NamedTuple):
    """A word, in how many documents of the group and of all it stands, and the pointwise mutual information in bits."""

    word: str
    documents: int
    of: int
    pmi: float


def associated(
    batches: Callable[[], Iterable[pa.RecordBatch]],
    groups: str,
    group: str,
    *,
    least: int = 10,
    most: int = 20,
    text: str = "text",
) -> list[Association]:
    """The words that go most with documents that mention a group: `most` words of at least `least` of its documents.

    Reads the batches twice. PMI is log2(P(word, group) / (P(word) P(group))) over documents.
    """
    everyone, mine = Tally(), Tally()
    documents = of_group = 0
    for batch in batches():
        owners, hashes = _words(batch[text])
        rows = _rows_of(batch[groups]).get(group, np.zeros(0, np.int64))
        documents += batch.num_rows
        of_group += len(rows)
        everyone.add(*np.unique(hashes, return_counts=True))
        mine.add(*np.unique(hashes[np.isin(owners, rows)], return_counts=True))
    hashes, inside = mine.merged()
    some = inside >= least
    hashes, inside = hashes[some], inside[some]
    known, counts = everyone.merged()
    total = counts[np.searchsorted(known, hashes)]
    pmi = np.log2(inside * documents / (total * max(1, of_group)))
    best = np.lexsort((hashes, -inside, -pmi))[:most]
    names = _names(batches(), text, set(hashes[best].tolist()))
    return [Association(names[int(hashes[at])], int(inside[at]), int(total[at]), float(pmi[at])) for at in best]


def _words(texts: Any) -> tuple[Int64s, Uint64s]:
    """Document and hash of each different word of each document."""
    words = segment(texts).words
    owners, at = flat(words.first, words.last)
    is_word = (words.kind[at] & HAS_ALPHABETIC) > 0
    owners, hashes = owners[is_word], words.hashes[at[is_word]]
    order = np.lexsort((hashes, owners))
    owners, hashes = owners[order], hashes[order]
    is_new = np.ones(len(owners), np.bool_)
    is_new[1:] = (owners[1:] != owners[:-1]) | (hashes[1:] != hashes[:-1])
    return owners[is_new], hashes[is_new]


def _names(batches: Iterable[pa.RecordBatch], text: str, wanted: set[int]) -> dict[int, str]:
    """A spelling of each hash: the first met, in small letters."""
    found: dict[int, str] = {}
    for batch in batches:
        view, words = view_bytes(batch[text]), segment(batch[text]).words
        lacking = np.array(sorted(wanted - found.keys()), np.uint64)
        for row in range(batch.num_rows if len(lacking) else 0):
            first, last = int(words.first[row]), int(words.last[row])
            for at in first + np.flatnonzero(np.isin(words.hashes[first:last], lacking)):
                start = int(view.starts[row])
                word = view.data[start + words.start[at] : start + words.end[at]].tobytes().decode("utf-8", "replace")
                found.setdefault(int(words.hashes[at]), word.lower())
    return found
