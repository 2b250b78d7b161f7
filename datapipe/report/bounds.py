"""Which options bound a measure, and what a stage would keep with other values of one of them, all else as it is.

Documents that a stage keeps with an option off are those that its other rules let on; with the option at t it keeps of
them those that do not lie beyond t. So one decision of a stage for each option gives the counts for any value. That an
option acts so is not taken on trust: the count at the value in force is held against the stage's own, and a value of
the data is decided for real; an option that fails either has no steps.
Costs one decision of the stage for each option, a sort of each slice, and one decision more of its first.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from datapipe.corpus.fingerprint import config_by_role
from datapipe.engine.reasons import kept_mask
from datapipe.lineage import measure_bound_by
from datapipe.recipe import Node
from datapipe.report.model import ThresholdFacts
from datapipe.report.walk import Seen, Slice
from datapipe.run.again import Decision
from datapipe.stage import Deciding, Mask, StageConfig
from datapipe.text.jit import Float64s, Int64s
from datapipe.text.languages import language_codes
from datapipe.text.thresholds import BY_LANGUAGE, threshold_of

__all__ = ["Bound", "bounds_of"]

Side = Literal["below", "above"]
SIDES: dict[str, Side] = {"min_": "below", "max_": "above"}
EXTREME = {"below": (0, -1, -(2**31)), "above": (2**31 - 1, 1)}  # of options that cannot be off


class Bound:
    """One option that bounds a measure, and what is counted for it."""

    def __init__(self, node: Node, option: str, measure: str) -> None:
        self.node, self.option, self.measure = node, option, measure
        self.side: Side = SIDES[option[:4]]
        self.steps: list[float] = []
        self.off = _with(node, option, _off(node, option, self.side))
        self._kept: Int64s = np.zeros(0, np.int64)
        self._kept_off = self._kept_now = self._kept_in_force = 0
        self._true = self.off is not None
        self._probed = False

    def in_force(self) -> list[float]:
        """The values in force, of any language."""
        value, by_language = self._values()
        return [each for each in (value, *(by_language or {}).values()) if each is not None]

    def _values(self) -> tuple[float | None, dict[str, float | None] | None]:
        config, use = self.node.config, self.node.use
        value = getattr(config, self.option)
        if value != BY_LANGUAGE:
            return value, None
        usual, _ = threshold_of(config, use, self.option, None)
        each = {code: threshold_of(config, use, self.option, code) for code in language_codes(_languages(config))}
        return usual, {code: number for code, (number, given) in each.items() if given}

    def begin(self, edges: list[float]) -> None:
        """Take the values to count for: those at the edges of bins, and those in force, that the option may have."""
        wanted = sorted({*edges, *self.in_force()})
        self.steps = [step for step in wanted if _with(self.node, self.option, step) is not None]
        self._kept = np.zeros(len(self.steps), np.int64)

    def add(self, seen: Seen, given: Slice, values: Float64s) -> None:
        """Count for a slice; `values` are those of the measure, NaN without one."""
        if not self._true or self.off is None or not self.steps:
            return
        passed = self._decided(seen, given, self.off)
        if not self._probed:
            self._probe(seen, given, (values, passed))
        mine = values[passed]
        known = np.sort(mine[~np.isnan(mine)])
        self._kept += len(mine) - len(known) + self._staying(known)
        self._kept_off += len(mine)
        self._kept_now += int(given.kept.sum())
        value = getattr(self.node.config, self.option)
        if value is not None and value != BY_LANGUAGE:
            self._kept_in_force += int((~self._beyond(mine, value)).sum())

    def _staying(self, known: Float64s) -> Int64s:
        """Of ascending values, how many stay at each step."""
        if self.side == "below":
            return len(known) - np.searchsorted(known, self.steps, side="left")
        return np.searchsorted(known, self.steps, side="right").astype(np.int64)

    def _beyond(self, values: Float64s, limit: float) -> Mask:
        beyond: Mask = values < limit if self.side == "below" else values > limit
        return beyond

    def _decided(self, seen: Seen, given: Slice, node: Node) -> Mask:
        decision = Decision(seen.context, seen.path, seen.shard, node, columns=seen.columns)
        kept: Mask = kept_mask(decision.reasons(given.rows))
        return kept

    def _probe(self, seen: Seen, given: Slice, counted: tuple[Float64s, Mask]) -> None:
        """Decide for real with a value in the midst of those that the slice holds."""
        values, passed = counted
        mine = np.sort(values[passed & ~np.isnan(values)])
        near = [step for step in self.steps if len(mine) and mine[0] <= step <= mine[-1]]
        if not near:
            return
        probe = near[len(near) // 2]
        node = _with(self.node, self.option, probe)
        assert node is not None
        self._probed = True
        self._true = bool(np.array_equal(self._decided(seen, given, node), passed & ~self._beyond(values, probe)))

    def facts(self) -> ThresholdFacts:
        """What was counted."""
        value, by_language = self._values()
        raw = getattr(self.node.config, self.option)
        same = raw == BY_LANGUAGE or self._kept_now == (self._kept_off if raw is None else self._kept_in_force)
        acts = self._true and same and bool(self.steps)
        return ThresholdFacts(
            option=self.option,
            side=self.side,
            value=value,
            by_language=by_language,
            steps=tuple(self.steps) if acts else (),
            kept=tuple(self._kept.tolist()) if acts else (),
            kept_off=self._kept_off if acts else None,
        )


def bounds_of(node: Node, measures: list[str]) -> list[Bound]:
    """The options of a stage that bound one of its measures by a number."""
    if not isinstance(node.stage, Deciding) or node.stage.decide is None:
        return []
    found = []
    for option, value in config_by_role(node.config, "decide").items():
        if option[:4] in SIDES and (value is None or value == BY_LANGUAGE or isinstance(value, int | float)):
            measure = measure_bound_by(option, measures)
            if measure is not None:
                found.append(Bound(node, option, measure))
    return found


def _off(node: Node, option: str, side: Side) -> float | None:
    """What turns an option off: null, or a value that nothing lies beyond."""
    if _with(node, option, None) is not None:
        return None
    return next((value for value in EXTREME[side] if _with(node, option, value) is not None), None)


def _with(node: Node, option: str, value: Any) -> Node | None:
    """The stage with another value of an option; None where it may not have that."""
    try:
        config: StageConfig = type(node.config).model_validate(node.config.model_dump() | {option: value})
    except ValidationError:
        return None
    return dataclasses.replace(node, config=config)


def _languages(config: StageConfig) -> str | None:
    folder: str | None = getattr(config, "languages", None)
    return folder
