"""Second round: candidates are compared shingle by shingle; those that are alike enough are linked.

Each center meets its candidates with the shingles of all, so a document's shingles travel once for each center that
asks for them, and pairs that share several bands are compared once. Equals of their center come without shingles. Of a
large bucket the document that stands in most large buckets is the center; of several the first in the corpus's order.
Costs: 20 million shingles a second; memory: a window of documents with their shingles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.clusters import LINKS
from datapipe.algo.minhash import jaccard_of_pairs
from datapipe.algo.near.candidates import EQUAL, IN_BUCKET
from datapipe.algo.nodes import firsts, mixed, nodes_of, place_of
from datapipe.stage import Scratch

__all__ = ["Answer", "NearPairs", "near_pairs", "resolve"]

CENTER, MEMBER = 0, 1  # in the order in which documents meet
BUCKET = 2  # from here on documents of a large bucket, those that stand in most of them first
MOST_BUCKETS = 1 << 31


@dataclass(frozen=True)
class Answer:
    """What documents answer; `also` names columns that go along with their shingles and ids."""

    also: tuple[str, ...] = ()

    def __call__(self, measured: pa.RecordBatch, asked: pa.RecordBatch, _config: Any) -> pa.RecordBatch:
        """For each center or large bucket that asks, the document with its shingles; null for a center's equal."""
        rows, centers, kinds = (asked[name].to_numpy() for name in ("row", "center", "kind"))
        order = np.lexsort((kinds, centers, rows))
        new = firsts(rows[order]) | firsts(centers[order]) | firsts(kinds[order])
        some = asked.take(order[new])
        places = np.searchsorted(measured["row"].to_numpy(), some["row"].to_numpy())
        center, kind = some["center"].to_numpy(), some["kind"].to_numpy()
        in_bucket = kind == IN_BUCKET
        buckets = np.bincount(places[in_bucket], minlength=measured.num_rows)[places]
        alone = np.where(nodes_of(some) == center, CENTER, MEMBER)
        member = np.where(in_bucket, BUCKET + MOST_BUCKETS - buckets, alone).astype(np.uint32)
        every: Any = pa.array(places)
        known: Any = pa.array(places, mask=kind == EQUAL)
        names = ("id", *self.also)
        return pa.RecordBatch.from_arrays(
            [
                some["row"],
                pa.array(np.where(in_bucket, center, mixed(center))),
                pa.array(member),
                measured["shingles"].take(known),
                *(measured[name].take(every) for name in names),
            ],
            names=["row", "key", "member", "shingles", *names],
        )


class NearPairs(NamedTuple):
    """Documents that are linked, by their places in a batch: who is told, of whom, and how far apart the two are."""

    one: Any
    other: Any
    distance: Any
    apart: Any


def near_pairs(stream: Iterator[pa.RecordBatch], config: Any) -> Iterator[tuple[pa.RecordBatch, NearPairs]]:
    """The documents of each part of a stream, and those pairs of them that are alike enough, each told of its center.

    A pair may come again, by another bucket. `min_similarity` of the config is the Jaccard similarity that links.
    """
    center: pa.RecordBatch | None = None  # the last one: its candidates may go on in the next batch
    for batch in stream:
        if batch.num_rows == 0:
            continue
        rows = pa.concat_batches([center, batch]) if center is not None else batch  # type: ignore[attr-defined]
        first = firsts(rows["key"].to_numpy()) | firsts(rows["member"].to_numpy() >= BUCKET)
        places, members = np.flatnonzero(first), np.flatnonzero(~first)
        centers = places[np.searchsorted(places, members) - 1]
        alike: Any = jaccard_of_pairs(rows["shingles"], rows["shingles"], (centers, members))
        equal = np.asarray(rows["shingles"].is_null())[members]
        similarity = np.where(equal, 1.0, np.asarray(alike.fill_null(-1.0)))
        near = similarity >= (config.min_similarity if config.min_similarity is not None else 0.0)
        yield rows, NearPairs(members[near], centers[near], 1.0 - similarity[near], (~equal[near]).astype(np.uint8))
        center = rows.slice(int(places[-1]), 1)


def resolve(stream: Iterator[pa.RecordBatch], config: Any, _scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """The links, each told to its member; a center learns of its closest."""
    for rows, found in near_pairs(stream, config):
        yield _told(rows, found, config)
        yield _told(rows, _closest(rows, found), config)


def _closest(rows: pa.RecordBatch, found: NearPairs) -> NearPairs:
    """What centers learn: of each its closest member, and of several the one of the least id."""
    order = np.lexsort((found.distance, found.other))
    center, distance = found.other[order], found.distance[order]
    starts = np.flatnonzero(firsts(center))
    order = order[distance == np.repeat(distance[starts], np.diff(np.append(starts, len(order))))]
    by_id: Any = pa.table({"center": found.other[order], "id": rows["id"].take(pa.array(found.one[order]))})
    order = order[pc.sort_indices(by_id, [("center", "ascending"), ("id", "ascending")]).to_numpy()]
    order = order[firsts(found.other[order])]
    return NearPairs(found.other[order], found.one[order], found.distance[order], np.ones(len(order), np.uint8))


def _told(rows: pa.RecordBatch, found: NearPairs, config: Any) -> pa.RecordBatch:
    """What the first documents of pairs learn of the second."""
    nodes = nodes_of(rows)
    is_old = rows["run"].to_numpy() < len(config.against)
    shard, row = place_of(nodes[found.one])
    arrays: list[Any] = [
        shard,
        row,
        pa.array(mixed(nodes[found.one])),
        pa.array(found.distance),
        pa.array(found.apart),
        rows["id"].take(pa.array(found.other)),
        pa.array(nodes[found.other]),
        pa.array(is_old[found.one] & is_old[found.other]),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=LINKS)
