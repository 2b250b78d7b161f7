"""Cuts a recipe into lines of stages that run together on a shard.

A line starts at a source, at a Group's verdicts, below several parents or at a branch; Maps follow in it;
it ends before a Group, whose keys it emits, or before a stage that needs the whole corpus prepared first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datapipe.errors import Problem, RecipeError
from datapipe.recipe import Node, Recipe
from datapipe.recipe.wording import did_you_mean
from datapipe.stage import Group, Map, Sink

__all__ = ["Line", "lines"]


@dataclass(frozen=True)
class Line:
    """Stages that run together; `emits` is the Group whose keys the last of them gives."""

    nodes: tuple[Node, ...]
    emits: Node | None = None


def lines(recipe: Recipe, only: Sequence[str] = ()) -> list[Line]:
    """All lines in an order in which they can run; with `only`, of the stages named alone."""
    wanted = _wanted(recipe, only)
    taken: set[str] = set()
    found: list[Line] = []
    for node in recipe.nodes.values():
        if node.name in taken or node.name not in wanted:
            continue
        if isinstance(node.stage, Group) and not (found and found[-1].emits is node):
            found.append(Line((), node))  # nothing to run before it: its keys alone
        line = _follow(recipe, node, wanted, taken)
        taken.update(each.name for each in line.nodes)
        found.append(line)
    return found


def _wanted(recipe: Recipe, only: Sequence[str]) -> set[str]:
    unknown = [name for name in only if name not in recipe.nodes]
    if unknown:
        raise RecipeError(
            tuple(Problem(str(recipe.path), f"no stage {name!r}", did_you_mean(name, recipe.nodes)) for name in unknown)
        )
    return set(only) or set(recipe.nodes)


def _follow(recipe: Recipe, head: Node, wanted: set[str], taken: set[str]) -> Line:
    nodes = [head]
    while not isinstance(nodes[-1].stage, Sink):
        following = _next(recipe, nodes[-1], wanted, taken)
        if following is None:
            break
        if isinstance(following.stage, Group):
            return Line(tuple(nodes), following)
        nodes.append(following)
    return Line(tuple(nodes))


def _next(recipe: Recipe, node: Node, wanted: set[str], taken: set[str]) -> Node | None:
    """The first stage below that can go on in the same pass: a Map, or a Group, with no other parent."""
    for name in recipe.children(node.name):
        child = recipe.nodes[name]
        sketches = child.stage.prepare is not None and child.stage.prepare.sketch is not None
        alone = child.parents == (node.name,) and name in wanted and name not in taken
        if alone and isinstance(child.stage, Map | Group) and not sketches:
            return child
    return None
