"""Runs a sink: one output file for each shard, written anew only where its documents or columns changed."""

from __future__ import annotations

from typing import Any

from datapipe.corpus.fingerprint import fingerprint
from datapipe.engine.sink import run_sink
from datapipe.engine.sink import stands as sink_stands
from datapipe.engine.task import SinkTask
from datapipe.recipe import Node
from datapipe.run.context import Context
from datapipe.run.paths import Path

__all__ = ["write_out"]


def write_out(context: Context, node: Node) -> None:
    """Write the documents that come into a sink."""
    columns = sink_columns(context, node)
    tasks = []
    for path, shard in context.incoming(node):
        values = sink_values(context, path)
        old = context.state.of(node.name).get(shard.name)
        stands = old is not None and old.values == values and sink_stands(context.store, old)
        before = context.record(path.before(), shard)
        if old is None or not stands or old.rows_in != before.rows_kept or old.base != before.base:
            base = context.base(path.before(), shard)
            tasks.append(SinkTask(context.store.url, base, context.paths.call(node), path.owners, columns, values, old))
    context.carry_out((node.name,), run_sink, tasks, count=len(tasks))


def sink_columns(context: Context, node: Node) -> tuple[str, ...]:
    """What a sink writes, of the columns that any of its parents brings."""
    stage: Any = node.stage
    columns: tuple[str, ...] = stage.select(tuple(context.recipe.available(node.name)), node.config)
    return columns


def sink_values(context: Context, path: Path) -> str:
    """Fingerprint of a sink's files: its config, and the values of the columns it writes."""
    columns = sink_columns(context, path.last)
    ends = {column: [context.values(path.upto(owner)) for owner in path.owners.get(column, ())] for column in columns}
    return fingerprint({"sink": context.paths.values(path), "columns": ends})
