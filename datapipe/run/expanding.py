"""Runs an Expand: where the parents of a shard changed, its children are made anew."""

from __future__ import annotations

from collections.abc import Iterator

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
    stale = [(path, shard) for path, shard in context.incoming(node) if not children_stand(context, path, shard)]
    context.carry_out((node.name,), run_expand, _tasks(context, node, stale), count=len(stale))
    for path in context.paths.onward(node.name):
        list_expanded(context, path)


def children_stand(context: Context, path: Path, shard: Shard) -> bool:
    """Whether the Expand at the end of a path has made its children of a shard as it would today."""
    node = path.last
    before = context.record(path.before(), shard)
    old = context.state.of(parents_of(node)).get(shard.name)
    same = old and old.values == context.values(path) and old.rows_in == before.rows_kept and old.base == before.base
    return bool(same) and shard.name in context.state.of(node.name)


def _tasks(context: Context, node: Node, stale: list[tuple[Path, Shard]]) -> Iterator[ExpandTask]:
    for path, shard in stale:
        base, call, values = context.base(path.before(), shard), context.paths.call(node), context.values(path)
        yield ExpandTask(context.store.url, base, call, path.owners, values, context.resource(node))


def list_expanded(context: Context, path: Path) -> None:
    """Make the shards of children known that stand on one path."""
    assert path.origin is not None
    parents = context.shards[path.origin.root_key]
    records = context.state.of(path.root.name)
    context.shards[path.root_key] = [
        Shard(path.root, records[parent.name], None, parent) for parent in parents if parent.name in records
    ]
