"""What a task is: which shard, which stages on it, and where their columns lie.

Tasks hold names, configs and records, never data or code, so they travel to any worker; the worker loads
the stages by name. Costs a few kilobytes a task.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from datapipe.algo.where import Where
from datapipe.corpus.record import Part, Record
from datapipe.registry import Registry
from datapipe.stage import Split, Stage, StageConfig

__all__ = [
    "AnswerTask",
    "BaseShard",
    "Call",
    "ExpandTask",
    "FileTask",
    "Input",
    "Keys",
    "Limits",
    "Parent",
    "ResampleTask",
    "ResolveTask",
    "ShardTask",
    "SinkTask",
    "Slice",
    "SourceTask",
    "Step",
]


@dataclass(frozen=True)
class Limits:
    """What the guard grants one document, and where workers may put things."""

    cpu_seconds: float = 10.0
    memory_bytes: int = 2 << 30
    retry_failed: bool = False  # measure again the documents that the guard has set aside


@dataclass(frozen=True)
class Call:
    """A stage with its config, by name: `name` in the recipe, `use` in the registry."""

    name: str
    use: str
    config: str  # JSON
    stages_dir: str | None = None

    @property
    def stage(self) -> Any:
        """The stage's record (a `datapipe.stage.Stage`; the caller knows which kind)."""
        return _stage(self.use, self.stages_dir)

    @property
    def settings(self) -> Any:
        """The stage's config, of the class that the stage declares."""
        return _config(self.use, self.stages_dir, self.config)


@lru_cache(maxsize=256)
def _stage(use: str, stages_dir: str | None) -> Stage:
    return Registry(Path(stages_dir) if stages_dir else None).load(use)


@lru_cache(maxsize=256)
def _config(use: str, stages_dir: str | None, config: str) -> StageConfig:
    return _stage(use, stages_dir).config.model_validate(json.loads(config))


@dataclass(frozen=True)
class Slice:
    """Rows [first, last) of a file."""

    part: Part
    first: int
    last: int


@dataclass(frozen=True)
class Step:
    """One stage of a task. `owners`: for each column, the stages that may hold it, newest first."""

    call: Call
    values: str  # value fingerprint
    decision: str  # fingerprint of the decide config
    owners: dict[str, tuple[str, ...]]
    where: Where | None = None
    resource: str | None = None
    old: Record | None = None  # what an earlier run left
    emits: bool = False  # a Group's first exchange rather than its verdicts
    verdicts: tuple[Slice, ...] = ()  # of a Group, on this shard's documents


@dataclass(frozen=True)
class BaseShard:
    """A shard as its source wrote it, and the layers that stand on it."""

    source: Call
    shard: str
    record: Record
    split: Split | None  # to make transient columns again
    layers: dict[str, Record]  # of the stages whose columns a task may read
    previous: str  # the stage whose kept rows come in; the source itself if none stands between
    parent: Parent | None = None  # of expanded documents


@dataclass(frozen=True)
class Parent:
    """The shard that an Expand made its documents from, and who holds its columns."""

    base: BaseShard
    owners: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class ShardTask:
    """Stages to run on one stored shard."""

    run: str
    base: BaseShard
    steps: tuple[Step, ...]
    limits: Limits = Limits()


@dataclass(frozen=True)
class SourceTask:
    """Shards to cut from one split, from `number` on, with the stages to run on them as they pass."""

    run: str
    source: Call
    values: str
    decision: str
    split: Split
    digest: str  # of the split's files, where it is known
    number: int
    cursor: int
    limit: int | None
    steps: tuple[Step, ...]
    limits: Limits = Limits()


@dataclass(frozen=True)
class ResampleTask:
    """A base shard whose documents are to be sampled anew."""

    run: str
    source: Call
    record: Record
    decision: str


@dataclass(frozen=True)
class Keys:
    """An exchange file, where its buckets start, and of which shard and run it is (None: it holds `shard` and `run`).

    Files of verdicts, and of what is asked of documents, have a start for each shard instead of each bucket.
    """

    part: Part
    buckets: tuple[int, ...]
    shard: int | None
    run: int | None = 0

    def slice(self, first: int, last: int) -> Input:
        """The rows of buckets [first, last)."""
        return Input(Slice(self.part, self.buckets[first], self.buckets[last]), self.shard, self.run)


@dataclass(frozen=True)
class Input:
    """Rows of an exchange file, with the shard and the run that they are of (None: they say so themselves)."""

    rows: Slice
    shard: int | None
    run: int | None

    @property
    def place(self) -> dict[str, int]:
        """What the rows share."""
        known = {"shard": self.shard, "run": self.run}
        return {name: number for name, number in known.items() if number is not None}


@dataclass(frozen=True)
class ResolveTask:
    """One round of a Group over a range of keys.

    `inputs` are the rows of each file that belong to the range; a range that holds all keys comes in parts, in
    order. Files of a round `by_document` are sorted by (shard, row): its rows are verdicts, or ask of documents.
    `merges`: nothing is resolved, the inputs become one file; of the rows whose key stands in `near` alone.
    """

    run: str
    call: Call
    round: int
    name: str
    inputs: tuple[tuple[Input, ...], ...]
    fingerprint: str
    shards: int  # how many there are
    by_document: bool
    merges: bool = False
    near: tuple[Slice, ...] | None = None
    memory_bytes: int = 256 << 20


@dataclass(frozen=True)
class AnswerTask:
    """What the documents of one shard answer to what a round asks of them.

    `base` is None for a shard of an earlier run: then `measured` is what that run keeps of its documents.
    """

    run: str
    call: Call
    round: int
    name: str
    asked: tuple[Slice, ...]
    fingerprint: str
    base: BaseShard | None
    owners: dict[str, tuple[str, ...]]
    values: str  # value fingerprint of what is measured
    resource: str | None = None
    measured: Part | None = None
    everything: bool = False  # measure all documents, not only those asked for
    where: Where | None = None
    memory_bytes: int = 256 << 20


@dataclass(frozen=True)
class SinkTask:
    """Write the kept documents of one shard for others.

    `covers` are the stages above that cover columns, `looked_at` columns of codes that may hold what those take out.
    """

    run: str
    base: BaseShard
    call: Call
    owners: dict[str, tuple[str, ...]]
    columns: tuple[str, ...]
    values: str
    old: Record | None = None
    covers: tuple[Call, ...] = ()
    looked_at: tuple[str, ...] = ()
    home: str = ""  # folder for the files, in the run


@dataclass(frozen=True)
class FileTask:
    """Write the file `name` of a Sink that gathers: `inputs` are the rows of each shard that belong into it."""

    run: str
    call: Call
    home: str  # folder for the file, in the run
    name: str
    inputs: tuple[Input, ...]
    fingerprint: str
    memory_bytes: int = 256 << 20


@dataclass(frozen=True)
class ExpandTask:
    """Make new documents out of those of one shard. `old`: what an earlier run left of the parents."""

    run: str
    base: BaseShard
    call: Call
    owners: dict[str, tuple[str, ...]]
    values: str
    resource: str | None = None
    old: Record | None = None
