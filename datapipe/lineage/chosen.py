"""Which stage of a run a command is about, where that shows in what the stage stores, whatever it is called."""

from __future__ import annotations

from collections.abc import Callable

from datapipe.errors import InputError
from datapipe.recipe import Node
from datapipe.recipe.wording import did_you_mean
from datapipe.run.context import Context

__all__ = ["only_stage"]


def only_stage(context: Context, stage: str | None, fits: Callable[[Node], bool], told: tuple[str, str]) -> Node:
    """The stage that fits, by name where there are several.

    `told`: what such a stage does, as in "tells which groups are mentioned", and what to do where there is none.
    """
    what, remedy = told
    found = {name: node for name, node in context.recipe.nodes.items() if fits(node)}
    if stage is None and len(found) == 1:
        return next(iter(found.values()))
    if stage in found:
        return found[stage]
    if not found:
        raise InputError(f"{context.recipe.run} has no stage that {what}", remedy=remedy)
    if stage is None:
        raise InputError(f"several stages: each {what}: {', '.join(found)}", remedy="name one with --stage")
    raise InputError(f"the run has no stage {stage!r} that {what}", remedy=did_you_mean(stage, found))
