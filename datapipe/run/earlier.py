"""Earlier runs that a Group compares its documents with: their keys and what they measured, never their texts.

Their shards come before those of this run, in the order of their corpus, run by run as `against` names them.
Costs reading their records.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as File

from datapipe.corpus.fingerprint import difference
from datapipe.corpus.record import Part, Record
from datapipe.corpus.store import Store
from datapipe.engine.answering import measured_of
from datapipe.errors import InputError, RunError
from datapipe.recipe import Node
from datapipe.registry import Registry
from datapipe.run.context import Context
from datapipe.run.reopen import reopen, standing
from datapipe.run.state import lent
from datapipe.run.tasks import exchange
from datapipe.stage import Group, IndexedConfig

__all__ = ["EarlierShard", "earlier_runs", "earlier_shards", "from_here"]

LEAVE = frozenset({"stage", "reads", "where", "resource"})  # of a payload: what may differ between two runs


@dataclass(frozen=True)
class EarlierShard:
    """A shard of an earlier run: the record of its keys, named from here, and which of the earlier runs it is of."""

    keys: Record
    run: int
    url: str  # of the run, from here
    stage: str
    context: Context
    told: tuple[Part, ...] = ()  # files of the columns that the stage gave its documents, named from here, if wanted

    @property
    def measured(self) -> Part:
        """What that run keeps of its documents, named from here; InputError where it keeps nothing."""
        store = self.context.store
        found = measured_of(store, self.stage, self.keys.shard)
        if found is None or not store.exists(found.part.path):
            raise InputError(
                f"{store.url} did not keep what {self.stage!r} needs to compare new ones with its own",
                remedy="run it once more with `index: true` on that stage",
            )
        return found.part.model_copy(update={"run": self.url})


def earlier_shards(context: Context, node: Node) -> list[EarlierShard]:
    """All shards of the runs that a stage is told to compare with; InputError or RunError where one does not serve."""
    if not isinstance(node.config, IndexedConfig):
        return []
    found: list[EarlierShard] = []
    urls = node.config.against[:-1] if context.finished(node) else node.config.against
    for number, url in enumerate(urls):
        found += _shards(context, node, url, number)
    return found


def earlier_runs(context: Context, node: Node) -> Iterator[Context]:
    """The runs that a stage is told to compare with, opened one after the other; InputError where one is none."""
    for url in node.config.against if isinstance(node.config, IndexedConfig) else ():
        yield _opened(context, node, url)


def _opened(context: Context, node: Node, url: str) -> Context:
    stages_dir = context.paths.call(node).stages_dir
    return reopen(url, Registry(File(stages_dir) if stages_dir else None), stages_dir)


def _shards(context: Context, node: Node, url: str, number: int) -> list[EarlierShard]:
    if Store(url).path() == context.store.path():
        raise InputError(f"{node.name}: against names its own run {url}", remedy="name the runs before it")
    old = _opened(context, node, url)
    theirs = _same_stage(old, node, url)
    _agree(node, context, theirs, old)
    away = from_here(context.store, old.store)
    recalls = isinstance(node.stage, Group) and bool(node.stage.recalls)
    shards = []
    for path, shard in old.incoming(theirs):
        keys = old.state.of(exchange(theirs)).get(shard.name)
        before = standing(old, path.before(), shard)
        if keys is None or before is None or keys.rows_in != before.rows_kept or keys.base != before.base:
            raise RunError(f"stage {theirs.name!r} of {url} is not done", remedy="finish that run first")
        told = old.state.of(theirs.name).get(shard.name) if recalls else keys
        if told is None or (told.rows_in, told.base) != (keys.rows_in, keys.base):
            raise RunError(f"stage {theirs.name!r} of {url} is not done", remedy="finish that run first")
        layer = lent(told, away).layer if recalls else ()
        shards.append(EarlierShard(lent(keys, away), number, away, theirs.name, old, layer))
    _complete(old, theirs, url, len(shards))
    return shards


def _complete(old: Context, theirs: Node, url: str, there: int) -> None:
    """Files that are gone leave no trace but in the stage's own books; without them old documents would return."""
    about = f"{theirs.name}/stage.json"
    told = json.loads(old.store.read(about))["totals"]["shards"] if old.store.exists(about) else None
    if told is None:
        raise RunError(f"stage {theirs.name!r} of {url} is not done", remedy="finish that run first")
    if told != there:
        raise RunError(
            f"of {told} shards of stage {theirs.name!r} of {url} {there} are left",
            remedy="bring the files of its source back, or run it again",
        )


def _same_stage(old: Context, node: Node, url: str) -> Node:
    named = old.recipe.nodes.get(node.name)
    if named is not None and named.use == node.use:
        return named
    alike = [each for each in old.recipe.nodes.values() if each.use == node.use]
    if len(alike) != 1:
        what = "no stage" if not alike else "several stages"
        raise InputError(
            f"{node.name}: {url} has {what} that use {node.use}", remedy=f"name the one of that run {node.name!r}"
        )
    return alike[0]


def _agree(node: Node, context: Context, theirs: Node, old: Context) -> None:
    """Keys compare only where the stage, its version, its libraries and its settings are the same."""
    ours, others = (
        {key: value for key, value in each.paths.payload(each.paths.to(one.name)[0]).items() if key not in LEAVE}
        for each, one in ((context, node), (old, theirs))
    )
    _agree_on_resource(node, context, theirs, old)
    lines = difference(others, ours)
    plain = [line.removeprefix("config.") for line in lines]
    if plain:
        raise InputError(
            f"{node.name}: {old.store.url} was made with another {'; '.join(plain)}",
            remedy="give this stage the same settings, or run that stage there once more",
        )


def _agree_on_resource(node: Node, context: Context, theirs: Node, old: Context) -> None:
    """Keys that depend on what was prepared compare only where that is the same."""
    ours = context.paths.resources.get(node.name)
    if node.stage.prepare is not None and old.paths.resources.get(theirs.name) != ours:
        raise InputError(
            f"{node.name}: its keys rest on what this run prepared, those of {old.store.url} on what that run did",
            remedy=f"give this stage `resource: {old.store.url}`",
        )


def from_here(store: Store, other: Store) -> str:
    """The folder of another run, named from that of this one."""
    if store.local and other.local:
        return os.path.relpath(other.path(), store.path()).replace(os.sep, "/")
    return other.url
