"""Connected components of a graph that may not fit into memory: who belongs together by any chain of links.

Links are united as they come in a table of nodes, so that what fits costs memory by its nodes and not by its links.
A table that is full is told as stars, each node and the least of its component so far, and begun anew; such stars are
solved on disk: in turn each node's greater and its smaller neighbours are linked to the least of its neighbours, until
nothing changes; then each node is linked to the least of its component. Both steps read sorted pairs once.
Costs: of links between random nodes 2 million a second of a core's time in memory, 0.3 million on disk (0.6 where
clusters are of four); 64 bytes of memory a slot of the table, which is filled to three quarters; disk 64 bytes a star.
Source: union by find with path halving (Tarjan and van Leeuwen 1984); on disk Kiveris et al. 2014 (Connected
Components in MapReduce and Beyond), large-star and small-star.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from datapipe.algo.pairs import Pairs, SortedPairs, sorted_pairs
from datapipe.text.jit import I64, U64, Int64s, Uint64s, inlined, kernel

__all__ = ["Components"]

Members: TypeAlias = Iterator[npt.NDArray[np.uint64]]

SLOT_BYTES = 64  # of memory for each slot of the table: 16 of its own, and telling and sorting those that are taken
LEAST_SLOTS, FIRST_SLOTS = 64, 1 << 14
FREE = -1
GOLDEN = 0x9E3779B97F4A7C15  # multiplied by it, numbers that are near each other spread (Knuth, volume 3, 6.4)


class _Table(NamedTuple):
    """Nodes by open addressing, uint64, and of each the slot of its parent, int64, FREE where there is no node."""

    nodes: Uint64s
    parents: Int64s


class Components:
    """Collects links, then tells who belongs together."""

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        self._folder, self._memory = folder, memory_bytes
        self._most = max(LEAST_SLOTS, 1 << (max(1, memory_bytes // SLOT_BYTES).bit_length() - 1))
        self._table, self._taken = _empty(min(self._most, FIRST_SLOTS)), 0
        self._told: Pairs | None = None  # stars of tables that were full

    def add(self, one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64]) -> None:
        """Link nodes, a pair each; a link of a node to itself is none."""
        apart = one != other
        links = np.stack([one[apart], other[apart]], axis=1)
        start = 0
        while start < len(links):
            start, self._taken = _unite(links, self._table, start, self._taken)
            if start < len(links):
                self._make_room()

    def _make_room(self) -> None:
        slots = len(self._table.nodes)
        stars = _stars_of(self._table, self._taken)
        if slots < self._most:
            self._table = _empty(2 * slots)
            _, self._taken = _unite(stars, self._table, 0, 0)
            return
        self._tell(stars)
        self._table, self._taken = _empty(slots), 0

    def _tell(self, stars: npt.NDArray[np.uint64]) -> None:
        if self._told is None:
            self._told = Pairs(self._folder / "links", self._memory // 2)
        apart = stars[:, 0] != stars[:, 1]
        self._told.add(stars[apart, 1], stars[apart, 0])

    def members(self) -> Members:
        """Nodes that have a link, as arrays of shape (n, 2): the least node of its component, and the node.

        Sorted by both; each node stands there once, the least beside itself. Nothing can be added any more.
        """
        stars = _stars_of(self._table, self._taken)
        self._table = _empty(LEAST_SLOTS)
        if self._told is None:
            if len(stars):
                yield sorted_pairs(stars)
            return
        self._tell(stars)
        del stars
        found = self._told.sorted()
        yield from _by_root(_on_disk(found, self._folder, self._memory), self._folder, self._memory)
        found.remove()


# ---------------------------------------------------------------------------------------------- in memory


def _empty(slots: int) -> _Table:
    return _Table(np.zeros(slots, np.uint64), np.full(slots, FREE, np.int64))


def _stars_of(table: _Table, taken: int) -> npt.NDArray[np.uint64]:
    """The least of its component and the node, for each node of a table."""
    stars = np.empty((taken, 2), np.uint64)
    _tell_stars(table, stars)
    return stars


@inlined
def _slot(table: _Table, node: Any) -> Any:
    """Where a node stands, or would."""
    nodes, parents = table
    mask = I64(len(nodes) - 1)
    mixed = U64(node) * U64(GOLDEN)
    slot = I64(mixed ^ (mixed >> U64(32))) & mask
    while parents[slot] != FREE and nodes[slot] != node:
        slot = (slot + I64(1)) & mask
    return slot


@inlined
def _root(parents: Int64s, slot: Any) -> Any:
    while parents[slot] != slot:
        parents[slot] = parents[parents[slot]]
        slot = parents[slot]
    return slot


@kernel
def _unite(links: Uint64s, table: _Table, start: int, taken: int) -> tuple[int, int]:
    """Unite links from `start` on until the table is three quarters full; returns where it ended, and nodes in it.

    Of two components the one with the lesser least is above, so that the root of each is its least.
    """
    nodes, parents = table
    most = I64(len(nodes) // 4 * 3 - 1)
    for i in range(start, links.shape[0]):
        if taken >= most:
            return i, taken
        one, other = _slot(table, links[i, 0]), I64(0)
        if parents[one] == FREE:
            nodes[one], parents[one] = links[i, 0], one
            taken += 1
        other = _slot(table, links[i, 1])
        if parents[other] == FREE:
            nodes[other], parents[other] = links[i, 1], other
            taken += 1
        one, other = _root(parents, one), _root(parents, other)
        if nodes[one] < nodes[other]:
            parents[other] = one
        else:
            parents[one] = other
    return links.shape[0], taken


@kernel
def _tell_stars(table: _Table, stars: Uint64s) -> None:
    nodes, parents = table
    count = 0
    for slot in range(len(nodes)):
        if parents[slot] != FREE:
            stars[count, 0], stars[count, 1] = nodes[_root(parents, I64(slot))], nodes[slot]
            count += 1


# ---------------------------------------------------------------------------------------------- on disk


def _on_disk(edges: SortedPairs, folder: Path, memory_bytes: int) -> SortedPairs:
    """Pairs (node, least of its component) for all nodes but the least."""
    first, before = edges, _mark(edges)
    turn = 0
    while True:
        both = Pairs(folder / f"both-{turn}", memory_bytes // 2)
        for pairs in edges:
            both.add(pairs[:, 0], pairs[:, 1])
            both.add(pairs[:, 1], pairs[:, 0])
        if edges is not first:
            edges.remove()
        large = _starred(both.sorted(), Pairs(folder / f"large-{turn}", memory_bytes // 2), large=True)
        edges = _starred(large, Pairs(folder / f"small-{turn}", memory_bytes // 2), large=False)
        after = _mark(edges)
        if after == before:
            return edges
        before, turn = after, turn + 1


def _starred(edges: SortedPairs, found: Pairs, *, large: bool) -> SortedPairs:
    """The links of one step; the files of those it was made from go."""
    for one, other in _stars(edges, large=large):
        found.add(one, other)
    edges.remove()
    return found.sorted()


def _mark(edges: SortedPairs) -> tuple[int, int]:
    """Number of pairs, and a sum that depends on each of them."""
    count, total = 0, 0
    for pairs in edges:
        mixed = (pairs[:, 0] * np.uint64(0x9E3779B97F4A7C15)) ^ (pairs[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F))
        mixed ^= mixed >> np.uint64(29)
        total += int(np.sum(mixed * np.uint64(0x165667B19E3779F9), dtype=np.uint64))
        count += len(pairs)
    return count, total % (1 << 64)


def _stars(edges: SortedPairs, *, large: bool) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]]:
    """The links of one step. Large: edges both ways; small: from the greater to the smaller node."""
    state = np.zeros(3, np.uint64)  # node, least of it and its neighbours, whether there was one
    for pairs in edges:
        out = np.empty((2 * len(pairs), 2), np.uint64)
        count = _star(np.ascontiguousarray(pairs), state, out, large)
        yield out[:count, 0].copy(), out[:count, 1].copy()


@kernel
def _star(pairs: Uint64s, state: Uint64s, out: Uint64s, large: bool) -> int:  # noqa: FBT001 - kernels take no names
    """Links of neighbours to the least; returns how many. Rows are sorted, so the least neighbour comes first."""
    count = 0
    for i in range(pairs.shape[0]):
        node, neighbour = pairs[i, 0], pairs[i, 1]
        if state[2] == 0 or state[0] != node:
            state[0], state[2] = node, 1
            state[1] = min(node, neighbour)
            if not large and state[1] != node:
                out[count, 0], out[count, 1] = node, state[1]
                count += 1
        least = state[1]
        if large:
            if neighbour > node and neighbour != least:
                out[count, 0], out[count, 1] = neighbour, least
                count += 1
        elif neighbour != least:
            out[count, 0], out[count, 1] = neighbour, least
            count += 1
    return count


def _by_root(stars: SortedPairs, folder: Path, memory_bytes: int) -> Members:
    members = Pairs(folder / "members", memory_bytes // 2)
    for pairs in stars:
        members.add(pairs[:, 1], pairs[:, 0])
        roots = np.unique(pairs[:, 1])
        members.add(roots, roots)
    stars.remove()
    found = members.sorted()
    yield from found
    found.remove()
