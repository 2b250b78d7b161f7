"""What another threshold would do: a stage decides anew from its stored measures, before anything runs.

Shows the effect on the stage itself, and how many of the documents newly let through each later stage would
have to measure. What the later stages then decide is known only after a run.
Costs reading the stage's measures: a second or two for a million documents. Memory: one shard's decisions.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.corpus.fingerprint import config_by_role
from datapipe.corpus.ids import hash_ids
from datapipe.corpus.layer import Rows, TableFile
from datapipe.corpus.record import Part, Record
from datapipe.engine.reasons import combined, joined, kept_mask
from datapipe.engine.source import not_sampled
from datapipe.errors import InputError, RunError
from datapipe.recipe import Node, file_problem
from datapipe.recipe.wording import did_you_mean
from datapipe.registry import Registry
from datapipe.run.again import SLICE_ROWS, Decision
from datapipe.run.context import Context, Shard
from datapipe.run.expanding import parents_of
from datapipe.run.paths import Path
from datapipe.run.reopen import reopen, standing
from datapipe.stage import Expand, Group, Map, Source

__all__ = ["Effect", "what_if"]

NOT_SAMPLED = "not_sampled"
ROLES = {
    "measure": "shapes what is measured and needs a new run of the stage",
    "place": "never changes a document",
}
COMPARED = frozenset({"against"})  # says where earlier runs are, and what these hold shapes what is measured


@dataclasses.dataclass
class Effect:
    """What changes at one stage; documents everywhere."""

    stage: str
    changes: tuple[str, ...]  # `min_words: 3 -> 5`
    shards: int = 0  # that the stage has done
    of_shards: int = 0
    documents: int = 0
    kept: tuple[int, int] = (0, 0)  # before, after
    reasons: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    newly_kept: int = 0
    newly_dropped: int = 0
    unmeasured: dict[str, int] = dataclasses.field(default_factory=dict)  # newly kept, by later stage that lacks them


def what_if(context: Context, stage: str, changes: Sequence[str], registry: Registry) -> Effect:
    """The effect of `key=value` changes of `decide` options of a stage, on the documents that came into it.

    `context` is a run opened by `reopen`. Raises InputError where a change needs a new run of the stage.
    """
    old = _node(context, stage)
    given = [f"{stage}.{change}" for change in changes]
    new = reopen(context.recipe.run, registry, overrides=given).recipe.nodes[stage]
    effect = Effect(stage, _decided(old, new))
    if file_problem(old) is None and (problem := file_problem(new)):  # such as a label that the model does not have
        raise problem
    reasons: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for path, shard in context.incoming(old):
        effect.of_shards += 1
        record = standing(context, path, shard)
        if record is None or record.reasons is None:
            continue
        effect.shards += 1
        _add(effect, reasons, _Shard(context, path, shard, record, record.reasons), new)
    if not effect.shards:
        raise RunError(f"stage {stage!r} of {context.recipe.run} has measured nothing yet", remedy="run it first")
    for name in sorted(reasons[0].keys() | reasons[1].keys(), key=lambda name: (-reasons[1][name], name)):
        effect.reasons[name] = (reasons[0][name], reasons[1][name])
    return effect


def _node(context: Context, stage: str) -> Node:
    nodes = context.recipe.nodes
    if stage not in nodes:
        raise InputError(f"{context.recipe.run} has no stage {stage!r}", remedy=did_you_mean(stage, nodes))
    node = nodes[stage]
    if not isinstance(node.stage, Source) and getattr(node.stage, "decide", None) is None:
        raise InputError(f"stage {stage!r} ({node.use}) decides nothing", remedy="name a stage that has reasons")
    return node


def _decided(old: Node, new: Node) -> tuple[str, ...]:
    """What was changed; every change must be of a `decide` option."""
    if (old.use, old.parents, old.resource) != (new.use, new.parents, new.resource) or _where(old) != _where(new):
        what = f"`use`, `from`, `where` and `resource` of {old.name!r} need a new run of the stage"
        raise InputError(what, remedy="change options that only decide")
    for role, what in ROLES.items():
        before, after = config_by_role(old.config, role), config_by_role(new.config, role)
        for key in before:
            if before[key] != after[key]:
                free = ", ".join(config_by_role(old.config, "decide")) or "none"
                said = ROLES["measure"] if key in COMPARED else what
                raise InputError(f"{old.name}.{key} {said}", remedy=f"options that only decide: {free}")
    before, after = config_by_role(old.config, "decide"), config_by_role(new.config, "decide")
    return tuple(f"{key}: {_shown(before[key])} -> {_shown(after[key])}" for key in before if before[key] != after[key])


def _where(node: Node) -> str:
    return node.where.text if node.where else ""


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


@dataclasses.dataclass(frozen=True)
class _Shard:
    """One shard that the stage has done, and where its reasons stand."""

    context: Context
    path: Path
    shard: Shard
    record: Record
    reasons: Part

    def decided(self) -> tuple[Rows, Any]:
        """The rows that came in, and the stored reason of each."""
        file = TableFile(self.context.store, self.reasons)
        return file.rows, file.take("reason", np.arange(len(file.rows)))

    def anew(self, node: Node, rows: Rows, before: Any) -> Any:
        """The reason of each row under another config."""
        if isinstance(node.stage, Source):
            return self._sampled(node, rows, before)
        return Decision(self.context, self.path, self.shard, node).reasons(rows)

    def _sampled(self, node: Node, rows: Rows, before: Any) -> Any:
        """As `run_resample` decides: what could not be read stays out, the rest by hash of id."""
        config: Any = node.config
        file = TableFile(self.context.store, self.record.layer[0])
        outside = []
        for start in range(0, len(rows), SLICE_ROWS):
            at = np.arange(start, min(start + SLICE_ROWS, len(rows)))
            outside.append(not_sampled(hash_ids(file.take("id", at)), config.sample))
        earlier = pc.fill_null(pc.equal(before, pa.scalar(NOT_SAMPLED)), False)
        return combined(pc.replace_with_mask(before, earlier, pa.scalar(None, pa.string())), joined(outside))

    def lacking(self, rows: Rows) -> dict[str, int]:
        """How many of the rows each later stage has not measured."""
        found = {}
        for name, node in self.context.recipe.nodes.items():
            if not isinstance(node.stage, Map | Group | Expand):
                continue
            for path in self.context.paths.to(name):
                if path.root_key == self.path.root_key and self.path.last in path.nodes[:-1]:
                    found[name] = len(rows) - int(np.isin(rows, self._measured(path)).sum())
        return found

    def _measured(self, path: Path) -> Rows:
        if isinstance(path.last.stage, Expand):
            parents = self.context.state.of(parents_of(path.last)).get(self.shard.name)
            given = parents.reasons if parents is not None and parents.base == self.shard.record.base else None
            return TableFile(self.context.store, given).rows if given else np.zeros(0, np.uint32)
        record = standing(self.context, path, self.shard)
        parts = record.layer if record else ()
        return np.concatenate([np.zeros(0, np.uint32), *(TableFile(self.context.store, part).rows for part in parts)])


def _add(effect: Effect, reasons: tuple[Counter[str], Counter[str]], shard: _Shard, node: Node) -> None:
    rows, before = shard.decided()
    after = shard.anew(node, rows, before)
    was, is_ = (kept_mask(each) for each in (before, after))
    effect.documents += len(rows)
    effect.kept = (effect.kept[0] + int(was.sum()), effect.kept[1] + int(is_.sum()))
    effect.newly_kept += int((is_ & ~was).sum())
    effect.newly_dropped += int((was & ~is_).sum())
    for counter, given in zip(reasons, (before, after), strict=True):
        for entry in pc.value_counts(given.drop_null()).to_pylist():
            counter[entry["values"]] += entry["counts"]
    for name, count in shard.lacking(rows[is_ & ~was]).items():
        effect.unmeasured[name] = effect.unmeasured.get(name, 0) + count
