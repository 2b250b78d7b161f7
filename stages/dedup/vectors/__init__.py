"""Remove documents whose embeddings are nearly the same: cosine similarity within blocks of near vectors.

What: documents are compared by vectors that the user's own model made (`columns: {embedding: FIELD}` of a source).
Blocks are found by spherical k-means on a sample; a document is compared with all of its `nearest` blocks, and linked
to those whose exact cosine similarity is min_similarity or more; whatever a chain of links holds together is a cluster,
of which one document stays by a declared rule, never by chance. Each that leaves names the document that stays, how
alike the two are, and the nearest that it was linked to. Vectors of different sizes are never alike. Documents without
a vector, or whose vector holds no number, only zeros or what is not finite, are left alone: `not_judged`.
`against` compares with earlier runs, whose vectors are not read from their input again (they need `index: true`) and
whose blocks must be used (`resource: RUN`); documents there always stay, and where a new document joins two of their
clusters those that would have left are told as `bridged`.
What is lost: pairs that have no block in common: of planted copies at a cosine of .97 none of 25,000 among 100,000
documents, with `nearest: 1` 0.2%, among 10,000 2.5%. A block of more than max_block different vectors is cut again.
Costs: 10,000, 30,000 and 100,000 embeddings of 384 numbers in 10, 17 and 32 s on two busy cores, the start of workers
in it; largest process 0.7, 0.8 and 1.0 GB (tests/benchmarks/vectors.py). Disk: each vector once as measured, and once
in the exchange for each of its blocks.
Source: Abbas et al. 2023 (SemDeDup), which compares within the nearest block alone and has no clusters.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo import clusters
from datapipe.algo.nodes import mixed
from datapipe.algo.survivors import SurvivorConfig, ranks, reads_of, scoped, ties
from datapipe.algo.vectors import cosine_of_pairs, vectors_of
from datapipe.stage import Group, Prepare, Round, Share, below, decide, first_of, measure, schema
from stages.dedup.vectors import _equals, _links, _prepare

NEAR_DUPLICATE = "near_duplicate"

KEYS = schema(row=pa.uint32(), key=pa.uint64(), content=pa.uint64())
ADDS = clusters.ADDS.append(pa.field("judged", pa.bool_()))
LONGEST = "longest"


class Config(SurvivorConfig):
    """Which vectors are compared, how alike they must be, and which document of a cluster stays."""

    column: str = measure("embedding", "column of vectors: lists of numbers")
    min_similarity: Share = measure(0.95, "cosine similarity from which on documents are linked", gt=0)
    blocks: int | None = measure(
        None, "blocks; not given: one for every 4,096 documents, and at most the root of their number", ge=1
    )
    nearest: int = measure(2, "blocks in which a document is compared, those nearest to it", ge=1, le=8)
    sample: int = measure(32_768, "vectors on which blocks are found; 16 for each block at the least", ge=64)
    max_block: int = measure(16_384, "different vectors of a block, or of a part of it, that are all compared", ge=64)
    seed: int = measure(1, "of the sample", ge=0, lt=2**32)
    min_similarity_to_survivor: Share | None = decide(
        None, "documents less alike to the one that stays stay too, though a chain of links leads there", gt=0
    )


def _reads(config: Config) -> tuple[str, ...]:
    return reads_of(config, config.column, *(["text"] if config.survivor == LONGEST else []))


def _column(config: Config) -> tuple[str, ...]:
    return (config.column,)


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """A key for each of the nearest blocks of each document that has a vector, and a hash of that vector."""
    assert resource is not None
    blocks = _prepare.centers_in(resource)
    vectors = vectors_of(batch[config.column], config.column)
    contents = vectors.contents()
    rows, keys = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
    for size in np.unique(vectors.sizes[vectors.is_sound]):
        mine = np.flatnonzero(vectors.is_sound & (vectors.sizes == size))
        number = np.zeros((len(mine), 1), np.int64)
        if size == blocks.centers.shape[1]:
            number = blocks.nearest(vectors.matrix(mine), config.nearest)
        rows.append(np.repeat(mine, number.shape[1]))
        keys.append(mixed(np.uint64(size) << np.uint64(32) | number.ravel().astype(np.uint64)))
    row, key = np.concatenate(rows), np.concatenate(keys)
    order = np.argsort(row, kind="stable")
    row, key = row[order], key[order]
    if config.within:  # a block in one scope has nothing to do with the same block in another
        at: Any = pa.array(row)
        key, _ = scoped((key, key), batch.select(list(config.within)).take(at))
    arrays: list[Any] = [pa.array(row.astype(np.uint32)), pa.array(key), pa.array(contents[row])]
    return pa.RecordBatch.from_arrays(arrays, schema=KEYS)


def measure_vectors(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The vector of each document (empty where it is not sound), its id, and what ranks it."""
    arrays: list[Any] = [
        vectors_of(batch[config.column], config.column).listed(),
        batch["id"],
        pa.array(ranks(batch, config, "text")),
        ties(batch, config),
    ]
    return pa.RecordBatch.from_arrays(arrays, names=["vector", "id", "rank", "tie"])


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """What is known of each document's cluster, and whether it has a vector to be judged by."""
    found = clusters.apply(batch, verdicts, config)
    judged: Any = pa.array(vectors_of(batch[config.column], config.column).is_sound)
    return pa.RecordBatch.from_arrays([*found.columns, judged], schema=ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Every document of a cluster but the survivor leaves, if it is alike enough to it."""
    leaves: Any = np.asarray(measured["survivor"].is_valid())
    return first_of((leaves & ~below(measured["similarity"], config.min_similarity_to_survivor), NEAR_DUPLICATE))


STAGE = Group(
    name="dedup.vectors",
    version=1,
    config=Config,
    reads=_reads,
    adds=ADDS,
    reasons={NEAR_DUPLICATE: "its vector is nearly that of a document that stays, or a chain of such leads there"},
    prepare=Prepare(build=_prepare.build, sketch=_prepare.sketch, merge=_prepare.merge, reads=_column),
    rounds=(
        Round(emit=emit, resolve=_equals.resolve, sort=("content",)),
        Round(answer=_links.answer, resolve=_links.resolve, sort=("content",)),
        *clusters.rounds("vector", cosine_of_pairs),
    ),
    measure=measure_vectors,
    apply=apply,
    compares=_column,
    applies=_column,
    decide=decide_reasons,
)
