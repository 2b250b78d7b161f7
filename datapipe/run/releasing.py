"""Where the output of Sinks lies: under `_pending/` until the gates of the recipe hold, then in the Sink's own folder.

A file is moved in three steps: a second name for it (a hard link on a local disk), the record that says the new place,
and the first name goes; so at no moment does a record name a file that is not there, whenever a process is killed. The
small files come last, so that whoever waits for a manifest sees all the rest. What gates found stands in the manifest.
Costs a rename a file; on an object store a copy.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from typing import Any

import xxhash

from datapipe.corpus import lease
from datapipe.corpus.fingerprint import fingerprint
from datapipe.corpus.record import Part, Record, write_record
from datapipe.corpus.store import Store
from datapipe.recipe import Node, Recipe
from datapipe.run.context import Context
from datapipe.stage import Sink

__all__ = ["MANIFEST", "PENDING", "folders_of", "home_of", "move_out", "output_state", "retract", "sinks_of", "waits"]

PENDING = "_pending"  # readers of folders of files pass over names that begin so
MANIFEST = "manifest.json"
GATES = "gates"  # key of a manifest


def sinks_of(recipe: Recipe) -> list[Node]:
    """The stages that write for others."""
    return [node for node in recipe.nodes.values() if isinstance(node.stage, Sink)]


def home_of(recipe: Recipe, node: Node) -> str:
    """The folder into which a Sink writes what is new."""
    return f"{node.name}/{PENDING}" if recipe.head.gates else node.name


def folders_of(store: Store, sink: str) -> Iterator[str]:
    """The folders in which a Sink's files may lie."""
    yield sink
    for folder in store.folders(sink):
        yield f"{sink}/{folder}"
        if folder == PENDING:
            yield from (f"{sink}/{PENDING}/{inner}" for inner in store.folders(f"{sink}/{PENDING}"))


def waits(context: Context) -> bool:
    """Whether some output of a Sink is not let out."""
    files = (
        file for node in sinks_of(context.recipe) for r in context.state.of(node.name).values() for file in r.files
    )
    return any(f"/{PENDING}/" in file for file in files)


def output_state(context: Context) -> str:
    """Fingerprint of all that Sinks have written, wherever it lies."""
    nodes = sinks_of(context.recipe)
    state = {node.name: {s: [r.values, r.rows_in] for s, r in context.state.of(node.name).items()} for node in nodes}
    return fingerprint(state)


def retract(context: Context, node: Node) -> None:
    """Before some of a Sink's files are made anew: take back those that were let out, so that the set stays one."""
    if context.recipe.head.gates:
        _move(context, node, pending=True, gates=None)


def move_out(context: Context, node: Node, *, pending: bool, gates: dict[str, Any]) -> int:
    """Let a Sink's files out, or take them back, and say in its manifest what the gates found; returns how many moved.

    Raises LeaseHeld while another driver works on the stage.
    """
    with lease.held(context.store, node.name):
        moved = _move(context, node, pending=pending, gates=gates)
        context.state.close(node.name, list(context.state.of(node.name)))
    return moved


def _move(context: Context, node: Node, *, pending: bool, gates: dict[str, Any] | None) -> int:
    store, count = context.store, 0
    for record in list(context.state.of(node.name).values()):
        parts = [_moved(store, node, part, (pending, gates)) for part in record.layer]
        new = record.model_copy(update={"layer": tuple(part for part, _ in parts)})
        if new != record:
            _place(store, (record, new), {part.path: content for part, content in parts if content is not None})
            context.state.put(new)
            count += sum(old.path != part.path for old, part in zip(record.layer, new.layer, strict=True))
    _sweep(context, node, pending=pending)
    for folder in reversed(list(folders_of(store, node.name))):
        if folder != node.name and not store.fs.ls(store.path(folder)):
            store.remove(folder)
    return count


def _sweep(context: Context, node: Node, *, pending: bool) -> None:
    """Take away first names that a process left which was killed."""
    store = context.store
    if not pending and not store.exists(f"{node.name}/{PENDING}"):
        return
    for record in context.state.of(node.name).values():
        for part in record.layer:
            inner = part.path.removeprefix(f"{node.name}/").removeprefix(f"{PENDING}/")
            store.remove(f"{node.name}/{inner}" if pending else f"{node.name}/{PENDING}/{inner}")


def _moved(
    store: Store, node: Node, part: Part, wanted: tuple[bool, dict[str, Any] | None]
) -> tuple[Part, bytes | None]:
    """A file as it is to be, and its content where that changes."""
    pending, gates = wanted
    inner = part.path.removeprefix(f"{node.name}/").removeprefix(f"{PENDING}/")
    path = f"{node.name}/{PENDING}/{inner}" if pending else f"{node.name}/{inner}"
    if posixpath.basename(path) != MANIFEST or gates is None:
        return part.model_copy(update={"path": path}), None
    told = json.loads(store.read(part.path))
    if not isinstance(told, dict) or told.get(GATES, {}) == gates:
        return part.model_copy(update={"path": path}), None
    changed = {**told, GATES: gates}
    content = (json.dumps(changed, indent=1, ensure_ascii=False) + "\n").encode()
    digests = {"file": [xxhash.xxh3_128_hexdigest(content)]}
    return part.model_copy(update={"path": path, "bytes": len(content), "digests": digests}), content


def _place(store: Store, records: tuple[Record, Record], contents: dict[str, bytes]) -> None:
    """Give files their new names, then note it, then take the old names away."""
    old, new = records
    for before, after in zip(old.layer, new.layer, strict=True):
        if before.path != after.path:
            if after.path in contents:
                store.write(after.path, contents[after.path])
            else:
                store.second_name(before.path, after.path)
    write_record(store, new)
    for before, after in zip(old.layer, new.layer, strict=True):
        if before.path != after.path:
            store.remove(before.path)
        elif after.path in contents:  # killed before this, the file does not fit its record and is made anew
            store.write(after.path, contents[after.path])
