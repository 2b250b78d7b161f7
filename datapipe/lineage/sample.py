"""Samples of a run's documents, kept or dropped, to read them.

The sample is chosen by hash of id and seed: the same one every time, whatever the number of shards.
Costs reading and hashing the ids of the documents to choose from (about a second a million), then single rows.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from datapipe.algo.where import Where, WhereError, parse_where
from datapipe.corpus.layer import Rows, TableFile
from datapipe.engine.columns import Columns
from datapipe.errors import InputError
from datapipe.lineage.find import Place, names_of
from datapipe.lineage.story import Measure, measures_of
from datapipe.lineage.talk import turns_of, value_of
from datapipe.recipe import Node
from datapipe.recipe.wording import did_you_mean
from datapipe.run.again import SLICE_ROWS
from datapipe.run.context import Context
from datapipe.run.expanding import parents_of
from datapipe.run.paths import Path
from datapipe.run.reopen import open_columns, roots, standing, with_input
from datapipe.stage import Expand, Sink, Source

__all__ = ["Sampled", "sample"]


@dataclass(frozen=True)
class Sampled:
    """A document as it was after a stage."""

    place: Place
    stage: str
    reason: str | None
    title: str | None
    text: str | None
    measures: tuple[Measure, ...]
    turns: tuple[str, ...] = ()  # of a conversation, which has no text


def sample(
    context: Context,
    stage: str | None,
    reason: str | None,
    *,
    where: str | None = None,
    number: int = 5,
    seed: int = 0,
) -> list[Sampled]:
    """Documents that stage kept, or that left for a reason; without a stage the last one, or all that may give it.

    `where`: only those of which an expression over the columns after the stage holds.
    Raises InputError for an unknown stage, a reason that no document left for, or a `where` that cannot be used.
    """
    nodes = _nodes(context, stage, reason)
    chosen: list[tuple[int, str, str, tuple[Path, Place]]] = []
    for node in nodes:
        which = _Which(reason, _parsed(context, node, where), seed)
        for rank, name, path, place in _candidates(context, node, which):
            entry = (-rank, place.id, name, (path, place))
            if len(chosen) < number:
                heapq.heappush(chosen, entry)
            elif entry[:3] > chosen[0][:3]:
                heapq.heapreplace(chosen, entry)
    if reason is not None and where is None and not chosen and number:
        given = sorted({r for node in context.recipe.nodes.values() for r in _reasons(context, node)})
        remedy = did_you_mean(reason, given) or "none left for any reason"
        raise InputError(f"no document left for {reason!r}", remedy=remedy)
    return [_sampled(context, *entry[3], reason) for entry in sorted(chosen, key=lambda entry: (-entry[0], entry[1]))]


def _nodes(context: Context, stage: str | None, reason: str | None) -> list[Node]:
    nodes = context.recipe.nodes
    if stage is not None:
        if stage not in nodes or isinstance(nodes[stage].stage, Sink):
            named = [name for name, node in nodes.items() if not isinstance(node.stage, Sink)]
            remedy = did_you_mean(stage, named)
            raise InputError(f"the run has no stage {stage!r} with documents of its own", remedy=remedy)
        return [nodes[stage]]
    decided = [node for node in nodes.values() if not isinstance(node.stage, Sink)]
    return [node for node in decided if reason in _reasons(context, node)] if reason else decided[-1:]


def _reasons(context: Context, node: Node) -> set[str]:
    if isinstance(node.stage, Sink):
        return set()
    folder = parents_of(node) if isinstance(node.stage, Expand) else node.name
    return {reason for record in context.state.of(folder).values() for reason in record.dropped}


class _Which(NamedTuple):
    reason: str | None
    where: Where | None
    seed: int


def _parsed(context: Context, node: Node, where: str | None) -> Where | None:
    """The expression, checked against the stored columns after a stage."""
    if where is None:
        return None
    stored = context.recipe.available(node.name)
    stored = {name: kind for name, kind in stored.items() if name not in context.recipe.transient(node.name)}
    try:
        return parse_where(where, stored)
    except WhereError as error:
        message, remedy = error.problems[0]
        raise InputError(f"--where: {message}", remedy=remedy) from None


def _chosen(columns: Columns, where: Where, rows: Rows, owners: dict[str, tuple[str, ...]]) -> Rows:
    """The rows of which an expression holds; a slice at a time, since it may ask for texts."""
    slices = (rows[start : start + SLICE_ROWS] for start in range(0, len(rows), SLICE_ROWS))
    return np.concatenate([rows[:0], *(some[columns.where(where, some, owners)] for some in slices)])


def _candidates(context: Context, node: Node, which: _Which) -> Iterator[tuple[int, str, Path, Place]]:
    """Every document to choose from, with what ranks it."""
    reason, where, seed = which
    starts = {root.root_key: root for root in roots(context)}
    childless = isinstance(node.stage, Expand) and reason is not None
    paths = context.paths.to(node.name) if childless else _paths_from(context, node)
    salt = f"{seed}\0".encode()
    for path in paths:
        for shard in context.shards[path.root_key]:
            record = context.state.of(parents_of(node)).get(shard.name) if childless else standing(context, path, shard)
            if record is None or record.reasons is None:
                continue
            file = TableFile(context.store, record.reasons)
            given: Any = file.take("reason", np.arange(len(file.rows)))
            hit = pc.is_null(given) if reason is None else pc.fill_null(pc.equal(given, pa.scalar(reason)), False)
            rows = file.rows[hit.to_numpy(zero_copy_only=False)]
            if where is not None:
                rows = _chosen(open_columns(context, path, with_input(shard)), where, rows, path.owners_after)
            base = TableFile(context.store, shard.record.layer[0])
            for row, name in zip(rows.tolist(), base.take("id", rows.astype(np.int64)).to_pylist(), strict=True):
                rank = xxhash.xxh3_64_intdigest(salt + name.encode())
                yield rank, node.name, path, Place(starts[path.root_key], shard, row, name, None)


def _paths_from(context: Context, node: Node) -> list[Path]:
    """The paths of the documents that a stage lets on; an Expand lets on its children."""
    return context.paths.onward(node.name) if isinstance(node.stage, Expand) else context.paths.to(node.name)


def _sampled(context: Context, path: Path, place: Place, reason: str | None) -> Sampled:
    columns = open_columns(context, path, with_input(place.shard))
    row = np.array([place.row], np.uint32)
    owners = path.owners_after
    title, text = (value_of(columns, name, row, owners) for name in ("title", "text"))
    turns = () if text is not None else turns_of(columns, row, owners) or turns_of(columns, row, path.owners)
    measures = () if isinstance(path.last.stage, Source | Expand) else measures_of(columns, path, row)
    name = names_of(TableFile(context.store, place.shard.record.layer[0]), row.astype(np.int64))[0].as_py()
    found = Place(place.root, place.shard, place.row, place.id, name)
    return Sampled(found, path.last.name, reason, title, text, measures, turns)
