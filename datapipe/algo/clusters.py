"""Links between documents become clusters, and of each cluster one document stays, by the declared rule.

For the stages that find near duplicates: the last two rounds of each, which differ only in what two documents are
compared by. The stage's links (`LINKS`) are told to both documents of each; the rounds before know how to find them.

A cluster is whatever a chain of links holds together, so its ends may be less alike than the threshold: how alike each
document is to the one that stays is told beside it. Where a new document joins clusters of earlier runs, documents of
these stay as they were: they are `bridged`.
Costs: links as in `datapipe.algo.components`; memory: as given, and in the last round a window of documents with what
they are compared by, which travels once more, that of equals too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.components import Components
from datapipe.algo.keyed import verdict_of_rows
from datapipe.algo.nodes import Uint64s, firsts, mixed, nodes_of, place_of
from datapipe.stage import Round, Scratch, schema

__all__ = ["ADDS", "LINKS", "apply", "rounds"]

Alike: TypeAlias = Callable[[Any, Any, tuple[Any, Any]], pa.DoubleArray]

LINKS = schema(
    shard=pa.uint32(),
    row=pa.uint32(),
    key=pa.uint64(),
    distance=pa.float64(),
    other_id=pa.string(),
    other=pa.uint64(),
    old=pa.bool_(),
)
MEMBERS = schema(
    shard=pa.uint32(),
    row=pa.uint32(),
    root=pa.uint64(),
    size=pa.int64(),
    old_root=pa.uint64(),
    linked_to=pa.string(),
    link_similarity=pa.float64(),
)
VERDICTS = schema(
    shard=pa.uint32(),
    row=pa.uint32(),
    cluster=pa.string(),
    cluster_size=pa.int64(),
    survivor=pa.string(),
    similarity=pa.float64(),
    linked_to=pa.string(),
    link_similarity=pa.float64(),
    bridged=pa.list_(pa.string()),
)
ADDS = pa.schema([field for field in VERDICTS if field.name not in {"shard", "row"}])
HEADER, MEMBER = 0, 1


# ---------------------------------------------------------------------------------------------- from links


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
        yield _members(nodes[new], linked_to=some["other_id"], link_similarity=similarity)
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


# ---------------------------------------------------------------------------------------------- to verdicts


class _Bridges:
    """Per cluster: who stayed of each cluster of earlier runs. Rows come in order, those of earlier runs first."""

    def __init__(self) -> None:
        self._key: int | None = None
        self._roots: set[int] = set()
        self._stayed: list[str] = []

    def of(self, rows: pa.RecordBatch, members: Any, is_old: Any) -> list[list[str] | None]:
        """For each member the survivors that it bridges, beside the first new document of its cluster."""
        found: list[list[str] | None] = [None] * len(members)
        if not is_old.any() and self._key is None:
            return found
        keys, roots = rows["key"].to_numpy(), rows["old_root"]
        for place, (at, old) in enumerate(zip(members.tolist(), is_old.tolist(), strict=True)):
            if int(keys[at]) != self._key:
                self._key, self._roots, self._stayed = int(keys[at]), set(), []
            if old:
                root = roots[at].as_py()
                if root is None or root not in self._roots:
                    self._stayed.append(rows["id"][at].as_py())
                self._roots.add(root)
            else:
                found[place] = self._stayed[1:] or None
                self._stayed = []
        return found


def _known(asked: pa.RecordBatch) -> pa.Table:
    """One row a document: what the rows on it say together. Each column is told by one of them at most."""
    row = asked["row"].to_numpy()
    new = firsts(row)
    place = np.cumsum(new) - 1
    columns: dict[str, Any] = {"row": pa.array(row[new])}
    for name in ("root", "size", "old_root", "linked_to", "link_similarity"):
        told = np.flatnonzero(np.asarray(asked[name].is_valid()))
        at = np.full(int(new.sum()), -1)
        at[place[told]] = told
        columns[name] = asked[name].take(pa.array(at, mask=at < 0))
    return pa.table(columns)


def rounds(column: str, alike: Alike) -> tuple[Round, Round]:
    """From links on to verdicts: the last two rounds of a stage.

    `column` is what the stage's `measure` gives to compare documents by, besides `id`, `rank` and `tie`;
    `alike(column, column, (rows, rows))` → how alike each pair is, float64, null where that cannot be told.
    """
    return (
        Round(resolve=_resolve_links, sort=("distance", "other_id"), whole=True),
        Round(answer=_Members(column), resolve=_Judge(column, alike), sort=("head", "run", "rank", "tie")),
    )


@dataclass(frozen=True)
class _Members:
    """What documents answer. A record and no method, as stages are compared once they were pickled."""

    column: str

    def __call__(self, measured: pa.RecordBatch, asked: pa.RecordBatch, _config: Any) -> pa.RecordBatch:
        """Each document to its cluster, with what decides who stays; before them a header with the cluster's size."""
        of: Any = _known(asked)
        at: Any = pa.array(np.searchsorted(measured["row"].to_numpy(), of["row"].to_numpy()))
        names = ("rank", "tie", "id", self.column)
        members = pa.table(
            {
                "row": of["row"],
                "key": pa.array(mixed(of["root"].to_numpy())),
                "head": pa.array(np.full(of.num_rows, MEMBER, np.uint8)),
                **{name: measured[name].take(at) for name in names},
                **{name: of[name] for name in ("size", "old_root", "linked_to", "link_similarity")},
            }
        )
        headers = members.filter(pc.is_valid(members["size"]))
        headers = headers.set_column(2, "head", pa.array(np.full(len(headers), HEADER, np.uint8)))
        both = pa.concat_tables([headers, members]).combine_chunks().to_batches()
        return both[0]


