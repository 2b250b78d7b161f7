"""What a report says of clusters of documents that are alike.

Costs reading the columns in which a Group tells how many documents are alike, and which of them stays.
A second pass finds ids of the few largest clusters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.corpus.layer import Rows
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
ID_ROWS = 4096


def duplicates_of(context: Context) -> dict[str, Duplicates]:
    """By stage that compares documents, what it found."""
    found = {}
    for name, node in context.recipe.nodes.items():
        size = next((each for each in SIZES if each in node.stage.adds_for(node.config).names), None)
        if isinstance(node.stage, Group) and size is not None:
            found[name] = _Clusters(node, size).of(context)
    return found


class _Clusters:
    """Counts the clusters of one stage.

    Of near duplicates each document knows the size of its cluster; of exact ones only the one that stays does.
    """

    def __init__(self, node: Node, size: str) -> None:
        self._node, self._size = node, f"{node.name}.{size}"
        self._by_member = size == SIZES[0]
        self._survivor = f"{node.name}.{SURVIVOR}" if SURVIVOR in node.stage.adds_for(node.config).names else None
        self._told: Counter[int] = Counter()  # documents that know the size of their cluster, by that
        self._largest: dict[str, int] = {}  # sizes by the document that stays
        self._compared = self._alike = self._dropped = 0

    def of(self, context: Context) -> Duplicates:
        """Count all shards."""
        for seen in came_to(context, self._node):
            for given in seen.slices():
                self._add(seen, given)
        sizes = self._told
        clusters = {size: -(-told // size) if self._by_member else told for size, told in sizes.items()}
        documents = {size: told if self._by_member else told * size for size, told in sizes.items()}
        return Duplicates(
            use=self._node.use,
            documents=self._compared,
            in_clusters=self._alike,
            dropped=self._dropped,
            clusters=sum(clusters.values()),
            sizes=tuple(_by_power(documents, clusters)),
            largest=tuple(self._members(context)),
        )

    def _add(self, seen: Seen, given: Slice) -> None:
        values = seen.values(self._size, given.rows)
        known = np.asarray(values.fill_null(0).cast(pa.int64()))
        stays = self._stays(seen, given.rows)
        copy = np.asarray(stays.is_valid())
        alike = (known > 1) | copy
        self._compared += int(((known > 0) | copy).sum())
        self._alike += int(alike.sum())
        self._dropped += int((alike & ~given.kept).sum())
        for size, number in zip(*np.unique(known[known > 1], return_counts=True), strict=True):
            self._told[int(size)] += int(number)
        at = np.flatnonzero(known > 1)
        at = at[np.argsort(-known[at], kind="stable")[: SHOWN * SHOWN]]
        names = pc.coalesce(stays, seen.values("id", given.rows)).take(pa.array(at)).to_pylist()
        self._largest |= dict(zip(names, known[at].tolist(), strict=True))
        self._largest = dict(self._ordered()[:SHOWN])

    def _stays(self, seen: Seen, rows: Rows) -> Any:
        """The document that stays in the place of each; null where that is itself."""
        return pa.nulls(len(rows), pa.string()) if self._survivor is None else seen.values(self._survivor, rows)

    def _ordered(self) -> list[tuple[str, int]]:
        return sorted(self._largest.items(), key=lambda entry: (-entry[1], entry[0]))

    def _members(self, context: Context) -> Iterator[Cluster]:
        """The largest clusters, with ids of some of their documents."""
        ids = {stay: [stay] for stay in self._largest}
        wanted = pa.array(list(ids), pa.string())
        for seen in came_to(context, self._node) if ids else ():
            for given in seen.slices():
                stays = self._stays(seen, given.rows)
                at = np.flatnonzero(np.asarray(pc.is_in(stays, wanted)))
                for stay, mine in _pairs(stays, seen, given.rows, at):
                    if len(ids[stay]) < IDS:
                        ids[stay].append(mine)
        for stay, size in self._ordered():
            yield Cluster(size=size, ids=tuple(ids[stay]))


def _pairs(stays: Any, seen: Seen, rows: Rows, at: Any) -> Iterator[tuple[str, str]]:
    """The document that stays, and another of its cluster."""
    for start in range(0, len(at), ID_ROWS):
        some = at[start : start + ID_ROWS]
        yield from zip(stays.take(pa.array(some)).to_pylist(), seen.values("id", rows[some]).to_pylist(), strict=True)


def _by_power(documents: dict[int, int], clusters: dict[int, int]) -> list[SizeOfClusters]:
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
