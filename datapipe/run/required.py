"""Holds that all above the stages of a command stands as this recipe makes it, before they run.

A command may name some stages alone; what comes to them is then what earlier commands left. Measures of another
text must never be stored under today's fingerprint, so a stage above that is missing or stale ends the command.
Costs a look at the records of the stages above.
"""

from __future__ import annotations

from collections.abc import Sequence

from datapipe.errors import RunError
from datapipe.recipe import Node
from datapipe.run.context import Context
from datapipe.run.expanding import children_stand, list_expanded
from datapipe.run.group import resolved
from datapipe.run.paths import Path
from datapipe.run.prepare import take_resource
from datapipe.run.reading import list_shards
from datapipe.run.tasks import current, keys_current
from datapipe.stage import Group

__all__ = ["require_above"]


def require_above(context: Context, nodes: Sequence[Node]) -> None:
    """Make the shards known that come to `nodes`, which run next; RunError where a stage above them is not done.

    Stages that this command has run already need no second look.
    """
    run = {node.name for node in nodes} | context.records.keys()
    paths = [path for node in nodes for path in context.paths.to(node.name) if path.root not in nodes]
    for path in paths:
        _list_root(context, path)
    for path in paths:
        _require(context, path, run)


def _list_root(context: Context, path: Path) -> None:
    if path.root_key in context.shards:
        return
    if path.origin is not None:
        _list_root(context, path.origin)
        list_expanded(context, path)
        return
    stock = list_shards(context, path.root)
    decision = context.paths.decision(path.root)
    if stock.unread or any(record.decision != decision for record in stock.done.values()):
        raise RunError(
            f"{path.root.name!r} has input that is not read yet", remedy=f"run stage {path.root.name!r} first"
        )


def _require(context: Context, path: Path, run: set[str]) -> None:
    if path.origin is not None:
        _require(context, path.origin, run)
        if path.root.name not in run:
            parents = context.shards[path.origin.root_key]
            _refuse(path.root, path, sum(not children_stand(context, path.origin, shard) for shard in parents))
    for node in path.nodes[1:-1]:
        if node.name not in run:
            _refuse(node, path, _lacking(context, path.upto(node.name)))


def _lacking(context: Context, path: Path) -> int:
    """On how many shards the last stage of a path is not as this recipe makes it."""
    shards = context.shards[path.root_key]
    node = path.last
    if not take_resource(context, node):
        return len(shards)
    if isinstance(node.stage, Group) and node.name not in context.verdicts:
        keys = sum(not keys_current(context, path, shard) for shard in shards)
        verdicts = None if keys else resolved(context, node)
        if verdicts is None:
            return keys or len(shards)
        context.judge(node.name, verdicts)
    lacking = 0
    for shard in shards:
        record = context.state.of(node.name).get(shard.name)
        lacking += record is None or not current(context, record, context.record(path.before(), shard), path)
    return lacking


def _refuse(node: Node, path: Path, lacking: int) -> None:
    if lacking:
        raise RunError(
            f"stage {node.name!r} is not done as this recipe says, on {lacking} shards",
            remedy=f"run it before {path.last.name!r}",
        )
