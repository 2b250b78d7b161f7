"""A checked recipe: its stages as a graph, what columns there are after each, and its YAML written out in full.

Costs nothing: frozen records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import model_validator

from datapipe.algo.gates import Gate, parse_gate
from datapipe.algo.where import Where
from datapipe.recipe.document import write_document
from datapipe.stage import Deciding, Share, Stage, StageConfig, place

__all__ = ["RESOLVED", "Audit", "Cluster", "Columns", "Head", "Node", "Recipe"]

RESOLVED = "# The recipe of this run, written by datapipe with every default: not a file to edit.\n"


class Cluster(StageConfig):
    """Where tasks run. Never part of a fingerprint: any cluster gives the same bytes."""

    kind: Literal["local", "inprocess", "address"] = place(
        "local", "local: processes on this machine; inprocess: this very process; address: a Dask scheduler"
    )
    workers: int | None = place(None, "processes, one thread each; null: as many as there are cores", gt=0)
    address: str | None = place(None, "of the scheduler, such as tcp://10.0.0.1:8786; for kind: address")

    @model_validator(mode="after")
    def _address_where_asked(self) -> Cluster:
        if self.kind == "address" and self.address is None:
            raise ValueError("kind: address needs the address of a scheduler")
        if self.kind != "address" and self.address is not None:
            raise ValueError(f"an address has no meaning for kind: {self.kind}")
        return self


class Audit(StageConfig):
    """Which stages are audited with planted cases, and with how many. Never part of a fingerprint of real documents."""

    rate: Share = place(
        0.001, "share of the documents that come to a stage of which a case is made, chosen by hash of id", gt=0, le=1
    )
    stages: tuple[str, ...] | None = place(None, "stages of this recipe; null: all that can be audited")


class Head(StageConfig):
    """What a recipe says beside its stages."""

    run: str = place(description="folder of the run, relative to the current directory", min_length=1)
    description: str | None = place(None, "what the recipe is for")
    seed: int = place(0, "of random choices, for stages without one of their own", ge=0, lt=2**63)
    reuse: tuple[str, ...] = place((), "folders of other runs whose layers may be taken by reference")
    audit: Audit | None = place(None, "how much stages find of cases planted beside the corpus; null: not asked")
    gates: tuple[str, ...] = place(
        (),
        "conditions over the report, such as `stages.quality.kept >= 0.05`; what Sinks write stays under `_pending/` "
        "until all hold",
    )
    cluster: Cluster = place(Cluster(), "where tasks run")


@dataclass(frozen=True)
class Node:
    """One stage of a recipe. `parents` are resolved; `line` is 0 for a stage that no file names."""

    name: str
    use: str
    stage: Stage
    config: StageConfig
    parents: tuple[str, ...]
    where: Where | None
    resource: str | None
    line: int

    @property
    def can_be_audited(self) -> bool:
        """Whether the stage says how cases are planted for it."""
        return isinstance(self.stage, Deciding) and self.stage.audit is not None


@dataclass(frozen=True)
class Columns:
    """The columns that documents have at one point of the graph, by full name.

    `partial` are absent on some of the branches that were joined (null there). `transient` are not stored but
    made again by reading the source. `raw` hold text as it came, with a word on why where they were made of such;
    `coded` hold strings that are no text; `covers` are the stages that cover columns which were passed. `shared` are
    those that the children of one document have from it, all alike.
    """

    types: dict[str, pa.DataType]
    partial: frozenset[str] = frozenset()
    transient: frozenset[str] = frozenset()
    raw: dict[str, str] = field(default_factory=dict)
    coded: frozenset[str] = frozenset()
    covers: tuple[str, ...] = ()
    shared: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Recipe:
    """A recipe without problems. `nodes` stand in the order of the file: parents before children."""

    path: Path
    head: Head
    nodes: dict[str, Node]
    columns: dict[str, Columns]

    @property
    def run(self) -> str:
        """Folder of the run, relative to the current directory."""
        return self.head.run

    @property
    def seed(self) -> int:
        """Of every random choice."""
        return self.head.seed

    @property
    def reuse(self) -> tuple[str, ...]:
        """Folders of other runs whose layers may be taken by reference."""
        return self.head.reuse

    @property
    def audited(self) -> tuple[Node, ...]:
        """The stages that are audited, in the order of the file."""
        audit = self.head.audit
        wanted = None if audit is None or audit.stages is None else frozenset(audit.stages)
        able = (node for node in self.nodes.values() if audit is not None and node.can_be_audited)
        return tuple(node for node in able if wanted is None or node.name in wanted)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The conditions that what Sinks write has to meet."""
        return tuple(parse_gate(text) for text in self.head.gates)

    @property
    def cluster(self) -> Cluster:
        """Where tasks run."""
        return self.head.cluster

    def available(self, name: str) -> dict[str, pa.DataType]:
        """Columns of the documents after stage `name`; see `Columns` for those that are partial or transient."""
        return dict(self.columns[name].types)

    def transient(self, name: str) -> frozenset[str]:
        """Those of the columns after `name` that are made again by reading the source."""
        return self.columns[name].transient

    def children(self, name: str) -> tuple[str, ...]:
        """Stages that read from `name`, in the order of the file."""
        return tuple(node.name for node in self.nodes.values() if name in node.parents)

    def chain(self, name: str) -> tuple[str, ...]:
        """The way to `name`, itself included, from its source or from where several branches were joined."""
        way = [name]
        while len(self.nodes[way[0]].parents) == 1:
            way.insert(0, self.nodes[way[0]].parents[0])
        return tuple(way)

    def resolved_yaml(self) -> str:
        """The recipe with every default written out; reads back as the same recipe. Deterministic."""
        values: dict[str, Any] = self.head.model_dump(mode="json")
        values["stages"] = {node.name: _written(node) for node in self.nodes.values()}
        return RESOLVED + write_document(values)


def _written(node: Node) -> dict[str, Any]:
    values: dict[str, Any] = {"use": node.use, "from": list(node.parents)}
    if node.where is not None:
        values["where"] = node.where.text
    if node.resource is not None:
        values["resource"] = node.resource
    return values | node.config.model_dump(mode="json", by_alias=True)
