"""Checks how the stages of a recipe hang together: parents, circles, and that no document arrives twice.

Costs nothing: some dozens of stages.
"""

from __future__ import annotations

from itertools import combinations

from datapipe.recipe.document import Document
from datapipe.recipe.draft import Draft
from datapipe.recipe.wording import did_you_mean
from datapipe.stage import Expand, Sink, Source, SourceConfig

__all__ = ["check_graph"]


def check_graph(document: Document, drafts: dict[str, Draft]) -> set[str]:
    """Note every problem; returns the stages whose parents are all right, so that columns can be followed."""
    order = {name: at for at, name in enumerate(drafts)}
    sound = {name for name, draft in drafts.items() if _check_parents(document, drafts, draft, order)}
    roots: dict[str, frozenset[str]] = {}
    for name, draft in drafts.items():
        parents = [roots.get(parent, frozenset()) for parent in draft.parents]
        makes = isinstance(draft.stage, Source | Expand)
        roots[name] = frozenset({name}) if makes else frozenset().union(*parents)
        _check_twice(document, drafts, draft, roots)
    return sound


def _check_parents(document: Document, drafts: dict[str, Draft], draft: Draft, order: dict[str, int]) -> bool:
    path = ("stages", draft.name, "from")
    before = len(document.problems)
    if isinstance(draft.stage, Source) and draft.parents:
        document.problem(path, f"`{draft.use}` is a source and reads from no stage", "leave `from` out")
    elif draft.stage and not isinstance(draft.stage, Source) and not draft.parents:
        if order[draft.name] == 0:
            message = f"the first stage must be a source, and `{draft.use}` is none"
            document.problem(("stages", draft.name), message, "begin with a stage such as read.warc or read.jsonl")
        else:
            document.problem(path, f"`{draft.use}` needs documents to read", "name a stage in `from`")
    for parent in draft.parents:
        if parent not in drafts:
            near = did_you_mean(parent, (name for name in drafts if name != draft.name))
            document.problem(path, f"there is no stage '{parent}' in this recipe", near)
        elif order[parent] >= order[draft.name]:
            _order_problem(document, drafts, draft.name, parent)
        elif isinstance(drafts[parent].stage, Sink):
            document.problem(
                path, f"'{parent}' writes files and hands no documents on", "read from the stage before it"
            )
    return len(document.problems) == before


def _order_problem(document: Document, drafts: dict[str, Draft], name: str, parent: str) -> None:
    path = ("stages", name, "from")
    way = _way(drafts, parent, name)
    if way:
        document.problem(path, f"the stages form a circle: {' → '.join((*way, name))}", "read from a stage above")
    else:
        document.problem(path, f"'{parent}' stands below '{name}'", f"move '{parent}' above it")


def _way(drafts: dict[str, Draft], start: str, goal: str) -> tuple[str, ...]:
    """Stages from `goal` down to `start` along parents; empty if there is no way."""
    ways: list[tuple[str, ...]] = [(start,)]
    met = {start}
    while ways:
        way = ways.pop()
        if way[0] == goal:
            return way
        for parent in drafts[way[0]].parents:
            if parent in drafts and parent not in met:
                met.add(parent)
                ways.append((parent, *way))
    return ()


def _check_twice(document: Document, drafts: dict[str, Draft], draft: Draft, roots: dict[str, frozenset[str]]) -> None:
    for one, other in combinations([parent for parent in draft.parents if parent in roots], 2):
        path = ("stages", draft.name, "from")
        shared = sorted(roots[one] & roots[other])
        if shared:
            message = f"the documents of '{shared[0]}' arrive twice, by way of '{one}' and of '{other}'"
            document.problem(path, message, "name one of them, the later")
        for left, right in ((a, b) for a in sorted(roots[one]) for b in sorted(roots[other]) if a != b):
            if same := _same_input(drafts[left], drafts[right]):
                message = f"the documents of {same} arrive twice: '{left}' and '{right}' read them for the same source"
                document.problem(path, message, "give one of them another `source`, or leave one out")


def _same_input(one: Draft, other: Draft) -> str:
    """A path that two sources read under the same name of source, so that ids would meet."""
    if not isinstance(one.config, SourceConfig) or not isinstance(other.config, SourceConfig):
        return ""
    if one.config.source != other.config.source or one.use != other.use:
        return ""
    return next(iter(sorted(set(one.config.paths) & set(other.config.paths))), "")
