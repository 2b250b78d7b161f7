"""Runs an Expand: where the parents of a shard changed, its children are made anew, or taken from a run to reuse."""

from __future__ import annotations

from collections.abc import Iterator

from datapipe.corpus.record import Record
from datapipe.engine.expand import PARENTS, run_expand
from datapipe.engine.task import ExpandTask
from datapipe.recipe import Node
from datapipe.run.context import Context, Shard
from datapipe.run.paths import Path

__all__ = ["children_stand", "expand_shards", "list_expanded", "parents_of"]


def parents_of(node: Node) -> str:
    """Where the records of an Expand's parents stand."""
    return f"{node.name}/{PARENTS}"


def expand_shards(context: Context, node: Node) -> None:
    """Make the children of every shard that comes in and is not current."""
    stale = [
        (path, shard)
        for path, shard in context.incoming(node)
        if not children_stand(context, path, shard) and not _borrowed(context, path, shard)
    ]
    context.carry_out((node.name,), run_expand, _tasks(context, node, stale), count=len(stale))
    for path in context.paths.onward(node.name):
        list_expanded(context, path)


def children_stand(context: Context, path: Path, shard: Shard) -> bool:
    """Whether the Expand at the end of a path has made its children of a shard as it would today."""
    parents = context.state.of(parents_of(path.last)).get(shard.name)
    children = context.state.of(path.last.name).get(shard.name)
    if parents is None or children is None or parents.values != context.values(path):
        return False
    intact = context.state.intact(parents) and context.state.intact(children)
    return intact and _same_parents(context, path, shard, parents)


def _same_parents(context: Context, path: Path, shard: Shard, parents: Record) -> bool:
    before = context.record(path.before(), shard)
    return parents.rows_in == before.rows_kept and parents.base == before.base


def _borrowed(context: Context, path: Path, shard: Shard) -> bool:
    """Take over the children of the same documents from a run to reuse; whether there are any."""
    state, node, values = context.state, path.last, context.values(path)
    for parents in state.lent_by_values(parents_of(node), values, shard.name):
        for children in state.lent_by_values(node.name, values, shard.name):
            if _same_parents(context, path, shard, parents) and _run(parents) == _run(children):
                state.adopt(children)
                state.adopt(parents)
                return True
    return False


def _run(record: Record) -> set[str]:
    return {part.run for part in record.parts}


def _tasks(context: Context, node: Node, stale: list[tuple[Path, Shard]]) -> Iterator[ExpandTask]:
    for path, shard in stale:
        base, call, values = context.base(path.before(), shard), context.paths.call(node), context.values(path)
        old = context.state.of(parents_of(node)).get(shard.name)
        yield ExpandTask(context.store.url, base, call, path.owners, values, context.resource(node), old)


def list_expanded(context: Context, path: Path) -> None:
    """Make the shards of children known that stand on one path."""
    assert path.origin is not None
    parents = context.shards[path.origin.root_key]
    records = context.state.of(path.root.name)
    context.shards[path.root_key] = [
        Shard(path.root, records[parent.name], None, parent) for parent in parents if parent.name in records
    ]
