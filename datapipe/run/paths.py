"""What leads to each stage of a recipe: which sources, through which stages, and who holds each column.

A path is the line of stages from one source (or one stage that makes new documents) to a stage; the shards
of a source pass along it. A stage below several parents has one path for each.
Fingerprints follow paths, because the same stage may read `text` from `extract` here and from `chat` there.
Costs nothing: pure look-ups over the recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from datapipe.corpus.fingerprint import config_by_role, fingerprint, library_versions, versions
from datapipe.engine.step import FAILURE
from datapipe.engine.task import Call
from datapipe.recipe import Node, Recipe
from datapipe.schema import PLACE, qualified
from datapipe.stage import Deciding, Expand, Group, Map, Source

__all__ = ["Path", "Paths"]


@dataclass(frozen=True)
class Path:
    """Stages from a root (the first) to a stage (the last); `origin` is how the root's parents came to it."""

    nodes: tuple[Node, ...]
    origin: Path | None = None  # only where the root is an Expand; ends at the root

    @property
    def root(self) -> Node:
        """The source, or the stage that made the documents."""
        return self.nodes[0]

    @property
    def last(self) -> Node:
        """The stage itself."""
        return self.nodes[-1]

    @property
    def root_key(self) -> str:
        """Name of the root, after that of its own root where it is an Expand."""
        return f"{self.origin.root_key}>{self.root.name}" if self.origin else self.root.name

    def then(self, *nodes: Node) -> Path:
        """The path with more stages."""
        return Path((*self.nodes, *nodes), self.origin)

    @cached_property
    def owners(self) -> dict[str, tuple[str, ...]]:
        """Stages before the last that may hold each column, newest first."""
        found: dict[str, tuple[str, ...]] = {}
        if self.origin is not None:  # children have their parent's columns unless they bring their own
            found = dict.fromkeys(self.origin.owners, (self.root.name,))
        for node in self.nodes[:-1]:
            for column in added(node):
                found[column] = (node.name, *(owner for owner in found.get(column, ()) if owner != node.name))
        return found

    @cached_property
    def owners_after(self) -> dict[str, tuple[str, ...]]:
        """Stages up to the last that may hold each column, newest first."""
        return dict(self.then(self.last).owners)

    def upto(self, name: str) -> Path:
        """The path to a stage on it."""
        names = [node.name for node in self.nodes]
        return Path(self.nodes[: names.index(name) + 1], self.origin)

    def before(self) -> Path:
        """The path to the stage before the last."""
        return Path(self.nodes[:-1], self.origin)


def added(node: Node) -> tuple[str, ...]:
    """Full names of the columns a stage gives, transient ones and those of the framework included."""
    own = [qualified(name, node.name) for name in node.stage.adds_for(node.config).names]
    if isinstance(node.stage, Source | Expand):
        return (*PLACE, *own, *(("parent_row",) if isinstance(node.stage, Expand) else ()))
    if isinstance(node.stage, Map) and node.stage.guarded:
        own.append(qualified(FAILURE, node.name))
    return tuple(own)


class Paths:
    """All paths of a recipe, and the fingerprints along them. `resources`: digest of each prepared resource."""

    def __init__(self, recipe: Recipe, stages_dir: str | None) -> None:
        self.recipe = recipe
        self._stages_dir = stages_dir
        self.resources: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._verdicts: dict[str, str] = {}

    def beside(self, recipe: Recipe) -> Paths:
        """The paths of another recipe that begins with the same stages, whose resources and verdicts stand."""
        other = Paths(recipe, self._stages_dir)
        other.resources.update(self.resources)
        other._verdicts.update(self._verdicts)
        return other

    def call(self, node: Node) -> Call:
        """The stage by name, for a task."""
        return Call(node.name, node.use, node.config.model_dump_json(), self._stages_dir)

    def to(self, name: str) -> list[Path]:
        """Every path that ends at a stage."""
        node = self.recipe.nodes[name]
        if isinstance(node.stage, Source):
            return [Path((node,))]
        return [path.then(node) for parent in node.parents for path in self.onward(parent)]

    def onward(self, name: str) -> list[Path]:
        """Every path that documents leaving a stage have come; those it made itself start anew."""
        node = self.recipe.nodes[name]
        came = self.to(name)
        return [Path((node,), path) for path in came] if isinstance(node.stage, Expand) else came

    def values(self, path: Path) -> str:
        """Value fingerprint of the last stage's columns on this path."""
        if path.origin is not None and len(path.nodes) == 1:
            return self.values(path.origin)
        key = f"{path.root_key}>{path.last.name}"
        if key not in self._values:
            verdicts = self._verdicts.get(path.last.name)
            self._values[key] = self.keys(path) + (f"-{verdicts}" if verdicts else "")
        return self._values[key]

    def keys(self, path: Path) -> str:
        """Value fingerprint of what a stage makes of a document alone: of a Group, the keys it emits."""
        return fingerprint(self.payload(path))

    def judge(self, group: str, verdicts: str) -> None:
        """Note what the verdicts of a Group rest on; they enter its values and those of all that reads them."""
        if self._verdicts.get(group) != verdicts:
            self._verdicts[group] = verdicts
            self._values.clear()

    def payload(self, path: Path) -> dict[str, Any]:
        """What the value fingerprint of the last stage covers, in a form that people can compare."""
        node = path.last
        reads = set(node.stage.reads_for(node.config)) | set(node.where.columns if node.where else ())
        reads |= set(node.stage.applies_for(node.config) if isinstance(node.stage, Group) else ())
        if isinstance(node.stage, Deciding):
            reads |= set(node.stage.decides_for(node.config)) - set(node.stage.adds_for(node.config).names)
        return {
            "stage": node.name,
            "use": node.use,
            "version": node.stage.version,
            "libraries": library_versions(node.stage, node.config),
            "config": config_by_role(node.config, "measure"),
            "resource": self.resources.get(node.name),
            "where": node.where.text if node.where else None,
            "reads": {column: self._read(path, column) for column in sorted(reads)},
        }

    def _read(self, path: Path, column: str) -> list[str]:
        found = []
        for owner in path.owners.get(column, ()):
            if path.origin is not None and owner == path.root.name and column not in added(path.root):
                found += self._read(path.origin, column)
            else:
                found.append(self.values(path.upto(owner)))
        return found

    def decision(self, node: Node) -> str:
        """Fingerprint of the config, and of the data beside it, that turn columns into reasons."""
        payload: dict[str, Any] = config_by_role(node.config, "decide")
        if isinstance(node.stage, Deciding) and (entries := node.stage.decide_libraries_for(node.config)):
            payload = {"config": payload, "libraries": versions(entries)}
        return fingerprint(payload)
