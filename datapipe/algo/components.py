"""Connected components of a graph that may not fit into memory: who belongs together by any chain of links.

What fits is solved in memory by union and find. What does not is solved on disk: in turn each node's greater and its
smaller neighbours are linked to the least of its neighbours, until nothing changes; then each node is linked to the
least of its component. Both steps read sorted pairs once.
Costs: 0.8 million random links a second a core in memory; on disk 0.1 million, some 5 to 10 turns of two sorts each.
Memory as given; disk 64 bytes a link.
Source: Kiveris et al. 2014 (Connected Components in MapReduce and Beyond), large-star and small-star.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from datapipe.algo.pairs import Pairs, SortedPairs
from datapipe.text.jit import Int64s, Uint64s, kernel

__all__ = ["Components"]

Members: TypeAlias = Iterator[npt.NDArray[np.uint64]]

IN_MEMORY = 10  # times the bytes of links that solving them in memory takes
LINK_BYTES = 16


class Components:
    """Collects links, then tells who belongs together."""

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        self._folder, self._memory = folder, memory_bytes
        self._links = Pairs(folder / "links", memory_bytes // 2)
        self._count = 0

    def add(self, one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64]) -> None:
        """Link nodes, a pair each; a link of a node to itself is none."""
        apart = one != other
        self._links.add(np.maximum(one, other)[apart], np.minimum(one, other)[apart])
        self._count += int(apart.sum())

    def members(self) -> Members:
        """Nodes that have a link, as arrays of shape (n, 2): the least node of its component, and the node.

        Sorted by both; each node stands there once, the least beside itself. Nothing can be added any more.
        """
        found = self._links.sorted()
        if self._count * LINK_BYTES * IN_MEMORY <= self._memory:
            yield from _in_memory(found)
        else:
            yield from _by_root(_on_disk(found, self._folder, self._memory), self._folder, self._memory)
        found.remove()


# ---------------------------------------------------------------------------------------------- in memory


def _in_memory(edges: SortedPairs) -> Members:
    pairs = np.concatenate([np.zeros((0, 2), np.uint64), *edges])
    if not len(pairs):
        return
    nodes, places = np.unique(pairs, return_inverse=True)
    places = np.ascontiguousarray(places.reshape(-1, 2))
    parents = np.arange(len(nodes))
    _unite(places, parents)
    order = np.argsort(parents, kind="stable")
    yield np.stack([nodes[parents[order]], nodes[order]], axis=1)


@kernel
def _unite(pairs: Int64s, parents: Int64s) -> None:
    """Link each node to the least of its component; pairs int64 (n, 2), parents int64 (nodes,), each its own."""
    for i in range(pairs.shape[0]):
        one, other = pairs[i, 0], pairs[i, 1]
        while parents[one] != one:
            parents[one] = parents[parents[one]]
            one = parents[one]
        while parents[other] != other:
            parents[other] = parents[parents[other]]
            other = parents[other]
        if one < other:
            parents[other] = one
        elif other < one:
            parents[one] = other
    for node in range(parents.shape[0]):
        parents[node] = parents[parents[node]]  # the least stands first, so its parent is final


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
