"""What the parts of one run share: the recipe, the engine, the folder, and which shards there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from datapipe.corpus.lease import Lease
from datapipe.corpus.record import Record
from datapipe.corpus.store import Store
from datapipe.engine.local import Engine
from datapipe.engine.ready import Need
from datapipe.engine.task import BaseShard, Keys, Limits, Parent, Slice
from datapipe.engine.trail import log_records
from datapipe.errors import InputError
from datapipe.recipe import Node, Recipe
from datapipe.run.paths import Path, Paths
from datapipe.run.progress import Progress
from datapipe.run.state import State
from datapipe.stage import Split

__all__ = ["Context", "Shard", "Verdicts"]


@dataclass(frozen=True)
class Shard:
    """A base shard: the stage that made it, its record, and the input it can be read from again."""

    root: Node
    record: Record
    split: Split | None = None
    parent: Shard | None = None  # of expanded documents

    @property
    def name(self) -> str:
        """The shard's name, the same in every stage."""
        return self.record.shard


@dataclass(frozen=True)
class Verdicts:
    """What a Group found: files sorted by (shard, row), what they depend on, and the shards' numbers in them."""

    files: tuple[Keys, ...]
    fingerprint: str
    numbers: dict[str, int]

    def on(self, shard: str) -> tuple[Slice, ...]:
        """Where the verdicts on one shard's documents are."""
        number = self.numbers[shard]
        found = (Slice(keys.part, keys.buckets[number], keys.buckets[number + 1]) for keys in self.files)
        return tuple(each for each in found if each.first < each.last)


@dataclass
class Context:
    """One run of a recipe by one engine."""

    recipe: Recipe
    engine: Engine
    progress: Progress
    store: Store
    state: State
    paths: Paths
    limits: Limits = field(default_factory=Limits)
    shards: dict[str, list[Shard]] = field(default_factory=dict)  # by `Path.root_key`
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    gathering: dict[str, str] = field(default_factory=dict)  # what comes into each sink that gathers, see `writing`
    records: dict[str, dict[str, Record]] = field(default_factory=dict)  # of the stages that are closed
    leases: list[Lease] = field(default_factory=list)  # of the stages in hand
    measured: dict[str, int] = field(default_factory=dict)  # documents that each stage measured now
    loaded: set[str] = field(default_factory=set)  # stages that the workers are ready for
    loading_seconds: float = 0.0  # what that took
    tasks: int = 0  # how many were carried out

    def incoming(self, node: Node) -> list[tuple[Path, Shard]]:
        """The shards that come into a stage, each with the path to it, in order of the corpus."""
        found = [(path, shard) for path in self.paths.to(node.name) for shard in self.shards[path.root_key]]
        first: dict[str, Path] = {}
        for path, shard in found:
            other = first.setdefault(shard.name, path)
            if other is not path:
                raise InputError(
                    f"{other.root.name!r} and {path.root.name!r} both bring shard {shard.name} to {node.name!r}: "
                    "they have the same `source` and a file of the same name",
                    remedy=f"give {path.root.name!r} another `source`",
                )
        return found

    def finished(self, node: Node) -> list[tuple[Path, Shard, Record]]:  # noqa: ARG002 - a side corpus has some
        """The shards of a finished run beside which a Group judges a side corpus, with their keys."""
        return []

    def record(self, path: Path, shard: Shard) -> Record:
        """The record of the last stage of a path on a shard."""
        if path.last.name == shard.root.name:
            return shard.record
        return self.state.of(path.last.name)[shard.name]

    def values(self, path: Path) -> str:
        """Value fingerprint of a stage's layer."""
        return self.paths.values(path)

    def judge(self, group: str, verdicts: Verdicts) -> None:
        """Note what a Group found."""
        self.verdicts[group] = verdicts
        self.paths.judge(group, verdicts.fingerprint)

    def base(self, done: Path, shard: Shard) -> BaseShard:
        """A shard with the layers that stand on it up to the end of a path."""
        layers = {node.name: self.state.of(node.name)[shard.name] for node in done.nodes[1:]}
        parent = None
        if shard.parent is not None and done.origin is not None:
            parent = Parent(self.base(done.origin.before(), shard.parent), done.origin.owners)
        return BaseShard(
            self.paths.call(shard.root), shard.name, shard.record, shard.split, layers, done.last.name, parent
        )

    def resource(self, node: Node) -> str | None:
        """The folder of a stage's resource."""
        return self.store.path(f"{node.name}/resource") if node.stage.prepare else None

    def carry_out(
        self, names: tuple[str, ...], function: Callable[[Any], Any], tasks: Iterable[Any], *, count: int
    ) -> None:
        """Run `count` tasks that return records, and note them as they come."""
        if not count:
            return
        self.ready(names)
        self.progress.begin(names, count)
        for records in self.engine.map(function, tasks):
            self.note(records)
        self.progress.end(names)

    def ready(self, names: tuple[str, ...]) -> None:
        """Make the workers ready for some stages; the seconds are start-up, and counted apart."""
        nodes = [self.recipe.nodes[name] for name in names if name not in self.loaded]
        if nodes:
            began = time.perf_counter()
            self.engine.prepare(tuple(Need(self.paths.call(node), self.resource(node)) for node in nodes))
            self.loading_seconds += time.perf_counter() - began
            self.loaded.update(names)

    def note(self, records: Iterable[Record]) -> None:
        """Take in what a task has done; raises LeaseHeld if another driver has taken over meanwhile."""
        for lease in self.leases:
            lease.check()
        self.tasks += 1
        written = list(records)
        new = [record for record in written if record != self.state.of(record.stage).get(record.shard)]
        for record in new:
            self.measured[record.stage] = self.measured.get(record.stage, 0) + record.work.processed
            self.state.put(record)
        log_records(self.store, new)
        self.progress.advance(written)
