"""Which part the documents of a cluster go to, and who joins two parts that earlier runs have set apart.

Documents of earlier runs have their part; links among them say nothing more. A new document that is near to some of
them has their parts as its sides; a document that stood in an earlier run already is fixed, whatever it is near to. New
documents with two sides leave. What then still hangs together among new ones is a cluster with the sides of all its
members: of one side it goes there, of none by the hash of its first member, and of several all leave but those fixed.
Parts are bits of a uint64, in the order of the config.
Costs: links as in `datapipe.algo.components`; memory: as given, and 8 bytes for each document that joins two sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.chance import chances
from datapipe.algo.components import Components
from datapipe.algo.near.links import NearPairs, near_pairs
from datapipe.algo.nodes import firsts, mixed, nodes_of, place_of
from datapipe.algo.pairs import Pairs
from datapipe.schema import COLUMNS
from datapipe.stage import Mask, Scratch, schema
from datapipe.text.jit import Int64s, Uint64s

RECALLED = ("split", "cluster")
ADDS = schema(split=COLUMNS["split"], cluster=pa.string(), sides=pa.list_(pa.string()))
VERDICTS = pa.schema([*schema(shard=pa.uint32(), row=pa.uint32()), *ADDS])
ITSELF, SIDE, LINK = 0, 1, 2  # in the order in which a document is told of its like
LINKS = schema(
    shard=pa.uint32(),
    row=pa.uint32(),
    key=pa.uint64(),
    kind=pa.uint8(),
    cluster=pa.string(),  # of the other, where it has a part
    other=pa.uint64(),
    part=pa.uint64(),  # of the other; 0 where it has none
)
KNOWN = schema(
    shard=pa.uint32(),
    row=pa.uint32(),
    fixed=pa.uint64(),  # the part that an earlier run gave to this document, or 0
    sides=pa.uint64(),
    cluster=pa.string(),
    root=pa.uint64(),
)
SIDES, MEMBER = 0, 1  # in the order in which the rows of a cluster stand
NOBODY = np.uint64(0)


# ---------------------------------------------------------------------------------------------- parts


def drawn(ids: Any, config: Any) -> Int64s:
    """The number of the part that the hash of each id leads to."""
    shares = chances(ids, config.seed, "split") / 2.0**64
    ends = np.cumsum(list(config.parts.values()))
    found: Int64s = np.minimum(np.searchsorted(ends / ends[-1], shares, side="right"), len(ends) - 1)
    return found


def names_of(parts: Int64s, config: Any) -> pa.StringArray:
    """Names of parts by number; null for -1."""
    at: Any = pa.array(parts, mask=parts < 0)
    return pa.array(list(config.parts), pa.string()).take(at)


def _bits(names: Any, config: Any) -> Uint64s:
    at: Any = pc.fill_null(pc.index_in(names, pa.array(list(config.parts), pa.string())), -1)
    numbers = at.to_numpy(zero_copy_only=False).astype(np.int64)
    return np.where(numbers >= 0, np.uint64(1) << np.maximum(numbers, 0).astype(np.uint64), NOBODY)


def _numbers(bits: Uint64s) -> Int64s:
    """Numbers of parts, each given as its bit; -1 for none."""
    found: Int64s = np.where(bits > 0, np.log2(np.maximum(bits, np.uint64(1)).astype(np.float64)), -1).astype(np.int64)
    return found


def _several(bits: Uint64s) -> Mask:
    """Where more than one bit is set."""
    several: Mask = (bits & (bits - (bits > 0).astype(np.uint64))) != 0
    return several


# ---------------------------------------------------------------------------------------------- links


def told(stream: Iterator[pa.RecordBatch], config: Any, _scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """To each new document those that are near to it, but for documents of earlier runs without a part."""
    for rows, found in near_pairs(stream, config):
        yield _links(rows, found, config)


def _links(rows: pa.RecordBatch, found: NearPairs, config: Any) -> pa.RecordBatch:
    one, other = np.concatenate([found.one, found.other]), np.concatenate([found.other, found.one])
    old = rows["run"].to_numpy() < len(config.against)
    bits = np.where(old, _bits(rows["split"], config), NOBODY)
    some = ~old[one] & (~old[other] | (bits[other] > 0))
    one, other = one[some], other[some]
    ids = rows["id"].cast(pa.large_string())
    same: Any = pc.equal(ids.take(pa.array(one)), ids.take(pa.array(other)))
    has_part = bits[other] > 0
    kind = np.where(has_part, np.where(np.asarray(same), ITSELF, SIDE), LINK).astype(np.uint8)
    clusters: Any = rows["cluster"].take(pa.array(other, mask=~has_part))
    nodes = nodes_of(rows)
    shard, row = place_of(nodes[one])
    arrays = [
        shard,
        row,
        pa.array(mixed(nodes[one])),
        pa.array(kind),
        pc.fill_null(clusters, ""),
        pa.array(nodes[other]),
        pa.array(bits[other]),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=LINKS)


class _Known(NamedTuple):
    """What is known of documents, one after the other."""

    nodes: Uint64s
    fixed: Uint64s
    sides: Uint64s
    clusters: Any

    def rows(self) -> pa.RecordBatch:
        """To each of them."""
        shard, row = place_of(self.nodes)
        roots = pa.nulls(len(self.nodes), pa.uint64())
        arrays = [shard, row, pa.array(self.fixed), pa.array(self.sides), self.clusters, roots]
        return pa.RecordBatch.from_arrays(arrays, schema=KNOWN)

    def cut(self, start: int, stop: int) -> _Known:
        """Some of them."""
        return _Known(*(each[start:stop] for each in self))


def joined(stream: Iterator[pa.RecordBatch], _config: Any, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """What is known of each document that has its like, and the root of each that hangs together with others."""
    near = Pairs(scratch.folder / "near", scratch.memory_bytes // 4)
    bridges = []
    last: _Known | None = None  # the document at the end of a batch, which may be told of more in the next
    for batch in stream:
        if batch.num_rows == 0:
            continue
        known, at = _of_documents(batch, last)
        linked = (batch["kind"].to_numpy() == LINK) & (known.fixed[at] == 0)
        near.add(known.nodes[at[linked]], batch["other"].to_numpy()[linked])
        size = len(known.nodes)
        ready, last = known.cut(0, size - 1), known.cut(size - 1, size)
        bridges.append(ready.nodes[_several(ready.sides) & (ready.fixed == 0)])
        yield ready.rows()
    if last is None:
        return
    bridges.append(last.nodes[_several(last.sides) & (last.fixed == 0)])
    yield last.rows()
    yield from _roots(near, np.sort(np.concatenate(bridges)), scratch)


def _of_documents(batch: pa.RecordBatch, last: _Known | None) -> tuple[_Known, Int64s]:
    """The documents that rows tell of, after the last one of the rows before; and which of them each row tells of."""
    nodes, kind, part = nodes_of(batch), batch["kind"].to_numpy(), batch["part"].to_numpy()
    new = firsts(nodes)
    starts: Any = np.flatnonzero(new)
    at = np.cumsum(new) - 1
    fixed = np.where(kind[starts] == ITSELF, part[starts], NOBODY)
    sides = np.bitwise_or.reduceat(np.where(kind == SIDE, part, NOBODY), starts)
    found = _Known(nodes[starts], fixed, sides, batch["cluster"].take(pa.array(starts)))
    if last is None:
        return found, at
    if last.nodes[0] != found.nodes[0]:
        nodes, fixed, sides = (np.concatenate([one, other]) for one, other in zip(last[:3], found[:3], strict=True))
        return _Known(nodes, fixed, sides, pa.concat_arrays([last.clusters, found.clusters])), at + 1
    found.sides[0] |= last.sides[0]
    found.fixed[0] = last.fixed[0]  # it would have been told of itself, and of its sides' clusters, before
    told_before = pa.concat_arrays([last.clusters, found.clusters.slice(1)])
    return found._replace(clusters=told_before), at


def _roots(near: Pairs, bridges: Uint64s, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """The root of each document that is linked to others, none of which joins two sides."""
    joint = Components(scratch.folder / "joint", scratch.memory_bytes // 4)
    links = near.sorted()
    for pairs in links:
        some = pairs[~(np.isin(pairs[:, 0], bridges) | np.isin(pairs[:, 1], bridges))]
        joint.add(some[:, 0], some[:, 1])
    links.remove()
    for part in joint.members():
        shard, row = place_of(part[:, 1].copy())
        told = {"shard": shard, "row": row, "root": pa.array(part[:, 0].copy())}
        arrays = [told.get(field.name, pa.nulls(len(part), field.type)) for field in KNOWN]
        yield pa.RecordBatch.from_arrays(arrays, schema=KNOWN)


# ---------------------------------------------------------------------------------------------- clusters


def answer(measured: pa.RecordBatch, asked: pa.RecordBatch, _config: Any) -> pa.RecordBatch:
    """Each document to its cluster, by id, and before all of them the sides of those that have any."""
    row = asked["row"].to_numpy()
    first: Any = np.flatnonzero(firsts(row))
    rooted = np.asarray(asked["root"].is_valid())
    root = nodes_of(asked)[first]
    root[np.searchsorted(row[first], row[rooted])] = (
        asked["root"].to_numpy(zero_copy_only=False)[rooted].astype(np.uint64)
    )
    of_it: Any = np.flatnonzero(~rooted)  # one row for each document
    fixed, sides = (asked[name].take(pa.array(of_it)).to_numpy() for name in ("fixed", "sides"))
    clusters: Any = asked["cluster"].take(pa.array(of_it))
    places: Any = np.searchsorted(measured["row"].to_numpy(), row[first])
    ids = measured["id"].take(pa.array(places))
    sides = np.where(fixed > 0, fixed, sides)
    columns = [pa.array(row[first]), pa.array(mixed(root)), pa.array(fixed), pa.array(sides), clusters]
    every = pa.RecordBatch.from_arrays(columns, names=["row", "key", "fixed", "sides", "cluster"])
    members = _as(MEMBER, every, ids)
    heads = every.filter(pa.array(sides > 0))
    both: pa.RecordBatch = pa.concat_batches([_as(SIDES, heads, heads["cluster"]), members])  # type: ignore[attr-defined]
    return both


def _as(head: int, rows: pa.RecordBatch, names: Any) -> pa.RecordBatch:
    heads = pa.array(np.full(len(rows), head, np.uint8))
    return rows.append_column("head", heads).append_column("name", names)


def resolve(stream: Iterator[pa.RecordBatch], config: Any, _scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """The verdict on each document: where its cluster goes, or what it joins."""
    last: tuple[int, Any, np.uint64] | None = None  # key, name and sides of the cluster at hand
    for batch in stream:
        if batch.num_rows == 0:
            continue
        keys, head = batch["key"].to_numpy(), batch["head"].to_numpy()
        new = firsts(keys)
        starts: Any = np.flatnonzero(new)
        at = np.cumsum(new) - 1
        known = np.where(head == SIDES, batch["sides"].to_numpy(), NOBODY)
        sides = np.bitwise_or.reduceat(known, starts)
        names: Any = batch["name"].take(pa.array(starts))
        if last is not None and last[0] == keys[0]:
            sides[0] |= last[2]
            names = pa.concat_arrays([last[1], names.slice(1)])
        last = (int(keys[-1]), names.slice(len(names) - 1), sides[-1])
        members: Any = np.flatnonzero(head == MEMBER)
        yield _verdicts(batch.take(pa.array(members)), names.take(pa.array(at[members])), sides[at[members]], config)


def _verdicts(members: pa.RecordBatch, first: Any, sides: Uint64s, config: Any) -> pa.RecordBatch:
    fixed = members["fixed"].to_numpy()
    is_fixed = fixed > 0
    leaves = _several(sides) & ~is_fixed
    parts = np.where(is_fixed, _numbers(fixed), np.where(sides > 0, _numbers(sides), drawn(first, config)))
    parts[leaves] = -1
    arrays = [
        members["shard"],
        members["row"],
        names_of(parts, config),
        pc.if_else(pa.array(is_fixed), members["cluster"], first),
        _lists(np.where(leaves, sides, NOBODY), config),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=VERDICTS)


def _lists(bits: Uint64s, config: Any) -> Any:
    """Names of the parts whose bits are set; null where none is."""
    numbers = np.arange(len(config.parts), dtype=np.uint64)
    row, part = np.nonzero((bits[:, None] >> numbers) & np.uint64(1))
    bounds = np.searchsorted(row, np.arange(len(bits) + 1))
    lists: Any = pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), names_of(part, config))
    return pc.if_else(pa.array(bits > 0), lists, pa.scalar(None, lists.type))
