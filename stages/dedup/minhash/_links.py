"""Second round: candidates are compared shingle by shingle; those that are alike enough are linked.

Each center meets its candidates with the shingles of all, so a document's shingles travel once for each center that
asks for them, and pairs that share several bands are compared once. Equals of their center come without shingles.
Costs: 20 million shingles a second; memory: a window of documents with their shingles.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.clusters import LINKS
from datapipe.algo.minhash import jaccard_of_pairs
from datapipe.algo.nodes import mixed, nodes_of, place_of
from datapipe.stage import Scratch


def answer(measured: pa.RecordBatch, asked: pa.RecordBatch, config: Any) -> pa.RecordBatch:
    """For each center that asks, the document with its shingles; null where it is known to be the center's equal."""
    rows, centers = asked["row"].to_numpy(), asked["center"].to_numpy()
    order = np.lexsort((centers, rows))
    new = np.ones(len(order), np.bool_)
    new[1:] = (rows[order][1:] != rows[order][:-1]) | (centers[order][1:] != centers[order][:-1])
    some = asked.take(order[new])
    places = np.searchsorted(measured["row"].to_numpy(), some["row"].to_numpy())
    every: Any = pa.array(places)
    known: Any = pa.array(places, mask=some["equal"].to_numpy(zero_copy_only=False))
    center = some["center"].to_numpy()
    return pa.RecordBatch.from_arrays(
        [
            some["row"],
            pa.array(mixed(center)),
            pa.array((nodes_of(some) != center).astype(np.uint8)),
            measured["shingles"].take(known),
            measured["id"].take(every),
        ],
        names=["row", "key", "member", "shingles", "id"],
    )


def resolve(stream: Iterator[pa.RecordBatch], config: Any, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """The links, each told to both of its documents."""
    center: pa.RecordBatch | None = None  # the last one: its candidates may go on in the next batch
    for batch in stream:
        if batch.num_rows == 0:
            continue
        rows = pa.concat_batches([center, batch]) if center is not None else batch  # type: ignore[attr-defined]
        is_member = rows["member"].to_numpy() == 1
        places = np.flatnonzero(~is_member)
        members = np.flatnonzero(is_member)
        centers = places[np.searchsorted(places, members) - 1]
        alike: Any = jaccard_of_pairs(rows["shingles"], rows["shingles"], (centers, members))
        equal = np.asarray(rows["shingles"].is_null())[members]
        similarity = np.where(equal, 1.0, np.asarray(alike.fill_null(-1.0)))
        near = similarity >= (config.min_similarity if config.min_similarity is not None else 0.0)
        yield _told(rows, (members[near], centers[near]), similarity[near], config)
        yield _told(rows, (centers[near], members[near]), similarity[near], config)
        center = rows.slice(int(places[-1]), 1)


def _told(rows: pa.RecordBatch, pairs: tuple[Any, Any], similarity: Any, config: Any) -> pa.RecordBatch:
    """What the first documents of pairs learn of the second."""
    one, other = pairs
    nodes = nodes_of(rows)
    is_old = rows["run"].to_numpy() < len(config.against)
    shard, row = place_of(nodes[one])
    arrays: list[Any] = [
        shard,
        row,
        pa.array(mixed(nodes[one])),
        pa.array(1.0 - similarity),
        rows["id"].take(pa.array(other)),
        pa.array(nodes[other]),
        pa.array(is_old[one] & is_old[other]),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=LINKS)
