"""The stages of a recipe as a graph with one row a stage, as logs of version control are drawn.

Costs nothing: a few numbers a stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Row", "rows_of"]


@dataclass(frozen=True)
class Row:
    """One stage: the lane of its dot, and lines (lane at the upper edge or the dot, lane at the dot or lower edge)."""

    stage: str
    lane: int
    coming: tuple[int, ...]  # lanes whose line ends in the dot
    passing: tuple[int, ...]  # lanes whose line goes by
    onward: bool  # whether a line leaves the dot


def rows_of(parents: Mapping[str, tuple[str, ...]]) -> tuple[Row, ...]:
    """The rows, parents before children; `parents` names for each stage those that it reads from."""
    waiting = Counter(parent for each in parents.values() for parent in set(each))  # children without a row yet
    lanes: list[str | None] = []
    made = []
    for stage in _parents_first(parents):
        mine = set(parents[stage])
        before = list(lanes)
        waiting.subtract(mine)
        lanes = [None if name in mine and not waiting[name] else name for name in lanes]
        freed = [lane for lane, name in enumerate(before) if name in mine and lanes[lane] is None]
        lane = freed[0] if freed else lanes.index(None) if None in lanes else len(lanes)
        made.append(
            Row(
                stage,
                lane,
                coming=tuple(number for number, name in enumerate(before) if name in mine),
                passing=tuple(number for number, name in enumerate(lanes) if name is not None),
                onward=waiting[stage] > 0,
            )
        )
        lanes += [None] * (lane + 1 - len(lanes))
        lanes[lane] = stage if waiting[stage] else None
    return tuple(made)


def _parents_first(parents: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Stages in the recipe's order, each after those that it reads from."""
    found: list[str] = []

    def place(stage: str) -> None:
        if stage not in found:
            for parent in parents[stage]:
                place(parent)
            found.append(stage)

    for stage in parents:
        place(stage)
    return found
