"""What a stage measured, over the documents that came to it: distributions, thresholds, codes, tokens.

Two passes over its columns: the first tells how they are distributed, the second counts in bins and for thresholds.
Memory: a slice of the columns of one shard, and what is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.recipe import Node
from datapipe.report.bounds import Bound, bounds_of
from datapipe.report.categories import Counted, hosts
from datapipe.report.model import Category, MeasureFacts
from datapipe.report.sketch import Sketch, bins_of
from datapipe.report.walk import Seen, Slice, came_to
from datapipe.run.context import Context
from datapipe.schema import CODES, CONTENT, qualified
from datapipe.stage import Expand, Group, Sink, Source
from datapipe.text.jit import Float64s, Int64s

__all__ = ["Measured", "measured"]

NO_CODES = frozenset({"id", "fetched", "date"})  # nearly every document has its own
TOKENS = "token_count"


@dataclass
class _Numbers:
    """One numeric column."""

    name: str
    column: str
    whole: bool
    sketch: Sketch = field(default_factory=Sketch)
    bounds: list[Bound] = field(default_factory=list)
    scale: Any = "linear"
    edges: list[float] = field(default_factory=list)
    kept: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    dropped: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))

    def begin(self) -> None:
        """Take the bins, now that all values were met."""
        self.scale, self.edges = bins_of(self.sketch, whole=self.whole)
        self.kept = np.zeros(max(0, len(self.edges) - 1), np.int64)
        self.dropped = self.kept.copy()
        for bound in self.bounds:
            bound.begin(self.edges)

    def add(self, seen: Seen, given: Slice, values: Float64s) -> None:
        """Count a slice in bins, and for thresholds."""
        if self.edges:
            self.kept += self._in_bins(values[given.kept])
            self.dropped += self._in_bins(values[~given.kept])
        for bound in self.bounds:
            bound.add(seen, given, values)

    def _in_bins(self, values: Float64s) -> Int64s:
        bins = len(self.edges) - 1
        at = np.searchsorted(self.edges, values[np.isfinite(values)], side="right") - 1
        return np.bincount(np.clip(at, 0, bins - 1), minlength=bins)

    def facts(self) -> MeasureFacts:
        some = self.sketch.count > 0
        return MeasureFacts(
            column=self.column,
            missing=self.sketch.missing,
            mean=self.sketch.mean,
            least=self.sketch.least if some else None,
            greatest=self.sketch.greatest if some else None,
            quantiles=self.sketch.quantiles(),
            scale=self.scale,
            edges=tuple(self.edges),
            kept=tuple(self.kept.tolist()),
            dropped=tuple(self.dropped.tolist()),
            thresholds=tuple(bound.facts() for bound in self.bounds),
        )


@dataclass
class Measured:
    """What was found of one stage; `tokens` that came and that stayed, None where nothing is tokenised."""

    measures: dict[str, MeasureFacts]
    categories: dict[str, Category]
    tokens: tuple[int, int] | None


def measured(context: Context, node: Node) -> Measured:
    """Measure what is stored of the documents that came to a stage."""
    if isinstance(node.stage, Sink):
        return Measured({}, {}, None)
    numbers, codes = _columns(node)
    counted = {name: Counted("host" if name == "host" else qualified(name, node.name)) for name in codes}
    tokens: list[int] | None = None
    for seen in came_to(context, node):
        for given in seen.slices():
            for each in numbers:
                each.sketch.add(_floats(seen, each.column, given))
            for name, kind in counted.items():
                kind.add(_codes(seen, kind.column, given), given.kept) if _has(seen, name, node) else None
            if TOKENS in seen.path.owners_after:
                tokens = tokens or [0, 0]
                counts = np.nan_to_num(_floats(seen, TOKENS, given))
                tokens = [tokens[0] + int(counts.sum()), tokens[1] + int(counts[given.kept].sum())]
    _count(context, node, numbers)
    categories = {name: facts for name, each in counted.items() if (facts := each.facts()) is not None}
    told = {each.name: each.facts() for each in numbers if each.sketch.count}
    return Measured(told, categories, (tokens[0], tokens[1]) if tokens else None)


def _count(context: Context, node: Node, numbers: list[_Numbers]) -> None:
    """The second pass."""
    for bound in bounds_of(node, [each.name for each in numbers]):
        next(each for each in numbers if each.name == bound.measure).bounds.append(bound)
    some = [each for each in numbers if each.sketch.count]
    for each in some:
        each.begin()
    for seen in came_to(context, node) if some else ():
        for given in seen.slices():
            for each in some:
                each.add(seen, given, _floats(seen, each.column, given))


def _columns(node: Node) -> tuple[list[_Numbers], list[str]]:
    """The numeric columns that a stage adds, and those of codes."""
    stage: Any = node.stage
    if isinstance(stage, Expand):
        return [], []
    hidden = {*CONTENT, *(stage.transient if isinstance(stage, Source) else ())}
    fields = [each for each in stage.adds_for(node.config) if each.name not in hidden]
    numbers = [
        _Numbers(each.name, qualified(each.name, node.name), pa.types.is_integer(each.type))
        for each in fields
        if pa.types.is_integer(each.type) or pa.types.is_floating(each.type)
    ]
    codes = [each.name for each in fields if each.name in CODES - NO_CODES or pa.types.is_boolean(each.type)]
    if isinstance(stage, Source):
        numbers.append(_Numbers("bytes", "bytes", whole=True))
        return numbers, [*codes, *(["host"] if "url" in {each.name for each in fields} else [])]
    if not isinstance(stage, Group):  # their codes are ids of documents
        codes += [each.name for each in fields if each.name in stage.coded and _countable(each.type)]
    return numbers, list(dict.fromkeys(codes))


def _countable(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.types.is_string(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _has(seen: Seen, name: str, node: Node) -> bool:
    return ("url" if name == "host" else qualified(name, node.name)) in seen.path.owners_after


def _codes(seen: Seen, column: str, given: Slice) -> Any:
    return hosts(seen.values("url", given.rows)) if column == "host" else seen.values(column, given.rows)


def _floats(seen: Seen, column: str, given: Slice) -> Float64s:
    """Values of a numeric column, NaN without one."""
    values: Any = seen.values(column, given.rows)
    floats: Float64s = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return floats
