"""Runs a source: only what is new or changed is read, and the stages that follow take its pages in passing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from datapipe.corpus.record import Record
from datapipe.engine.resample import run_resample
from datapipe.engine.source import run_source
from datapipe.engine.task import ResampleTask, SourceTask, Step
from datapipe.recipe import Node
from datapipe.run.context import Context, Shard
from datapipe.run.lines import Line
from datapipe.run.paths import Path
from datapipe.run.sources import Inventory, Unread, take_stock
from datapipe.run.tasks import line_steps

__all__ = ["list_shards", "read_source"]


def read_source(context: Context, line: Line) -> None:
    """Read what is unread of the line's source, and run the line's other stages on it as it passes.

    The stages run in the same pass unless a few big files would then leave workers idle; the bytes are the
    same either way.
    """
    node = line.nodes[0]
    rest = Line(line.nodes[1:], line.emits)
    path = Path((node,))
    stock = take_stock(node, context.paths.values(path), context.state, context.progress)
    _resample(context, node, stock)
    together = _in_one_pass(context, stock, node)
    steps = line_steps(context, rest, path, None) if together else ()
    tasks = [_task(context, node, unread, steps) for unread in stock.unread]
    names = tuple(each.name for each in (line.nodes if together else line.nodes[:1]))
    if tasks:
        context.ready(names)
        context.progress.begin(names, len(tasks))
        for shards in _results(context, tasks, stock, getattr(node.config, "limit", None)):
            for records in shards:
                stock.done[records[0].shard] = records[0]
            context.note([record for records in shards for record in records])
        context.progress.end(names)
    context.shards[node.name] = _shards(node, stock)


def list_shards(context: Context, root: Node) -> Inventory:
    """The shards of a source that stand, without reading anything."""
    stock = take_stock(root, context.paths.values(Path((root,))), context.state, context.progress)
    context.shards[root.name] = _shards(root, stock)
    return stock


def _shards(node: Node, stock: Inventory) -> list[Shard]:
    def order(record: Record) -> tuple[str, int]:
        return (record.split.name, record.split.number) if record.split else ("", 0)

    ordered = sorted(stock.done.values(), key=order)
    return [Shard(node, record, stock.splits.get(record.split.name) if record.split else None) for record in ordered]


def _in_one_pass(context: Context, stock: Inventory, node: Node) -> bool:
    if not stock.unread:
        return False
    config: Any = node.config
    biggest = max(unread.split.size for unread in stock.unread)
    many = len(stock.unread) >= 2 * context.engine.workers
    source: Any = node.stage
    again = not all(
        source.can_seek(unread.split) for unread in stock.unread
    )  # a pass over each shard reads from the start
    return context.engine.workers == 1 or many or again or biggest * 4 < config.shard_bytes


def _task(context: Context, node: Node, unread: Unread, steps: tuple[Step, ...]) -> SourceTask:
    return SourceTask(
        run=context.store.url,
        source=context.paths.call(node),
        values=context.paths.values(Path((node,))),
        decision=context.paths.decision(node),
        split=unread.split,
        digest=unread.digest,
        number=unread.number,
        cursor=unread.cursor,
        limit=None,
        steps=steps,
        limits=context.limits,
    )


def _results(
    context: Context, tasks: list[SourceTask], stock: Inventory, limit: int | None
) -> Iterator[list[list[Record]]]:
    """Results of all tasks; with a limit, one split after the other until it is reached."""
    if limit is None:
        yield from context.engine.map(run_source, tasks)
        return
    left = limit - sum(record.incoming.documents for record in stock.done.values())
    for task in tasks:
        if left <= 0:
            return
        for shards in context.engine.map(run_source, [dataclasses.replace(task, limit=left)]):
            left -= sum(records[0].incoming.documents for records in shards)
            yield shards


def _resample(context: Context, node: Node, stock: Inventory) -> None:
    """Decide anew, from the stored ids, which documents belong to the sample."""
    decision, source = context.paths.decision(node), context.paths.call(node)
    stale = [record for record in stock.done.values() if record.decision != decision]
    tasks = [ResampleTask(context.store.url, source, record, decision) for record in stale]
    for changed in context.engine.map(run_resample, tasks) if tasks else ():
        context.state.put(changed)
        stock.done[changed.shard] = changed
