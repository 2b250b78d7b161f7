"""Remove documents that are nearly the same as another: MinHash, verified.

What: documents are sets of shingles (runs of words in normal form; of characters where words are not set apart by
spaces). Those whose signatures share a band are candidates; candidates are compared shingle by shingle, and linked
where their exact Jaccard similarity is min_similarity or more; whatever a chain of links holds together is a cluster,
of which one document stays by a declared rule, never by chance. Each that leaves names the document that stays, how
alike the two are, and the document that it was linked to. Documents shorter than a shingle match only their equals;
those without a word are left alone.
`against` compares with earlier runs, whose texts are not read again (they need `index: true`): documents there always
stay, and where a new document joins two of their clusters those that would have left are told as `bridged`.
A candidate pair is found with probability 1 - (1 - s^rows)^bands at similarity s: .56, .92 and 1.0 at .7, .8 and .9
with 14 bands of 8 rows. In a bucket of more than nine documents of different signatures each is compared with the eight
before it, up to the first thousand, and with the one that stands in most such buckets, so that no bucket costs more
than linear time. That costs recall where thousands share a template: of pairs .885 alike beside others .70 alike 1.8%
were missed among 4,000 pairs, of those .815 beside .53 7%, against .1% and 5% by the curve. Words are compared in
normal form, without numbers and symbols: mathematics, code and tables are better left out with
`where`.
Costs: one text of 40 words a million times 123 s of CPU time with the start, and 770 MB in the largest process; a hub
of 100,000 documents of 200 words 85 s and 1.3 GB (tests/benchmarks/hostile.py).
Source: Broder 1997; Lee et al. 2022; 14 x 8 as in FineWeb (Penedo et al. 2024); verification as in Dolma 3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.banding import probability
from datapipe.algo.clusters import ADDS, apply, rounds
from datapipe.algo.minhash import jaccard_of_pairs, shingle_sets
from datapipe.algo.near import candidates, links
from datapipe.algo.near.shingled import NearConfig, band_rows, bands_of
from datapipe.algo.survivors import SurvivorConfig, ranks, reads_of, ties
from datapipe.stage import Group, Likeness, Round, Share, below, decide, first_of, measure
from datapipe.text import Shingles, shingles
from stages.dedup.minhash import _planting

NEAR_DUPLICATE = "near_duplicate"


class Config(NearConfig, SurvivorConfig):
    """How documents are compared, how alike they must be, and which of a cluster stays."""

    column: str = measure("text", "column whose values are compared")
    min_similarity_to_survivor: Share | None = decide(
        None, "documents less alike to the one that stays stay too, though a chain of links leads there", gt=0
    )


def _reads(config: Config) -> tuple[str, ...]:
    return reads_of(config, config.column)


def _shingles(batch: pa.RecordBatch, config: Config) -> Shingles:
    return shingles(batch[config.column], config.shingle, most_words=config.max_words)


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The keys of each document; see `band_rows`."""
    return band_rows(_shingles(batch, config), config, batch.select(list(config.within)))


def measure_shingles(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The different shingles of each document, its id, and what ranks it."""
    arrays: list[Any] = [
        shingle_sets(_shingles(batch, config)),
        batch["id"],
        pa.array(ranks(batch, config, config.column)),
        ties(batch, config),
    ]
    return pa.RecordBatch.from_arrays(arrays, names=["shingles", "id", "rank", "tie"])


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Every document of a cluster but the survivor leaves, if it is alike enough to it."""
    leaves: Any = np.asarray(measured["survivor"].is_valid())
    return first_of((leaves & ~below(measured["similarity"], config.min_similarity_to_survivor), NEAR_DUPLICATE))


# ---------------------------------------------------------------------------------------------- likeness


def compare(one: pa.RecordBatch, others: pa.RecordBatch, config: Config) -> pa.DoubleArray:
    """Exact Jaccard of the shingles of one document and of each of some others."""
    rows = np.arange(others.num_rows)
    return jaccard_of_pairs(one["shingles"], others["shingles"], (np.zeros_like(rows), rows))


def found(similarity: float, config: Config) -> float:
    """Probability that two documents so alike share a band."""
    return float(probability(similarity, *bands_of(config)))


def _least(config: Config) -> float:
    return config.min_similarity or 0.0


def _compares(config: Config) -> tuple[str, ...]:
    return (config.column,)


def _column(config: Config) -> str:
    return config.column


def _scope(config: Config) -> tuple[str, ...]:
    return config.within


STAGE = Group(
    name="dedup.minhash",
    version=3,
    config=Config,
    reads=_reads,
    adds=ADDS,
    coded=("cluster", "survivor", "linked_to", "bridged"),
    reasons={NEAR_DUPLICATE: "it is nearly the same as a document that stays, or a chain of such leads there"},
    rounds=(
        Round(emit=emit, resolve=candidates.resolve, sort=("signature", "content")),
        Round(answer=links.Answer(), resolve=links.resolve, sort=("member",)),
        *rounds("shingles", jaccard_of_pairs),
    ),
    measure=measure_shingles,
    apply=apply,
    compares=_compares,
    libraries=("datapipe.text",),
    decide=decide_reasons,
    audit=_planting.PLANTING,
    likeness=Likeness(compare=compare, probability=found, least=_least, column=_column, scope=_scope),
)
