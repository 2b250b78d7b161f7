"""Runs the stages of a line on shards that stand already: only those that are not current.

Memory of the driver: the records of the stages in hand.
"""

from __future__ import annotations

from datapipe.engine.shards import run_shard
from datapipe.run.context import Context
from datapipe.run.group import resolve
from datapipe.run.lines import Line
from datapipe.run.tasks import shard_tasks, stale_shards

__all__ = ["run_on"]


def run_on(context: Context, line: Line) -> None:
    """Run a line of Maps, or of a Group's verdicts and Maps, and take the keys of the Group that it ends before."""
    first = line.nodes[0] if line.nodes else line.emits
    if first is None:
        return
    incoming = [(path.before(), shard) for path, shard in context.incoming(first)]
    names = tuple(node.name for node in line.nodes) or (first.name,)
    stale = stale_shards(context, line, incoming)
    context.carry_out(names, run_shard, shard_tasks(context, line, stale), count=len(stale))
    if line.emits is not None:
        context.judge(line.emits.name, resolve(context, line.emits))
