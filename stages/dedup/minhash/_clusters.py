"""Third round: links become clusters, which are whatever a chain of links holds together.

Costs: links as in `datapipe.algo.components`; memory: as given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.components import Components
from datapipe.stage import Scratch, schema
from stages.dedup.minhash._nodes import Uint64s, firsts, nodes_of, place_of

MEMBERS = schema(
    shard=pa.uint32(),
    row=pa.uint32(),
    first=pa.uint64(),  # of its equals, where it is another
    root=pa.uint64(),
    size=pa.int64(),
    old_root=pa.uint64(),
    linked_to=pa.string(),
    link_similarity=pa.float64(),
)


def resolve_links(stream: Iterator[pa.RecordBatch], config: Any, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """For each document its closest link, its cluster, and for the least document of a cluster its size."""
    joint = Components(scratch.folder / "joint", scratch.memory_bytes // 4)
    old = Components(scratch.folder / "old", scratch.memory_bytes // 4)
    last: int | None = None
    for batch in stream:
        if batch.num_rows == 0:
            continue
        nodes, others = nodes_of(batch), batch["other"].to_numpy()
        joint.add(nodes, others)
        both_old = batch["old"].to_numpy(zero_copy_only=False)
        old.add(nodes[both_old], others[both_old])
        new = firsts(nodes)
        new[0] = last != int(nodes[0])
        last = int(nodes[-1])
        some = batch.filter(pa.array(new))
        similarity = pa.array(1.0 - some["distance"].to_numpy())
        first = pa.array(others[new], mask=some["apart"].to_numpy() != 0)
        yield _members(nodes[new], linked_to=some["other_id"], link_similarity=similarity, first=first)
    for part in old.members():
        yield _members(part[:, 1], old_root=pa.array(part[:, 0]))
    yield from _clusters(joint)


def _members(nodes: Uint64s, **known: Any) -> pa.RecordBatch:
    shard, row = place_of(nodes)
    columns: dict[str, Any] = {"shard": shard, "row": row, **known}
    arrays = [columns.get(field.name, pa.nulls(len(nodes), field.type)) for field in MEMBERS]
    return pa.RecordBatch.from_arrays(arrays, schema=MEMBERS)


def _clusters(joint: Components) -> Iterator[pa.RecordBatch]:
    """The cluster of each document; its size stands beside its least document, once all are counted."""
    root, size = np.uint64(0), 0
    for part in joint.members():
        yield _members(part[:, 1].copy(), root=pa.array(part[:, 0].copy()))
        starts = np.flatnonzero(firsts(part[:, 0]))
        roots, sizes = part[starts, 0], np.diff(np.append(starts, len(part)))
        if size and roots[0] == root:
            sizes[0] += size
        elif size:
            yield _members(np.array([root]), size=pa.array([size]))
        yield _members(roots[:-1].copy(), size=pa.array(sizes[:-1]))
        root, size = roots[-1], int(sizes[-1])
    if size:
        yield _members(np.array([root]), size=pa.array([size]))
