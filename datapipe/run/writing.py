"""Runs a sink: the output files of a shard are written anew only where its documents or columns changed."""

from __future__ import annotations

import dataclasses
import posixpath
from typing import Any

from datapipe.corpus.fingerprint import fingerprint
from datapipe.corpus.ids import SHARD_FILE
from datapipe.corpus.record import Record, is_record
from datapipe.engine.sink import MOST_VALUES, by_column, run_sink, too_many_values
from datapipe.engine.sink import stands as sink_stands
from datapipe.engine.task import SinkTask
from datapipe.recipe import Node
from datapipe.run.context import Context, Shard
from datapipe.run.paths import Path
from datapipe.run.releasing import folders_of, home_of, retract
from datapipe.run.reopen import standing

__all__ = ["sink_task", "sink_values", "sweep_out", "write_out"]


def write_out(context: Context, node: Node) -> None:
    """Write the documents that come into a sink."""
    tasks = []
    for path, shard in context.incoming(node):
        values = sink_values(context, path)
        old = context.state.of(node.name).get(shard.name)
        stands = old is not None and old.values == values and sink_stands(context.store, old)
        before = context.record(path.before(), shard)
        if old is None or not stands or old.rows_in != before.rows_kept or old.base != before.base:
            tasks.append(sink_task(context, path, shard, values=values, old=old))
    if tasks:
        retract(context, node)
        tasks = [dataclasses.replace(task, old=context.state.of(node.name).get(task.base.shard)) for task in tasks]
    context.carry_out((node.name,), run_sink, tasks, count=len(tasks))
    by = by_column(node.config)
    files = (file for record in context.state.of(node.name).values() for file in record.files)
    if by is not None and len({posixpath.dirname(file) for file in files}) > MOST_VALUES:
        raise too_many_values(node.name, by, "the corpus")


def sink_task(context: Context, path: Path, shard: Shard, *, values: str, old: Record | None) -> SinkTask:
    """What is to be written of a shard, and which codes are looked at for what a stage above takes out."""
    node = path.last
    known = context.recipe.columns[node.name]
    covers = tuple(context.paths.call(context.recipe.nodes[name]) for name in known.covers)
    return SinkTask(
        run=context.store.url,
        base=context.base(path.before(), shard),
        call=context.paths.call(node),
        owners=path.owners,
        columns=sink_columns(context, node),
        values=values,
        old=old,
        covers=covers,
        home=home_of(context.recipe, node),
        looked_at=tuple(name for name in _written(context, node) if covers and name in known.coded),
    )


def sweep_out(context: Context, node: Node) -> None:
    """Remove what no record of a finished sink names: files that a killed task wrote, and folders left empty."""
    store = context.store
    named = {file for record in context.state.of(node.name).values() for file in record.files}
    folders = list(folders_of(store, node.name))
    for folder in folders:
        found = [name for name in store.names(folder) if SHARD_FILE.match(name)]
        for name in found:
            if f"{folder}/{name}" not in named and not is_record(name):
                store.remove(f"{folder}/{name}")
    for folder in reversed(folders[1:]):
        if not store.fs.ls(store.path(folder)):
            store.remove(folder)


def sink_columns(context: Context, node: Node) -> tuple[str, ...]:
    """What a sink writes, of the columns that any of its parents brings."""
    stage: Any = node.stage
    columns: tuple[str, ...] = stage.select(tuple(context.recipe.available(node.name)), node.config)
    return columns


def _written(context: Context, node: Node) -> tuple[str, ...]:
    """The columns that a sink writes, and that by which it parts them."""
    by = by_column(node.config)
    return tuple(dict.fromkeys((*sink_columns(context, node), *([by] if by is not None else []))))


def sink_values(context: Context, path: Path) -> str:
    """Fingerprint of a sink's files: its config, and the values of the columns it writes and parts them by."""
    node = path.last
    columns = _written(context, node)
    ends = {column: [context.values(path.upto(owner)) for owner in path.owners.get(column, ())] for column in columns}
    stage: Any = node.stage
    everything = {} if stage.gather is None else {"documents": _documents(context, node)}
    return fingerprint({"sink": context.paths.values(path), "columns": ends, **everything})


def _documents(context: Context, node: Node) -> str:
    """Fingerprint of all that comes into a sink that gathers: its files depend on every document."""
    if node.name not in context.gathering:
        found = []
        for path, shard in context.incoming(node):
            before = standing(context, path.before(), shard)
            found.append([shard.name, path.root_key, before.base if before else "", before.rows_kept if before else ""])
        context.gathering[node.name] = fingerprint({"documents": found})
    return context.gathering[node.name]
