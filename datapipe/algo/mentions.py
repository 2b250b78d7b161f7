"""What becomes of documents that mention a group of people: scores, losses by stage, words that go with it.

Why: filters of toxicity and of quality drop more of what is said by or about some groups; a report has to show it.
These are the aggregates, over columns that `mark.bias` and the filters stored; nothing here reads a run.
`datapipe bias RUN` prints them. Costs: 28 to 40 MB/s for `associated` (tests/benchmarks/marks.py),
16 bytes a different word of all documents and of each group in memory; the others some additions a document.
Source: Wilson 1927 (interval of a share); Church and Hanks 1990 (pointwise mutual information); Dodge et al. 2021,
section 5 (share of documents removed by the group mentioned).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.tally import Tally
from datapipe.stage import Mask
from datapipe.text.buffers import view_bytes
from datapipe.text.cache import segment
from datapipe.text.jit import Float64s, Int64s, Uint64s
from datapipe.text.piecewise import pieces
from datapipe.text.reference import HAS_ALPHABETIC, tokens, word_hash
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
    low, high = max(0.0, middle - width), min(1.0, middle + width)
    return Share(hit, total, low if hit else 0.0, high if hit < total else 1.0)  # exactly, whatever was rounded


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

    def add(self, rows: Int64s, scores: Float64s, fates: dict[str, tuple[Mask, Mask]]) -> None:
        self.documents += len(rows)
        mine = scores[rows]
        mine = mine[~np.isnan(mine)]
        self.total += float(mine.sum())
        self.bins += np.bincount(np.rint(np.clip(mine, 0, 1) * BINS).astype(np.int64), minlength=BINS + 1)
        for stage, (came, went) in fates.items():
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

    `groups` is a column of lists of groups, `score` one of numbers between 0 and 1. For each of `stages` a bool column
    of that name says whether a document left there; null: it did not come so far, or went another way.
    """
    names = tuple(stages)
    everyone, sums = _Sums(names), dict[str, _Sums]()
    for batch in batches:
        size = batch.num_rows
        scores = np.full(size, np.nan)
        if score is not None:
            given: Any = batch[score].cast(pa.float64())
            scores = given.to_numpy(zero_copy_only=False)
        fates = {stage: _fate(batch[stage]) for stage in names}
        everyone.add(np.arange(size), scores, fates)
        for group, rows in _rows_of(batch[groups]).items():
            sums.setdefault(group, _Sums(names)).add(rows, scores, fates)
    return [everyone.told(None), *(sums[group].told(group) for group in sorted(sums))]


def _fate(left: Any) -> tuple[Mask, Mask]:
    """Who came to a stage, and who left there."""
    came: Mask = left.is_valid().to_numpy(zero_copy_only=False)
    went: Mask = left.fill_null(pa.scalar(value=False)).to_numpy(zero_copy_only=False)
    return came, went


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
    *,
    least: int = 10,
    most: int = 20,
    without: Callable[[str], Iterable[str]] = lambda _: (),
) -> dict[str, list[Association]]:
    """By group the words that go most with documents that mention it: at most `most`, of at least `least` of those.

    Reads the batches twice: `text`, `messages` or both, and `groups`, a column of lists of them. `without` gives terms
    of a group whose words are not told, such as those by which it was found. PMI is
    log2(P(word, group) / (P(word) P(group))) over documents.
    """
    everyone, inside = Tally(), dict[str, Tally]()
    documents, sizes = 0, dict[str, int]()
    for batch in batches():
        owners, hashes = _words(batch)
        documents += batch.num_rows
        everyone.add(*np.unique(hashes, return_counts=True))
        for group, rows in _rows_of(batch[groups]).items():
            mine = np.zeros(batch.num_rows, np.bool_)
            mine[rows] = True
            sizes[group] = sizes.get(group, 0) + len(rows)
            inside.setdefault(group, Tally()).add(*np.unique(hashes[mine[owners]], return_counts=True))
    known, counts = everyone.merged()
    found: dict[str, tuple[Uint64s, Int64s, Int64s, Float64s]] = {}
    for group in sorted(inside):
        hashes, hits = inside[group].merged()
        some = (hits >= least) & ~np.isin(hashes, _hashes(without(group)))
        hashes, hits = hashes[some], hits[some]
        total = counts[np.searchsorted(known, hashes)]
        pmi = np.log2(hits * documents / (total * sizes[group]))
        best = np.lexsort((hashes, -hits, -pmi))[:most]
        best = best[pmi[best] > 0]
        found[group] = (hashes[best], hits[best], total[best], pmi[best])
    names = _names(batches(), {int(one) for hashes, *_ in found.values() for one in hashes})
    return {group: [_association(names, one) for one in zip(*some, strict=True)] for group, some in found.items()}


def _association(names: Mapping[int, str], one: tuple[Any, ...]) -> Association:
    word, hits, total, pmi = one
    return Association(names[int(word)], int(hits), int(total), float(pmi))


def _hashes(terms: Iterable[str]) -> Uint64s:
    """Of all words of some terms."""
    found = {word_hash(term[token.start : token.end]) for term in terms for token in tokens(term)}
    return np.array(sorted(found), np.uint64)


def _words(batch: pa.RecordBatch) -> tuple[Int64s, Uint64s]:
    """Document and hash of each different word of each document."""
    said = pieces(batch)
    words = segment(said.texts).words
    owners, at = flat(words.first, words.last)
    is_word = (words.kind[at] & HAS_ALPHABETIC) > 0
    owners, hashes = said.document[owners[is_word]], words.hashes[at[is_word]]
    order = np.lexsort((hashes, owners))
    owners, hashes = owners[order], hashes[order]
    is_new = np.ones(len(owners), np.bool_)
    is_new[1:] = (owners[1:] != owners[:-1]) | (hashes[1:] != hashes[:-1])
    return owners[is_new], hashes[is_new]


def _names(batches: Iterable[pa.RecordBatch], wanted: set[int]) -> dict[int, str]:
    """A spelling of each hash: the first met, in small letters."""
    found: dict[int, str] = {}
    for batch in batches:
        lacking = np.array(sorted(wanted - found.keys()), np.uint64)
        if not len(lacking):
            break
        texts = pieces(batch).texts
        view, words = view_bytes(texts), segment(texts).words
        owners, at = flat(words.first, words.last)
        hits = np.flatnonzero(np.isin(words.hashes[at], lacking))
        _, first = np.unique(words.hashes[at[hits]], return_index=True)
        for text, word in zip(owners[hits[first]].tolist(), at[hits[first]].tolist(), strict=True):
            start = int(view.starts[text])
            shown = view.data[start + words.start[word] : start + words.end[word]].tobytes().decode("utf-8", "replace")
            found[int(words.hashes[word])] = shown.lower()
    return found
