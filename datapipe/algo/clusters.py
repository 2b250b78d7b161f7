"""Links between documents become clusters, and of each cluster one document stays, by the declared rule.

For the stages that find near duplicates: the last two rounds of each, which differ only in what two documents are
compared by. The stage's links (`LINKS`) are told to both documents of each; the rounds before know how to find them.
A cluster is whatever a chain of links holds together, so its ends may be less alike than the threshold: how alike each
document is to the one that stays is told beside it (`datapipe.algo.verdicts`).
Costs: links as in `datapipe.algo.components`; memory: as given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.components import Components
from datapipe.algo.keyed import verdict_of_rows
from datapipe.algo.nodes import Uint64s, firsts, nodes_of, place_of
from datapipe.algo.verdicts import VERDICTS, Alike, Answer, Judge
from datapipe.stage import Round, Scratch, schema

__all__ = ["ADDS", "LINKS", "apply", "rounds"]

LINKS = schema(
    shard=pa.uint32(),
    row=pa.uint32(),
    key=pa.uint64(),
    distance=pa.float64(),
    apart=pa.uint8(),  # 0 where the other is the first of this one's equals
    other_id=pa.string(),
    other=pa.uint64(),
    old=pa.bool_(),
)
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
ADDS = pa.schema([field for field in VERDICTS if field.name not in {"shard", "row"}])


def rounds(column: str, alike: Alike) -> tuple[Round, Round]:
    """From links on to verdicts: the last two rounds of a stage.

    `column` is what the stage's `measure` gives to compare documents by, besides `id`, `rank` and `tie`;
    `alike(column, column, (rows, rows))` → how alike each pair is, float64, null where that cannot be told.
    """
    return (
        Round(resolve=_resolve_links, sort=("distance", "apart", "other_id"), whole=True),
        Round(answer=Answer(column), resolve=Judge(column, alike), sort=("head", "run", "rank", "tie")),
    )


def _resolve_links(stream: Iterator[pa.RecordBatch], _config: Any, scratch: Scratch) -> Iterator[pa.RecordBatch]:
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


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, _config: Any) -> pa.RecordBatch:
    """What is known of each document's cluster; null where it has none, and the size 1."""
    if verdicts.num_rows == 0:  # then it may have no columns either
        verdicts = pa.RecordBatch.from_pylist([], VERDICTS)
    at = verdict_of_rows(batch["row"], verdicts)
    columns: dict[str, Any] = {field.name: verdicts[field.name].take(at) for field in ADDS}
    columns["cluster_size"] = columns["cluster_size"].fill_null(1)
    return pa.RecordBatch.from_arrays([columns[name] for name in ADDS.names], schema=ADDS)
