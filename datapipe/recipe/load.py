"""Reads a recipe file and gives the checked graph, or every problem at once.

Costs importing the stages that the recipe uses, nothing else: no input is opened and no folder is made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from datapipe.algo.gates import GateError, parse_gate
from datapipe.errors import Problem, RecipeError
from datapipe.recipe.columns import Follower
from datapipe.recipe.document import Document, read_document
from datapipe.recipe.draft import Draft, apply_overrides, draft_head, draft_stages
from datapipe.recipe.graph import check_graph
from datapipe.recipe.model import Columns, Head, Node, Recipe
from datapipe.recipe.wording import did_you_mean
from datapipe.registry import Registry

__all__ = ["load_recipe"]

_LINE = re.compile(r":(\d+)(?=: |$)")


def load_recipe(path: Path, registry: Registry, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in `path`, with `key=value` overrides put in. Relative paths in it mean the current directory.

    Raises InputError if the file cannot be read, RecipeError with every problem that it has.
    """
    document = read_document(path)
    if not document.problems:
        apply_overrides(document, overrides)
    head = draft_head(document)
    drafts = draft_stages(document, registry)
    nodes, columns = _nodes(document, drafts, registry)
    if head is not None and not document.problems:
        _check_audit(document, head, nodes)
        _check_gates(document, head, nodes)
    if document.problems or head is None:
        raise RecipeError(_in_order(document.problems))
    return Recipe(path=path, head=head, nodes=nodes, columns=columns)


def _nodes(
    document: Document, drafts: dict[str, Draft], registry: Registry
) -> tuple[dict[str, Node], dict[str, Columns]]:
    """Every stage that is complete, and the columns after it; a stage below one that is not is left out."""
    sound = check_graph(document, drafts)
    follower = Follower(document, drafts, registry)
    nodes: dict[str, Node] = {}
    columns: dict[str, Columns] = {}
    for name, draft in drafts.items():
        if name not in sound or any(parent not in columns for parent in draft.parents):
            follower.check_syntax(draft)
            continue
        after, where = follower.follow(draft, [columns[parent] for parent in draft.parents])
        if after is not None:
            columns[name] = after
        if draft.stage is None or draft.config is None:
            continue
        nodes[name] = Node(
            name=name,
            use=draft.use,
            stage=draft.stage,
            config=draft.config,
            parents=draft.parents,
            where=where,
            resource=draft.resource,
            line=document.line(("stages", name)),
        )
    return nodes, columns


def _check_audit(document: Document, head: Head, nodes: dict[str, Node]) -> None:
    """Stages that shall be audited are there and can be."""
    able = [node.name for node in nodes.values() if node.can_be_audited]
    for at, name in enumerate((head.audit and head.audit.stages) or ()):
        if name not in able:
            what = f"`{nodes[name].use}` cannot be audited" if name in nodes else f"there is no stage '{name}'"
            document.problem(("audit", "stages", at), what, did_you_mean(name, able) or "leave it out")


def _check_gates(document: Document, head: Head, nodes: dict[str, Node]) -> None:
    """Gates have a form that can be judged, and name stages that are there; of numbers only a report knows."""
    for at, text in enumerate(head.gates):
        try:
            gate = parse_gate(text)
        except GateError as error:
            document.problem(("gates", at), error.message, error.remedy)
            continue
        for name in gate.stages:
            if name not in nodes:
                document.problem(("gates", at), f"there is no stage '{name}'", did_you_mean(name, nodes))


def _in_order(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """By line; what `--set` brought comes last."""

    def line(problem: Problem) -> int:
        match = _LINE.search(problem.where)
        return int(match[1]) if match and not problem.where.startswith("--set") else 10**9

    return tuple(sorted(dict.fromkeys(problems), key=line))
