"""Judges the gates of a run, and lets out what its Sinks have written, or holds it back.

What was found stands in `gates.json`, and in the manifests of packed sets by gate: `passed`, `told` and, where output
was let out all the same, `forced`, the reason given. A reason holds for the very output and failures it was given for.
Costs a report without texts of this run, and of each other run that a gate names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from datapipe.algo.gates import GateError
from datapipe.corpus.record import write_json
from datapipe.errors import InputError, RunError
from datapipe.lineage import mask_url
from datapipe.registry import Registry
from datapipe.report.facts import gather
from datapipe.report.model import GateFacts, Report
from datapipe.run.context import Context
from datapipe.run.releasing import move_out, output_state, sinks_of
from datapipe.run.reopen import reopen

__all__ = ["RESULT", "Opener", "judged", "opener", "settle"]

RESULT = "gates.json"

Opener = Callable[[str], Context]


def opener(registry: Registry, stages_dir: str | None = None) -> Opener:
    """What opens other runs that gates name."""
    return lambda url: reopen(url, registry, stages_dir)


def judged(context: Context, report: Report, others: Opener) -> tuple[GateFacts, ...]:
    """The gates of a run, judged by its report. Raises InputError for a gate that names what a report does not have."""

    @cache
    def other(url: str) -> Mapping[str, Any]:
        return gather(others(url), texts=False).model_dump(mode="json")

    told: dict[str, Any] = report.model_dump(mode="json", exclude={"samples"})
    known = _known(context)
    found = []
    for gate in context.recipe.gates:
        try:
            outcome = gate.judge(told, other)
        except GateError as error:
            raise InputError(f"gate `{gate.text}`: {error.message}", remedy=error.remedy) from None
        passed, said = outcome.passed, outcome.told
        if not report.run.complete:
            passed, said = False, f"{said}; but {', '.join(report.run.unfinished)} not done"
        found.append(GateFacts(gate=gate.text, passed=passed, told=said, forced=None))
    reason = known.get("reason") if known.get("of") == _of(context, found) else None
    return tuple(each if each.passed else each.model_copy(update={"forced": reason}) for each in found)


def _known(context: Context) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(context.store.read(RESULT)) if context.store.exists(RESULT) else {}
    return found


def _of(context: Context, gates: list[GateFacts]) -> str:
    """What a reason is given for: this output, and these failures."""
    return f"{output_state(context)}: {'; '.join(gate.gate for gate in gates if not gate.passed)}"


def settle(context: Context, others: Opener, reason: str | None = None) -> tuple[GateFacts, ...]:
    """Judge the gates of a run that is done, and let its output out where all hold; else hold it back.

    `reason`: let it out all the same, and say so. A run that is not done is judged, but nothing is moved. Without gates
    all is let out. Raises RunError for a reason where the run is not done, InputError as `judged`.
    """
    gates: tuple[GateFacts, ...] = ()
    if context.recipe.head.gates:
        report = gather(context, texts=False)
        gates = judged(context, report, others)
        if not report.run.complete:
            if reason is not None:
                raise RunError(f"{context.recipe.run} is not done: {', '.join(report.run.unfinished)}", remedy="run it")
            return gates
    if reason is not None:
        gates = tuple(g if g.passed else g.model_copy(update={"forced": mask_url(reason)}) for g in gates)
    held = any(not gate.passed and gate.forced is None for gate in gates)
    told = {g.gate: {"passed": g.passed, "told": g.told} | ({"forced": g.forced} if g.forced else {}) for g in gates}
    for node in sinks_of(context.recipe):
        if context.state.of(node.name):
            move_out(context, node, pending=held, gates=told)
    _note(context, gates)
    return gates


def _note(context: Context, gates: tuple[GateFacts, ...]) -> None:
    if not gates:
        context.store.remove(RESULT)
        return
    reason = next((gate.forced for gate in gates if gate.forced), None)
    found = [gate.model_dump(exclude={"forced"}) for gate in gates]
    write_json(context.store, RESULT, {"gates": found, "reason": reason, "of": _of(context, list(gates))})
