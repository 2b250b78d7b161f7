"""Runs a sink: one output file for each shard, written anew only where its documents or columns changed."""

from __future__ import annotations

from typing import Any

from datapipe.corpus.fingerprint import fingerprint
from datapipe.corpus.record import Record
from datapipe.engine.sink import run_sink
from datapipe.engine.task import SinkTask
from datapipe.recipe import Node
from datapipe.run.context import Context, Shard
from datapipe.run.paths import Path

__all__ = ["write_out"]


def write_out(context: Context, node: Node) -> None:
    """Write the documents that come into a sink."""
    stage: Any = node.stage
    columns = stage.select(tuple(context.recipe.available(node.name)), node.config)
    tasks = []
    for path, shard in context.incoming(node):
        values = sink_values(context, path, columns)
        old = context.state.of(node.name).get(shard.name)
        if old is None or not _stands(context, old, path, shard, values):
            base = context.base(path.before(), shard)
            tasks.append(SinkTask(context.store.url, base, context.paths.call(node), path.owners, columns, values, old))
    context.carry_out((node.name,), run_sink, tasks)


def sink_values(context: Context, path: Path, columns: tuple[str, ...]) -> str:
    """Fingerprint of a sink's files: its config, and the values of the columns it writes."""
    ends = {column: [context.values(path.upto(owner)) for owner in path.owners.get(column, ())] for column in columns}
    return fingerprint({"sink": context.paths.values(path), "columns": ends})


def _stands(context: Context, old: Record, path: Path, shard: Shard, values: str) -> bool:
    before = context.record(path.before(), shard)
    same = old.values == values and old.rows_in == before.rows_kept and old.base == before.base
    return same and context.store.exists(old.layer[0].path)
