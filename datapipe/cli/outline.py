"""Kind and first sentence of a stage, read from its source without importing it.

Costs parsing one file.
"""

from __future__ import annotations

import ast
from pathlib import Path

__all__ = ["outline"]


def outline(file: Path | None) -> tuple[str, str]:
    """Kind (empty if it cannot be told) and first line of the docstring."""
    if file is None:
        return "", ""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return "", "(cannot be parsed)"
    about = (ast.get_docstring(tree) or "").partition("\n")[0].strip()
    for statement in tree.body:
        if kind := _kind(statement):
            return kind, about
    return "", about


def _kind(statement: ast.stmt) -> str:
    """`Map` of `STAGE = Map(…)`; empty for any other statement."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return ""
    if not any(isinstance(target, ast.Name) and target.id == "STAGE" for target in targets):
        return ""
    called = statement.value.func if isinstance(statement.value, ast.Call) else None
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""
