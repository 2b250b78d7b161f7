"""Opens the folder of a run for reading: finished, half finished, or while another process works on it.

Which shards there are is told by the records alone: the input may have moved or be gone. Nothing is written.
Costs reading the records of the stages that are looked at.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path as File
from typing import Any

from datapipe.corpus.record import FOLDED, Record, read_records
from datapipe.corpus.store import Store
from datapipe.engine.columns import Columns
from datapipe.engine.local import LocalEngine
from datapipe.engine.task import BaseShard, Parent
from datapipe.errors import CorruptData, DatapipeError, InputError
from datapipe.recipe import RESOLVED, Recipe, load_recipe
from datapipe.registry import Registry
from datapipe.run.context import Context, Shard, Verdicts
from datapipe.run.expanding import list_expanded
from datapipe.run.paths import Path, Paths
from datapipe.run.progress import Silent
from datapipe.run.state import State
from datapipe.stage import Group, Source

__all__ = ["open_columns", "reopen", "roots", "standing", "view", "with_input"]

ATTEMPTS = 5  # a run that goes on folds records while they are read
PAUSE_SECONDS = 0.05


def reopen(url: str, registry: Registry, stages_dir: str | None = None, overrides: Sequence[str] = ()) -> Context:
    """What a run folder holds, by the recipe in it; `overrides` are `key=value` as for `--set`.

    Raises InputError where the folder is no run, RecipeError where its recipe no longer loads.
    """
    store = Store(url)
    if not store.exists("recipe.yaml") or not store.read("recipe.yaml").startswith(RESOLVED.encode()):
        remedy = "name the folder that the recipe calls `run`"
        raise InputError(f"{url} is no run: no run has written a recipe.yaml there", remedy=remedy)
    with tempfile.TemporaryDirectory(prefix="datapipe-") as folder:
        copy = File(folder, "recipe.yaml")
        copy.write_bytes(store.read("recipe.yaml"))
        recipe = load_recipe(copy, registry, overrides)
    head = recipe.head.model_copy(update={"run": url})
    return view(dataclasses.replace(recipe, path=File(store.path("recipe.yaml")), head=head), stages_dir)


def view(recipe: Recipe, stages_dir: str | None = None) -> Context:
    """What the run folder of a recipe holds; never to be run."""
    store = Store(recipe.run)
    context = Context(recipe, LocalEngine(), Silent(), store, _Standing(store), Paths(recipe, stages_dir))
    for node in recipe.nodes.values():
        if node.stage.prepare is not None and store.exists(f"{node.name}/resource.json"):
            context.paths.resources[node.name] = json.loads(store.read(f"{node.name}/resource.json"))["digest"]
        if isinstance(node.stage, Group):
            context.judge(node.name, Verdicts((), _verdicts(context.state.of(node.name)), {}))
    for root in roots(context):
        if root.origin is None:
            records = context.state.of(root.root.name).values()
            context.shards[root.root_key] = [Shard(root.root, record) for record in sorted(records, key=_place)]
        else:
            list_expanded(context, root)
    return context


def roots(context: Context) -> Iterator[Path]:
    """The paths on which documents begin: one for each source, and for each way to a stage that makes new ones."""
    for name, node in context.recipe.nodes.items():
        if isinstance(node.stage, Source):
            yield Path((node,))
        else:
            yield from (path for path in context.paths.onward(name) if path.origin is not None and len(path.nodes) == 1)


def standing(context: Context, path: Path, shard: Shard) -> Record | None:
    """The record of the last stage of a path on a shard, if it stands on the base shard that is there."""
    if len(path.nodes) == 1:
        return shard.record
    record = context.state.of(path.last.name).get(shard.name)
    return record if record is not None and record.base == shard.record.base else None


def open_columns(context: Context, path: Path, shard: Shard) -> Columns:
    """The columns of a shard, with every layer that stands on it up to the end of a path."""
    return Columns(context.store, path.root.name, _base(context, path, shard))


def _base(context: Context, path: Path, shard: Shard) -> BaseShard:
    known = {node.name: standing(context, path.upto(node.name), shard) for node in path.nodes[1:]}
    layers = {name: record for name, record in known.items() if record is not None}
    parent = None
    if shard.parent is not None and path.origin is not None:
        parent = Parent(_base(context, path.origin.before(), shard.parent), path.origin.owners)
    call = context.paths.call(path.root)
    return BaseShard(call, shard.name, shard.record, shard.split, layers, path.last.name, parent)


READ_TO_PEOPLE = {"text", "messages"}


def with_input(shard: Shard) -> Shard:
    """The shard with the input that it was read from, where that is at hand and holds what people read."""
    stage: Any = shard.root.stage
    if shard.record.split is None or not isinstance(stage, Source):
        return shard
    if READ_TO_PEOPLE.isdisjoint(stage.transient):
        return shard
    try:
        splits = list(stage.splits(shard.root.config))
    except (DatapipeError, OSError):
        return shard
    seen = {(file.name, file.size, file.modified) for file in shard.record.split.files}
    same = (split for split in splits if {(file.name, file.size, file.modified) for file in split.files} == seen)
    return dataclasses.replace(shard, split=next(same, None))


def _place(record: Record) -> tuple[str, int]:
    return (record.split.name, record.split.number) if record.split else ("", 0)


def _verdicts(records: dict[str, Record]) -> str:
    """What most layers of a Group rest on; see `Context.values`."""
    found = Counter(record.values.partition("-")[2] for record in records.values())
    return found.most_common(1)[0][0] if found else ""


class _Standing(State):
    """Records that another process may be writing and folding."""

    def of(self, stage: str) -> dict[str, Record]:
        """Records of a stage, by shard."""
        if stage not in self._records:
            self._records[stage] = _settled(self.store, stage)
        return self._records[stage]


def _settled(store: Store, stage: str) -> dict[str, Record]:
    for attempt in range(ATTEMPTS):
        before = _mark(store, stage)
        try:
            found = read_records(store, stage)
        except CorruptData:
            if attempt + 1 == ATTEMPTS:
                raise
        else:
            if _mark(store, stage) == before or attempt + 1 == ATTEMPTS:
                return found
        time.sleep(PAUSE_SECONDS)
    raise AssertionError


def _mark(store: Store, stage: str) -> tuple[Any, ...]:
    """Changes when the records of a stage are folded."""
    try:
        info = store.fs.info(store.path(f"{stage}/{FOLDED}"))
    except FileNotFoundError:
        return ()
    return (info.get("size"), info.get("mtime"), info.get("ETag"))
