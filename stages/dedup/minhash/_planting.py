"""Near duplicates of real documents, as alike as they are meant to be: what an audit plants.

What: some words of a copy are replaced, or left out, or as many are put in between, until its exact Jaccard similarity
of shingles, as the stage measures it, has come down to .7, .75, … .95: the most changes that leave it there or above.
Levels under `min_similarity` are not planted, for the stage is not to link those; nor are documents too short to come
within .03 of their level. What stands in the words' places are other words of the document.
Costs some 15 measurements of each chosen document.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.chance import Chance
from datapipe.algo.hosting import copies_of, text_column
from datapipe.algo.minhash import jaccard_of_pairs, shingle_sets
from datapipe.stage import Planting
from datapipe.text import shingles

LEVELS = (0.70, 0.75, 0.80, 0.85, 0.90, 0.95)
NEAR = 0.03  # a case lies so little above its level, or is none
MOST_CHARACTERS = 200_000  # of a document of which a case is made
_PIECES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|\s+")

Change = Callable[[list[str], list[int], int], str]


class _Draft:
    """A document on its way to a case: its pieces, the words among them in the order of change, and how many change."""

    def __init__(self, row: int, text: str, level: float, chance: Chance) -> None:
        self.row, self.level = row, level
        self._pieces = _PIECES.findall(text)
        words = [at for at, piece in enumerate(self._pieces) if not piece.isspace()]
        self._order = [words[at] for at in chance.order(len(words))]
        self._change = chance.pick((_replaced, _left_out, _put_in))
        self.fewest, self.most = 0, len(words)  # changes that leave it alike enough, and that do not (or all)
        self.best: tuple[float, str] | None = None

    @property
    def open(self) -> bool:
        """Whether more can be learned."""
        return self.most - self.fewest > 1

    def next(self) -> str:
        """The text with as many changes as are to be tried."""
        return self._change(self._pieces, self._order, (self.fewest + self.most) // 2)

    def learn(self, similarity: float, text: str) -> None:
        """Take in how alike that text is."""
        middle = (self.fewest + self.most) // 2
        if similarity >= self.level:
            self.fewest, self.best = middle, (similarity, text)
        else:
            self.most = middle


def _replaced(pieces: list[str], order: list[int], count: int) -> str:
    made = list(pieces)
    for nth, at in enumerate(order[:count]):
        made[at] = pieces[order[-1 - nth]]
    return "".join(made)


def _left_out(pieces: list[str], order: list[int], count: int) -> str:
    """A stretch of so many words behind the first in order."""
    words = sorted(order)
    start = words.index(order[0])
    gone = {words[at % len(words)] for at in range(start, start + count)}
    return "".join(piece for at, piece in enumerate(pieces) if at not in gone)


def _put_in(pieces: list[str], order: list[int], count: int) -> str:
    """So many words of the document, in another order, before the first in order."""
    more = " ".join(pieces[at] for at in order[:count])
    return "".join([*pieces[: order[0]], more, " ", *pieces[order[0] :]])


def plant(batch: pa.RecordBatch, config: Any, resource: Path | None, seeds: Any) -> pa.RecordBatch:
    """A case for each document that is long enough."""
    levels = [level for level in LEVELS if level >= (config.min_similarity or 0)]
    texts: list[str | None] = batch[config.column].to_pylist() if levels and _changes(config) else []
    drafts = []
    for row, text in enumerate(texts):
        if text and len(text) <= MOST_CHARACTERS:
            chance = Chance(int(seeds[row]))
            drafts.append(_Draft(row, text, chance.pick(levels), chance))
    while trying := [draft for draft in drafts if draft.open]:
        made = [draft.next() for draft in trying]
        similarities = _alike([texts[draft.row] or "" for draft in trying], made, config)
        for draft, text, similarity in zip(trying, made, similarities, strict=True):
            draft.learn(similarity, text)
    good = [(each, *each.best) for each in drafts if each.best and each.best[0] <= each.level + NEAR]
    return copies_of(config.column, ((each.row, f"jaccard_{each.level:.2f}", text) for each, _, text in good))


def _alike(texts: list[str], others: list[str], config: Any) -> list[float]:
    """Exact Jaccard of pairs of texts, as the stage measures it."""
    both = pa.array([*texts, *others], pa.large_string())
    sets = shingle_sets(shingles(both, config.shingle, most_words=config.max_words))
    at = np.arange(len(texts))
    found: list[float | None] = jaccard_of_pairs(sets, sets, (at, at + len(texts))).to_pylist()
    return [one or 0.0 for one in found]


def _changes(config: Any) -> tuple[str, ...]:
    return text_column(config.column)


def _reads(config: Any) -> tuple[str, ...]:
    return (config.column,)


PLANTING = Planting(version=1, plant=plant, reads=_reads, changes=_changes)
