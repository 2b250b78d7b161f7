"""Walks over what a run stores of a stage: shard by shard, slice by slice, only the columns asked for.

Memory: a slice of the columns that are asked for, and one row group of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from datapipe.corpus.layer import Rows, TableFile
from datapipe.corpus.record import Record
from datapipe.engine.columns import Columns
from datapipe.engine.reasons import kept_mask
from datapipe.recipe import Node
from datapipe.run.again import SLICE_ROWS
from datapipe.run.context import Context, Shard
from datapipe.run.expanding import parents_of
from datapipe.run.paths import Path
from datapipe.run.reopen import open_columns, standing
from datapipe.stage import Expand, Mask

__all__ = ["Seen", "Slice", "came_to", "done_shards", "source_of"]


@dataclass(frozen=True)
class Slice:
    """Some rows that came to a stage, and which of them it kept."""

    rows: Rows
    kept: Mask


@dataclass(frozen=True)
class Seen:
    """A shard that a stage has done."""

    context: Context
    path: Path
    shard: Shard
    record: Record

    @cached_property
    def columns(self) -> Columns:
        """Its columns, with all layers up to the stage."""
        return open_columns(self.context, self.path, self.shard)

    def slices(self) -> Iterator[Slice]:
        """The rows that came to the stage, a slice at a time; none where it wrote no reasons."""
        if self.record.reasons is None:
            return
        file = TableFile(self.context.store, self.record.reasons)
        rows = file.rows
        for start in range(0, len(rows), SLICE_ROWS):
            at = np.arange(start, min(start + SLICE_ROWS, len(rows)))
            yield Slice(rows[at], kept_mask(file.take("reason", at)))

    def values(self, column: str, rows: Rows) -> Any:
        """Values of a column for some rows, null where nothing holds them."""
        return self.columns.get(column, rows, self.path.owners_after.get(column, ()))


def came_to(context: Context, node: Node) -> Iterator[Seen]:
    """The shards that a stage has done; of an Expand, those of its parents."""
    for path, shard in context.incoming(node):
        record = _record(context, path, shard)
        if record is not None:
            yield Seen(context, path, shard, record)


def done_shards(context: Context, node: Node) -> int:
    """How many there are."""
    return sum(1 for _ in came_to(context, node))


def _record(context: Context, path: Path, shard: Shard) -> Record | None:
    if not isinstance(path.last.stage, Expand):
        return standing(context, path, shard)
    record = context.state.of(parents_of(path.last)).get(shard.name)
    return record if record is not None and record.base == shard.record.base else None


def source_of(path: Path) -> str:
    """The name of the source that documents of a path come from."""
    while path.origin is not None:
        path = path.origin
    config: Any = path.root.config
    return str(config.source)
