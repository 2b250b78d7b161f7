"""Makes the resource of a stage once, before the stage runs: a benchmark index, percentiles, a word list.

Its digest, over the files that `build` wrote, enters the fingerprint of everything measured with it.
`resource: RUN` takes an older run's files instead.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path as Folder
from typing import Any

import pyarrow as pa
import xxhash

from datapipe.corpus.fingerprint import config_by_role, fingerprint, library_versions
from datapipe.corpus.store import Store
from datapipe.engine.sketch import SketchTask, merged, run_sketch
from datapipe.errors import InputError, RunError
from datapipe.recipe import Node
from datapipe.run.context import Context
from datapipe.stage import SUMMARY

__all__ = ["prepare_resource", "take_resource"]


def prepare_resource(context: Context, node: Node) -> None:
    """Build a stage's resource unless it stands, and tell the fingerprints its digest."""
    if take_resource(context, node):
        return
    folder = Folder(context.store.path(f"{node.name}/resource"))
    mark = folder.parent / "resource.json"
    context.progress.note(f"preparing {node.name}")
    with tempfile.TemporaryDirectory(prefix=".resource-", dir=_made(folder.parent)) as new:
        _fill(context, node, Folder(new) / "files")
        mark.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        (Folder(new) / "files").rename(folder)
    digest = _digest(folder)
    about = {"fingerprint": _wanted(context, node), "digest": digest}
    context.store.write(f"{node.name}/resource.json", json.dumps(about).encode())
    context.paths.resources[node.name] = digest
    for line in _summary(folder):
        context.progress.note(f"{node.name}: {line}")


def _summary(folder: Folder) -> list[str]:
    told = folder / SUMMARY
    return told.read_text(encoding="utf-8").splitlines() if told.is_file() else []


def take_resource(context: Context, node: Node) -> bool:
    """Tell the fingerprints the digest of a resource that stands, or that none is needed; else False."""
    if node.stage.prepare is None or node.name in context.paths.resources:
        return True
    if not context.store.local:
        raise RunError(f"stage {node.name!r} prepares files and needs a local run folder", remedy="choose one")
    mark = Folder(context.store.path(f"{node.name}/resource.json"))
    about = json.loads(mark.read_text()) if mark.exists() else {}
    if about.get("fingerprint") != _wanted(context, node):
        return False
    context.paths.resources[node.name] = about["digest"]
    return True


def _made(folder: Folder) -> Folder:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _wanted(context: Context, node: Node) -> str:
    assert node.stage.prepare is not None
    about: dict[str, Any] = {
        "use": node.use,
        "version": node.stage.version,
        "libraries": library_versions(node.stage, node.config),
        "config": config_by_role(node.config, "measure"),
        "from": node.resource,
    }
    if node.stage.prepare.sketch is not None:
        about["documents"] = [
            [shard.name, record.base, record.rows_kept]
            for path, shard in context.incoming(node)
            for record in [context.record(path.before(), shard)]
        ]
    return fingerprint(about)


def _fill(context: Context, node: Node, folder: Folder) -> None:
    made = node.stage.prepare
    assert made is not None
    if node.resource:
        older = Store(node.resource)
        source = Folder(older.path(f"{node.name}/resource"))
        if not source.is_dir():
            raise InputError(
                f"{node.resource} has no resource of a stage {node.name!r}", remedy="name a run that built it"
            )
        shutil.copytree(source, folder)
        return
    folder.mkdir()
    if made.sketch is None:
        made.build(node.config, folder)
        return
    assert made.merge is not None
    tasks = []
    for path, shard in context.incoming(node):
        base = context.base(path.before(), shard)
        tasks.append(SketchTask(context.store.url, base, context.paths.call(node), path.owners))
    tables = _in_order(context.engine.map(run_sketch, tasks), [task.base.shard for task in tasks])
    made.build(merged(tables, made.merge), node.config, folder)


def _in_order(sketches: Iterable[tuple[str, pa.Table]], shards: Sequence[str]) -> Iterator[pa.Table]:
    """The sketches of shards as these come, whichever is done first; what came too early is held."""
    early: dict[str, pa.Table] = {}
    given = 0
    for shard, table in sketches:
        early[shard] = table
        while given < len(shards) and shards[given] in early:
            yield early.pop(shards[given])
            given += 1


def _digest(folder: Folder) -> str:
    hasher = xxhash.xxh3_128()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        hasher.update(path.relative_to(folder).as_posix().encode() + b"\0")
        hasher.update(path.read_bytes())
    return hasher.hexdigest()