@dataclass(frozen=True)
class _Judge:
    """Who stays of each cluster, and how alike the others are to that document."""

    column: str
    alike: Alike

    def __call__(self, stream: Iterator[pa.RecordBatch], config: Any, _scratch: Scratch) -> Iterator[pa.RecordBatch]:
        """The verdict on each document of this run."""
        carried: pa.RecordBatch | None = None  # header and survivor of the last cluster, which may go on
        bridges = _Bridges()
        for batch in stream:
            if batch.num_rows == 0:
                continue
            rows = pa.concat_batches([carried, batch]) if carried is not None else batch  # type: ignore[attr-defined]
            known = 0 if carried is None else carried.num_rows
            heads = np.flatnonzero(rows["head"].to_numpy() == HEADER)
            members = np.flatnonzero(rows["head"].to_numpy() == MEMBER)
            of = np.searchsorted(heads, members) - 1
            survivors = np.minimum(heads[of] + 1, rows.num_rows - 1)
            new = members >= known
            yield self._verdicts(rows, (members[new], heads[of][new], survivors[new]), config, bridges)
            last = int(heads[-1])
            carried = rows.slice(last, min(2, rows.num_rows - last))

    def _verdicts(
        self, rows: pa.RecordBatch, at: tuple[Any, Any, Any], config: Any, bridges: _Bridges
    ) -> pa.RecordBatch:
        """`at`: members, the headers of their clusters, and who stays of these."""
        members, heads, survivors = at
        is_old = rows["run"].to_numpy()[members] < len(config.against)
        bridged: Any = pa.array(bridges.of(rows, members, is_old), pa.list_(pa.string()))
        own = np.flatnonzero(~is_old)
        members, heads, survivors = members[own], heads[own], survivors[own]
        stays: Any = pa.array(members == survivors)
        names = rows["id"].take(pa.array(survivors))
        similarity = self.alike(rows[self.column], rows[self.column], (survivors, members))
        arrays: list[Any] = [
            rows["shard"].take(pa.array(members)),
            rows["row"].take(pa.array(members)),
            names,
            rows["size"].take(pa.array(heads)),
            pc.if_else(stays, pa.scalar(None, pa.string()), names),
            pc.if_else(stays, pa.scalar(None, pa.float64()), similarity),
            rows["linked_to"].take(pa.array(members)),
            rows["link_similarity"].take(pa.array(members)),
            bridged.take(own),
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=VERDICTS)


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, _config: Any) -> pa.RecordBatch:
    """What is known of each document's cluster; null where it has none, and the size 1."""
    if verdicts.num_rows == 0:  # then it may have no columns either
        verdicts = pa.RecordBatch.from_pylist([], VERDICTS)
    at = verdict_of_rows(batch["row"], verdicts)
    columns: dict[str, Any] = {field.name: verdicts[field.name].take(at) for field in ADDS}
    columns["cluster_size"] = columns["cluster_size"].fill_null(1)
    return pa.RecordBatch.from_arrays([columns[name] for name in ADDS.names], schema=ADDS)
