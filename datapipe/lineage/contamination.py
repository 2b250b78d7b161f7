"""Which items of benchmarks a run's documents hold: by item in how many documents, to split an evaluation in two.

It reads what a stage that looks for items stored of each document it saw, those that left there as well: what stands in
the corpus as it came. Items are told by number, never by their texts.
Costs reading one column; by item found some counts in memory.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as Folder
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.item_index import IDENTIFIABLE_BITS, IDENTIFIABLE_TOKENS, INPUT, KINDS, load_index
from datapipe.corpus.layer import TableFile
from datapipe.errors import InputError, RunError
from datapipe.lineage.chosen import only_stage
from datapipe.recipe import Node
from datapipe.run.again import SLICE_ROWS
from datapipe.run.context import Context, Shard
from datapipe.run.paths import Path
from datapipe.run.reopen import open_columns, standing

__all__ = ["CONTAMINATING", "Contamination", "Split", "contamination", "looks_for_items", "write_splits"]

TOLD = {"benchmark", "item", "kind", "strength"}  # fields of the evidence that a stage stores
CUT = "items_left"  # column of a stage that cuts: texts that hold an item all the same
CONTAMINATING = tuple(kind for kind in KINDS if kind != "context")  # a passage that many ask about proves nothing


@dataclass(frozen=True)
class Split:
    """A benchmark: of each item whether its input alone is proof, and of those found the documents by kind.

    `found`: by number of the item and kind the documents that hold it; by number and "documents" all that do. `left`:
    the items that documents still hold which the stage kept.
    """

    benchmark: str
    identifiable: dict[int, bool]
    found: dict[int, dict[str, int]]
    left: set[int] = field(default_factory=set)

    @property
    def dirty(self) -> list[int]:
        """The items that a document holds, in order."""
        return sorted(self.found)

    @property
    def clean(self) -> list[int]:
        """The others, in order."""
        return [number for number in sorted(self.identifiable) if number not in self.found]


@dataclass(frozen=True)
class Contamination:
    """What a stage found; `shards` of `of_shards` are done; documents: it looked at, and those that hold an item.

    `left`: documents that it kept and that still hold one.
    """

    stage: str
    shards: int
    of_shards: int
    documents: int
    holding: int
    splits: tuple[Split, ...]
    left: int = 0


def contamination(context: Context, stage: str | None = None, *, strength: float = 1.0) -> Contamination:
    """Which items stand in the documents that came to a stage, with more than a strength.

    `stage`: the one that looks for items, where there are several. Raises InputError where a stage is none of the
    kind, RunError where nothing is done.
    """
    node = _finder(context, stage)
    incoming = context.incoming(node)
    shards = [each for each in incoming if (record := standing(context, *each)) and record.reasons is not None]
    resource = context.resource(node)
    if not shards or resource is None:
        raise RunError(f"stage {node.name!r} of {context.recipe.run} has done nothing yet", remedy="run it first")
    splits = {split.benchmark: split for split in _benchmarks(Folder(resource), node)}
    documents = holding = left = 0
    for path, shard in shards:
        for evidence, stays in _evidence(context, path, shard):
            documents += len(evidence)
            holding += _count(evidence, strength, splits)
            left += _count_left(evidence.filter(stays), strength, splits)
    return Contamination(node.name, len(shards), len(incoming), documents, holding, tuple(splits.values()), left)


def _finder(context: Context, stage: str | None) -> Node:
    """The stage that looks for items: by what it stores, whatever it is called."""
    remedy = "add one to the recipe, such as `clean: {use: decontaminate, benchmarks: [items.jsonl]}`, and run it"
    return only_stage(context, stage, looks_for_items, ("looks for items of benchmarks", remedy))


def looks_for_items(node: Node) -> bool:
    """Whether a stage says which items of benchmarks stand in documents."""
    adds = node.stage.adds_for(node.config)
    kind: Any = adds.field("evidence").type if "evidence" in adds.names else None
    if kind is None or not pa.types.is_list(kind) or not pa.types.is_struct(kind.value_type):
        return False
    return {field.name for field in kind.value_type} >= TOLD


def _benchmarks(resource: Folder, node: Node) -> Iterator[Split]:
    try:
        loaded = load_index(resource)
    except FileNotFoundError as error:
        remedy = "take a stage without `like`"
        raise InputError(f"stage {node.name!r} keeps no list of its items", remedy=remedy) from error
    index = loaded.index
    inputs = np.flatnonzero(index.kind == INPUT)
    sure = (index.own[inputs] >= IDENTIFIABLE_TOKENS) & (index.bits[inputs] >= IDENTIFIABLE_BITS)
    item = index.item[inputs]
    for place, name in enumerate(loaded.about):
        mine = index.benchmark[item] == place
        yield Split(name, dict(zip(index.number[item[mine]].tolist(), sure[mine].tolist(), strict=True)), {})


def _evidence(context: Context, path: Path, shard: Shard) -> Iterator[tuple[Any, Any]]:
    """The evidence of the documents of a shard, and whether it still stands in them after the stage, by slices."""
    record = standing(context, path, shard)
    assert record is not None
    assert record.reasons is not None
    name = path.last.name
    columns, file = open_columns(context, path, shard), TableFile(context.store, record.reasons)
    cuts = CUT in path.last.stage.adds_for(path.last.config).names
    for start in range(0, len(file.rows), SLICE_ROWS):
        rows = file.rows[start : start + SLICE_ROWS]
        stays = pc.is_null(file.take("reason", np.arange(start, start + len(rows))))
        if cuts:  # then only texts of which not all could be cut hold anything
            left: Any = columns.get(f"{name}.{CUT}", rows, (name,))
            still: Any = pc.greater(left, pa.scalar(0, pa.int32()))
            stays = pc.and_(stays, pc.fill_null(still, False))
        yield columns.get(f"{name}.evidence", rows, (name,)), stays


def _strong(evidence: Any, strength: float) -> pa.Table:
    """What proves anything: document (its place), benchmark, item and kind."""
    told: Any = evidence.flatten()
    names = ("benchmark", "item", "kind", "strength")
    documents = pc.list_parent_indices(evidence)
    found = pa.table({"document": documents, **{name: told.field(name) for name in names}})
    strong = pc.and_(
        pc.greater(found["strength"], pa.scalar(strength, pa.float32())),
        pc.is_in(found["kind"], pa.array(CONTAMINATING)),
    )
    return found.filter(strong).select(["benchmark", "item", "kind", "document"])


def _count_left(evidence: Any, strength: float, splits: dict[str, Split]) -> int:
    """Note the items that are left; returns how many documents hold one."""
    found = _strong(evidence, strength)
    for each in found.group_by(["benchmark", "item"]).aggregate([]).to_pylist():
        splits[each["benchmark"]].left.add(each["item"])
    return pc.count_distinct(found["document"]).as_py() or 0


def _count(evidence: Any, strength: float, splits: dict[str, Split]) -> int:
    """Count the documents by item and kind; returns how many hold an item."""
    found = _strong(evidence, strength)
    by_kind = found.group_by(found.column_names).aggregate([])
    in_all = found.group_by(["benchmark", "item", "document"]).aggregate([])
    counts: Counter[tuple[str, int, str]] = Counter()
    for each in by_kind.to_pylist():
        counts[each["benchmark"], each["item"], each["kind"]] += 1
    for each in in_all.to_pylist():
        counts[each["benchmark"], each["item"], "documents"] += 1
    for (benchmark, item, kind), number in counts.items():
        mine = splits[benchmark].found.setdefault(item, dict.fromkeys(("documents", *CONTAMINATING), 0))
        mine[kind] += number
    return pc.count_distinct(in_all["document"]).as_py() or 0


def write_splits(found: Contamination, folder: Folder) -> None:
    """Write `<benchmark>.clean.jsonl` and `<benchmark>.dirty.jsonl`: a line an item, by number, without its text."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in found.splits:
        for name, numbers in (("clean", split.clean), ("dirty", split.dirty)):
            lines = [
                json.dumps({"item": n, "identifiable": split.identifiable.get(n, False), **split.found.get(n, {})})
                for n in numbers
            ]
            path = folder / f"{quote(split.benchmark, safe=' ')}.{name}.jsonl"
            whole = path.with_name(f".{path.name}.tmp")
            whole.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            whole.replace(path)
