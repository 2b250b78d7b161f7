"""What a report says of clusters of documents that are alike.

Costs reading the columns in which a Group tells how many documents are alike, and which of them stays.
Memory: ids of the few largest clusters.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.lineage import SURVIVOR
from datapipe.recipe import Node
from datapipe.report.findings import Cluster, Duplicates, SizeOfClusters
from datapipe.report.walk import Seen, Slice, came_to
from datapipe.run.context import Context
from datapipe.stage import Group

__all__ = ["SIZES", "duplicates_of"]

SIZES = ("cluster_size", "copies")  # columns in which a Group tells how many documents are alike
SHOWN = 10
IDS = 5


def duplicates_of(context: Context) -> dict[str, Duplicates]:
    """By stage that compares documents, what it found."""
    found = {}
    for name, node in context.recipe.nodes.items():
        size = next((each for each in SIZES if each in node.stage.adds_for(node.config).names), None)
        if isinstance(node.stage, Group) and size is not None:
            found[name] = _Clusters(node, size).of(context)
    return found


class _Clusters:
    """Counts the clusters of one stage."""

    def __init__(self, node: Node, size: str) -> None:
        self._node, self._size = node, f"{node.name}.{size}"
        self._names = node.stage.adds_for(node.config).names
        self._documents: Counter[int] = Counter()  # by size of their cluster
        self._largest: dict[str, tuple[int, list[str]]] = {}  # by the document that stays
        self._compared = self._dropped = 0
        self._least = 2  # size from which on a cluster may be among the largest

    def of(self, context: Context) -> Duplicates:
        """Count all shards."""
        for seen in came_to(context, self._node):
            for given in seen.slices():
                self._add(seen, given)
        sizes = self._documents
        clusters = {size: -(-number // size) for size, number in sizes.items()}
        return Duplicates(
            use=self._node.use,
            documents=self._compared,
            in_clusters=sum(sizes.values()),
            dropped=self._dropped,
            clusters=sum(clusters.values()),
            sizes=tuple(_by_power(sizes, clusters)),
            largest=tuple(Cluster(size=size, ids=tuple(ids)) for _, (size, ids) in self._ordered()[:SHOWN]),
        )

    def _add(self, seen: Seen, given: Slice) -> None:
        values = seen.values(self._size, given.rows)
        known = np.asarray(values.fill_null(0).cast(pa.int64()))
        self._compared += int((known > 0).sum())
        alike = known > 1
        self._dropped += int((alike & ~given.kept).sum())
        for size, number in zip(*np.unique(known[alike], return_counts=True), strict=True):
            self._documents[int(size)] += int(number)
        at = np.flatnonzero(known >= max(2, self._least))
        if len(at) and SURVIVOR in self._names:
            self._note(seen, given.rows[at], known[at])

    def _note(self, seen: Seen, rows: Any, sizes: Any) -> None:
        """Remember ids of documents of the largest clusters."""
        ids = seen.values("id", rows)
        stays = pc.coalesce(seen.values(f"{self._node.name}.{SURVIVOR}", rows), ids)
        most = np.argsort(-sizes, kind="stable")
        for at in most.tolist():
            size = int(sizes[at])
            if size < self._least:
                break
            stay, mine = stays[at].as_py(), ids[at].as_py()
            _, members = self._largest.setdefault(stay, (size, [stay]))
            if mine not in members and len(members) < IDS:
                members.append(mine)
            if len(self._largest) > 4 * SHOWN:
                self._prune()
        self._prune()

    def _prune(self) -> None:
        if len(self._largest) > SHOWN:
            self._largest = dict(self._ordered()[:SHOWN])
            self._least = min(size for size, _ in self._largest.values())

    def _ordered(self) -> list[tuple[str, tuple[int, list[str]]]]:
        return sorted(self._largest.items(), key=lambda entry: (-entry[1][0], entry[0]))


def _by_power(documents: Counter[int], clusters: dict[int, int]) -> list[SizeOfClusters]:
    """Sizes 2, 3-4, 5-8 and so on."""
    found: dict[int, list[int]] = {}
    for size in documents:
        found.setdefault((size - 1).bit_length(), []).append(size)
    return [
        SizeOfClusters(
            least=(1 << power - 1) + 1,
            greatest=1 << power,
            clusters=sum(clusters[size] for size in sizes),
            documents=sum(documents[size] for size in sizes),
        )
        for power, sizes in sorted(found.items())
    ]
