"""What a chat template looks for in texts, read from its source: `<think>`, `</tool_response>`.

Conversations that hold none of it look alike to the template (see `_turns`).
Costs a search for a pattern in each text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

__all__ = ["Looks", "looks_of"]

TRIMS = frozenset({"strip", "lstrip", "rstrip", "trim"})  # blanks around texts are there in marks too

Looks: TypeAlias = Callable[[str], bool]


def looks_of(nodes: Any, tree: Any) -> Looks:
    """Whether a text holds what a template of this syntax tree looks for, or is what it compares with."""
    held, same = set[str](), set[str]()
    for node in tree.find_all((nodes.Call, nodes.Filter, nodes.Test)):
        name = getattr(getattr(node, "node", None), "attr", getattr(node, "name", ""))
        held |= {text for text in _texts(nodes, node.args) if name not in TRIMS or text.strip()}
    for node in tree.find_all(nodes.Compare):
        within = isinstance(node.expr, nodes.Const) and any(one.op in {"in", "notin"} for one in node.ops)
        (held if within else same).update(_texts(nodes, [node.expr, *(one.expr for one in node.ops)]))
    pattern = re.compile("|".join(map(re.escape, sorted(held - {""}))) or r"(?!)")
    return lambda text: text in same or pattern.search(text) is not None


def _texts(nodes: Any, given: Iterable[Any]) -> set[str]:
    """Texts that stand in expressions."""
    found = [one for each in given for one in (each, *each.find_all(nodes.Const)) if isinstance(one, nodes.Const)]
    return {one.value for one in found if isinstance(one.value, str)}
