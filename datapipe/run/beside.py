"""The small files that stand beside what a sink has written: ledgers, cards, and how trainers read it.

Costs nothing to speak of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path as Folder

import xxhash

from datapipe.corpus.record import Part
from datapipe.recipe import Node
from datapipe.run.context import Context
from datapipe.run.expanding import parents_of
from datapipe.stage import USAGE, Above, Expand, Passed

__all__ = ["above", "write_beside"]


def above(context: Context, node: Node) -> Above:
    """What the stages above a sink have prepared and done."""
    known = {each.name for path, _ in context.incoming(node) for each in path.before().nodes}
    nodes = [each for each in context.recipe.nodes.values() if each.name in known]
    prepared = {each.name: context.resource(each) for each in nodes if each.stage.prepare is not None}
    resources = {name: Folder(folder) for name, folder in prepared.items() if folder}
    return Above(resources, tuple(_passed(context, each) for each in _ancestors(context, node)))


def _ancestors(context: Context, node: Node) -> list[Node]:
    """All stages that documents came through, in the order of the recipe: also above one that made new ones of them."""
    nodes, found = context.recipe.nodes, set[str]()
    for name in reversed(nodes):  # children before parents
        if name == node.name or name in found:
            found.update(nodes[name].parents)
    return [each for each in nodes.values() if each.name in found]


def _passed(context: Context, node: Node) -> Passed:
    """Of an Expand, what came in and left are the parents, and what it kept are their children."""
    made = context.state.of(node.name).values()
    records = context.state.of(parents_of(node)).values() if isinstance(node.stage, Expand) else made
    dropped: Counter[str] = Counter()
    for record in records:
        dropped.update({reason: tally.documents for reason, tally in record.dropped.items()})
    incoming = sum(record.incoming.documents for record in records)
    kept = sum(record.kept.documents for record in made)
    return Passed(node.name, node.use, incoming, kept, dict(sorted(dropped.items())))


def write_beside(context: Context, node: Node, home: str, files: Iterable[tuple[str, bytes]]) -> list[Part]:
    """Write files of a sink into the folder of its output where they do not stand, and say which is for people."""
    parts = []
    for name, content in files:
        path = f"{home}/{name}"
        new = not context.store.exists(path) or context.store.read(path) != content
        if new:
            context.store.write(path, content)
        if new and name == USAGE:
            context.progress.note(f"{node.name}: {context.store.path(path)} says how to read these files")
        digest = xxhash.xxh3_128_hexdigest(content)
        parts.append(Part(path=path, rows=0, bytes=len(content), digests={"file": [digest]}))
    return parts
