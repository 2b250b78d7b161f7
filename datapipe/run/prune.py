"""Removes from a run folder what its recipe no longer needs, so that it holds what a fresh run would.

A run itself never deletes measures: rows that stopped coming in, after a threshold was tightened, stay in later
layers, because they are wanted again when it is loosened. Pruning gives them up. Files of this run that another
run reuses are named only in that other run's records; they are not looked for.
Holds the leases of all stages meanwhile. Costs reading the row numbers of all layers, and writing those that shrink.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any, TypeAlias

import numpy as np
import psutil
import pyarrow as pa

from datapipe.corpus import lease
from datapipe.corpus.ids import SHARD_FILE
from datapipe.corpus.layer import TableFile
from datapipe.corpus.record import FOLDED, Part, Record, fold, read_records, write_json, write_record
from datapipe.corpus.store import Store
from datapipe.engine.part import PartWriter
from datapipe.engine.reasons import kept_rows
from datapipe.errors import LeaseHeld, RunError
from datapipe.recipe import Node
from datapipe.run.audit import RESULT
from datapipe.run.context import Context
from datapipe.run.exchanged import exchange_surplus
from datapipe.run.expanding import parents_of
from datapipe.run.releasing import folders_of
from datapipe.run.reopen import standing, view
from datapipe.run.side import AUDIT
from datapipe.run.state import totals
from datapipe.run.tasks import exchange
from datapipe.stage import Expand, Group, Map, Sink

__all__ = ["Surplus", "prune", "surplus"]

Positions: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

MARKS = ("stage.json", FOLDED, "resource.json", "lease.json", ".lease.lock")
TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}\.tmp|\.resource-.*")
IDLE_SECONDS = 60.0  # a temporary file that nobody has written to for so long belongs to a process that is gone


@dataclass(frozen=True)
class Surplus:
    """Something to remove: a file, a folder, or rows of a layer (then `bytes` is an estimate until it is written)."""

    what: str
    path: str  # relative to the run
    bytes: int
    shrink: Callable[[], int] | None = None  # writes the layer without the rows; returns the bytes freed


def surplus(context: Context) -> list[Surplus]:
    """What the recipe in the run folder no longer needs, of an opened run on a local disk."""
    if not context.store.local:
        raise RunError(f"{context.store.url} is no local folder", remedy="prune runs on local disks")
    files = [*_audit(context), *_stages(context), *_temporary(context.store), *_logs(context.store), *_files(context)]
    exchanged = [Surplus(*each) for node in context.recipe.nodes.values() for each in exchange_surplus(context, node)]
    return [*files, *exchanged, *_layers(context)]


def prune(context: Context, agree: Callable[[list[Surplus]], bool]) -> list[Surplus]:
    """Remove the surplus, if `agree` says so of it; returns what was removed, with the bytes freed."""
    with contextlib.ExitStack() as leases:
        for name in context.recipe.nodes:
            if context.store.exists(name):
                leases.enter_context(lease.held(context.store, name))
        any_call = context.paths.call(next(iter(context.recipe.nodes.values())))
        context = view(context.recipe, any_call.stages_dir)  # as it is now that nobody else writes
        found = surplus(context)
        if not found or not agree(found):
            return []
        removed = [_remove(context.store, each) for each in found]
        for node in context.recipe.nodes.values():
            _tidy(context, node)
        return removed


def _remove(store: Store, each: Surplus) -> Surplus:
    if each.shrink is not None:
        return Surplus(each.what, each.path, each.shrink())
    path = File(store.path(each.path))
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return each


# ---------------------------------------------------------------------------------------------- whole files


def _stages(context: Context) -> Iterator[Surplus]:
    """Folders of stages that the recipe no longer has; folders that hold something else are left alone."""
    for folder in sorted(File(context.store.path()).iterdir()):
        if not folder.is_dir() or folder.name in {*context.recipe.nodes, AUDIT}:
            continue
        names = [path.name for path in folder.iterdir() if path.is_file()]
        ours = [name in MARKS or SHARD_FILE.match(name) or TEMPORARY.fullmatch(name) for name in names]
        if ours and all(ours):
            who = lease.holder(context.store, folder.name)
            if who is not None:
                what = f"stage {folder.name!r} of {context.store.url} is being run by {who}"
                raise LeaseHeld(what, remedy="wait for it")
            yield Surplus("stage that the recipe no longer has", folder.name, _size(folder))


def _audit(context: Context) -> Iterator[Surplus]:
    """What an audit left that the recipe no longer asks for, as a whole or of a stage."""
    root, wanted = File(context.store.path()), {node.name for node in context.recipe.audited}
    audited = sorted(path.name for path in (root / AUDIT).glob("*") if path.is_dir())
    left = [f"{AUDIT}/{name}" for name in audited if name not in wanted] if wanted else [AUDIT, RESULT]
    for name in left:
        if (root / name).exists():
            yield Surplus("audit that the recipe no longer asks for", name, _size(root / name))


def _temporary(store: Store) -> Iterator[Surplus]:
    """What processes that were killed left half written."""
    root = File(store.path())
    half = (path for path in root.rglob(".*") if TEMPORARY.fullmatch(path.name))
    for path in sorted(half):
        if time.time() - path.stat().st_mtime > IDLE_SECONDS:
            yield Surplus("half-written file", path.relative_to(root).as_posix(), _size(path))


def _logs(store: Store) -> Iterator[Surplus]:
    root = File(store.path())
    for path in sorted(root.glob("logs/worker-*.last")):
        if not psutil.pid_exists(int(path.stem.removeprefix("worker-"))):
            yield Surplus("log of a worker that is gone", path.relative_to(root).as_posix(), _size(path))


def _files(context: Context) -> Iterator[Surplus]:
    """Files of shards that the sources no longer have, and files that no record names."""
    for node in context.recipe.nodes.values():
        listed = _listed(context, node)
        for folder in _folders(node):
            records = {name: record for name, record in context.state.of(folder).items() if name in listed}
            named = {part.path for record in records.values() for part in _own_parts(record)}
            named |= {f"{folder}/{shard}.json" for shard in records}
            for name in _within(context.store, node, folder):
                match = SHARD_FILE.match(name.rpartition("/")[2])
                if match and name not in named:
                    what = "file that no record names" if match[1] in listed else "shard that is no longer there"
                    yield Surplus(what, name, context.store.size(name))


def _within(store: Store, node: Node, folder: str) -> Iterator[str]:
    """The files of a folder of records; a sink may have put its own into folders below."""
    for each in folders_of(store, folder) if isinstance(node.stage, Sink) else (folder,):
        yield from (f"{each}/{name}" for name in store.names(each))


def _folders(node: Node) -> tuple[str, ...]:
    if isinstance(node.stage, Group):
        return (node.name, exchange(node))
    return (node.name, parents_of(node)) if isinstance(node.stage, Expand) else (node.name,)


def _listed(context: Context, node: Node) -> set[str]:
    return {shard.name for _, shard in context.incoming(node)}


def _own_parts(record: Record) -> list[Part]:
    return [part for part in record.parts if not part.run]


def _size(path: File) -> int:
    return sum(each.stat().st_size for each in [path, *path.rglob("*")] if each.is_file())


# ---------------------------------------------------------------------------------------------- rows of layers


def _layers(context: Context) -> Iterator[Surplus]:
    """Layers that hold rows which no longer come in."""
    for node in context.recipe.nodes.values():
        if not isinstance(node.stage, Map | Group):
            continue
        for path, shard in context.incoming(node):
            record, before = standing(context, path, shard), standing(context, path.before(), shard)
            if record is None or before is None or record.rows_in != before.rows_kept:
                continue  # the next run does it anew
            yield from _shrinking(context, record, before)


def _shrinking(context: Context, record: Record, before: Record) -> Iterator[Surplus]:
    own = [part for part in record.layer if not part.run]
    if not own:
        return
    file = TableFile(context.store, own[-1])
    incoming = kept_rows(context.store, before.reasons)
    keep = np.flatnonzero(np.isin(file.rows, incoming)).astype(np.int64)
    if len(keep) < len(file.rows):
        part = own[-1]
        gone = len(file.rows) - len(keep)

        def shrink() -> int:
            return _shrink(context, record, file, keep)

        estimate = part.bytes * gone // max(1, len(file.rows))
        yield Surplus(f"{gone} rows that no longer come in", part.path, estimate, shrink)


def _shrink(context: Context, record: Record, file: TableFile, keep: Positions) -> int:
    """Write a layer anew with some of its rows. After a kill in between the next run measures the shard again."""
    others = tuple(part for part in record.layer if part != file.part)
    write_record(context.store, record.model_copy(update={"values": "", "layer": others}))
    if others and not len(keep):
        context.store.remove(file.part.path)
        layer = others
    else:
        layer = (*others, _written(context.store, file, keep))
    changed = record.model_copy(update={"layer": layer})
    write_record(context.store, changed)
    context.state.put(changed)
    return file.part.bytes - sum(part.bytes for part in layer if part not in others)


def _written(store: Store, file: TableFile, keep: Positions) -> Part:
    schema = pa.schema([file.field(name) for name in file.columns])
    writer = PartWriter(store, file.part.path, schema)
    try:
        writer.write(_rows(file, keep[:0], schema))
        for start in range(0, len(keep), 1024):
            writer.write(_rows(file, keep[start : start + 1024], schema))
        return writer.commit()
    except BaseException:
        writer.discard()
        raise


def _rows(file: TableFile, at: Positions, schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([file.take(name, at) for name in schema.names], schema=schema)


# ---------------------------------------------------------------------------------------------- books


def _tidy(context: Context, node: Node) -> None:
    """Fold the records of what is left, and sum them up anew."""
    listed = _listed(context, node)
    for folder in _folders(node):
        if not context.store.exists(f"{folder}/{FOLDED}"):
            continue
        stands = read_records(context.store, folder)
        left = {shard: record for shard, record in stands.items() if shard in listed}
        loose = any(context.store.exists(f"{folder}/{shard}.json") for shard in left)
        if loose or len(left) < len(stands):
            fold(context.store, folder, left)
            _describe(context, node, folder, left)


def _describe(context: Context, node: Node, folder: str, left: dict[str, Record]) -> None:
    name = f"{node.name}/stage.json"
    if folder != node.name or not context.store.exists(name):
        return
    about: dict[str, Any] = json.loads(context.store.read(name))
    about["totals"] = totals(list(left.values()))
    write_json(context.store, name, about)
