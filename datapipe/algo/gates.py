"""Gates: conditions over the numbers of a report, such as `stages.quality.kept >= 0.05`.

Known are names with dots (or brackets: `sources['my web'].share`), numbers, texts, True and False, `+ - * /`,
comparisons (also chained), `and`, `or`, `not`, and `other('runs/x').stages.quality.kept`, the same of another run.
A number that is not there (null: nothing was judged, say) meets no gate. The text is parsed by Python's own parser and
read node by node; nothing is ever evaluated as Python. Costs nothing worth naming.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

__all__ = ["Gate", "GateError", "Outcome", "parse_gate"]

MAX_CHARACTERS = 2_000  # keeps Python's parser and our recursion shallow
MAX_DEPTH = 50
OTHER = "other"
FORM = "write it like: stages.quality.kept >= 0.05"

Reports: TypeAlias = Callable[[str], Mapping[str, Any]]  # the report of another run, by its folder

_SIGNS: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}
_SUMS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class GateError(ValueError):
    """The gate cannot be used: what is wrong, and what mends it."""

    def __init__(self, message: str, remedy: str = FORM) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


@dataclass(frozen=True)
class Outcome:
    """Whether a gate holds, and what stood on its sides, such as `0.42 >= 0.05`."""

    passed: bool
    told: str


@dataclass(frozen=True)
class Gate:
    """A checked gate. `stages` and `others` are the stages and runs that it names."""

    text: str
    root: ast.expr
    stages: tuple[str, ...]
    others: tuple[str, ...]

    def judge(self, report: Mapping[str, Any], other: Reports) -> Outcome:
        """Whether it holds of a report. Raises GateError for a name that the report does not have."""
        told: list[str] = []
        passed = _holds(self.root, _Reader(report, other, told))
        return Outcome(passed is True, "; ".join(told))


def parse_gate(text: str) -> Gate:
    """Parse and check a gate. Raises GateError."""
    if len(text) > MAX_CHARACTERS:
        raise GateError(f"the gate is longer than {MAX_CHARACTERS} characters", "split it")
    try:
        root = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise GateError(f"`{text}` does not parse") from None
    _check(root, text, 0)
    paths = [path for path in _paths(root) if path[1]]
    stages = (keys[1] for run, keys in paths if run is None and keys[0] == "stages" and len(keys) > 1)
    return Gate(text, root, tuple(dict.fromkeys(stages)), tuple(dict.fromkeys(run for run, _ in paths if run)))


# ---------------------------------------------------------------------------------------------- form


def _check(node: ast.expr, text: str, depth: int) -> None:
    """A condition: a comparison, or several joined."""
    if depth > MAX_DEPTH:
        raise GateError("the gate is nested too deep", "simplify it")
    if isinstance(node, ast.BoolOp):
        for part in node.values:
            _check(part, text, depth + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        _check(node.operand, text, depth + 1)
    elif isinstance(node, ast.Compare):
        if any(type(sign) not in _SIGNS for sign in node.ops):
            raise GateError(f"`{text}` compares by something else than == != < <= > >=")
        for side in (node.left, *node.comparators):
            _check_number(side, text, depth + 1)
        if not any(keys for _, keys in _paths(node)):
            raise GateError(f"`{text}` names nothing of the report")
    else:
        raise GateError(f"`{_source(node, text)}` is no comparison")


def _check_number(node: ast.expr, text: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise GateError("the gate is nested too deep", "simplify it")
    if isinstance(node, ast.BinOp) and type(node.op) in _SUMS:
        _check_number(node.left, text, depth + 1)
        _check_number(node.right, text, depth + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        _check_number(node.operand, text, depth + 1)
    elif not (isinstance(node, ast.Constant) and isinstance(node.value, int | float | str)) and _path(node) is None:
        raise GateError(f"`{_source(node, text)}` is not allowed in a gate")


def _paths(node: ast.AST) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    """What a gate names: the other run, or None, and the keys."""
    path = _path(node)
    if path is not None:
        yield path
        return
    for inner in ast.iter_child_nodes(node):
        yield from _paths(inner)


def _path(node: ast.AST) -> tuple[str | None, tuple[str, ...]] | None:
    """`a.b['c']` as (None, (a, b, c)), `other('x').a` as (x, (a,)); None for what is no name."""
    keys: list[str] = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute):
            keys.append(node.attr)
        elif isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            keys.append(node.slice.value)
        else:
            return None
        node = node.value
    if isinstance(node, ast.Name):
        return None, (node.id, *reversed(keys))
    run = _other(node)
    return (run, tuple(reversed(keys))) if run is not None and keys else None


def _other(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != OTHER or node.keywords:
        return None
    values = [each.value for each in node.args if isinstance(each, ast.Constant)]
    return values[0] if len(values) == len(node.args) == 1 and isinstance(values[0], str) else None


def _source(node: ast.AST, text: str) -> str:
    segment = ast.get_source_segment(text.strip(), node) or text
    return segment if len(segment) <= 60 else f"{segment[:60]}…"


# ---------------------------------------------------------------------------------------------- judging


@dataclass(frozen=True)
class _Reader:
    report: Mapping[str, Any]
    other: Reports
    told: list[str]

    def value(self, node: ast.expr) -> Any:
        """A number, text or bool; None where there is none."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.UnaryOp):
            value = self.value(node.operand)
            return None if value is None else -_number(value)
        if isinstance(node, ast.BinOp):
            left, right = self.value(node.left), self.value(node.right)
            if left is None or right is None:
                return None
            try:
                return _SUMS[type(node.op)](_number(left), _number(right))
            except ZeroDivisionError:
                return None
        path = _path(node)
        assert path is not None
        run, keys = path
        return _find(self.report if run is None else self.other(run), keys, run)


def _holds(node: ast.expr, reader: _Reader) -> bool | None:
    """Whether a condition holds; None where a number that is not there decides."""
    if isinstance(node, ast.BoolOp):
        parts = [_holds(part, reader) for part in node.values]  # all, so that every side is told
        decisive = isinstance(node.op, ast.Or)
        return decisive if decisive in parts else None if None in parts else not decisive
    if isinstance(node, ast.UnaryOp):
        held = _holds(node.operand, reader)
        return None if held is None else not held
    assert isinstance(node, ast.Compare)
    sides = [reader.value(side) for side in (node.left, *node.comparators)]
    signs = [_SIGNS[type(sign)] for sign in node.ops]
    shown = [_shown(sides[0]), *(f"{sign} {_shown(side)}" for (sign, _), side in zip(signs, sides[1:], strict=True))]
    reader.told.append(" ".join(shown))
    if None in sides:
        return None
    return all(_compare(left, sign, right) for left, sign, right in zip(sides, signs, sides[1:], strict=False))


def _compare(left: Any, sign: tuple[str, Callable[[Any, Any], bool]], right: Any) -> bool:
    if isinstance(left, str) != isinstance(right, str) and sign[0] not in {"==", "!="}:
        raise GateError(f"{_shown(left)} and {_shown(right)} cannot be compared by {sign[0]}")
    return sign[1](left, right)


def _number(value: Any) -> float:
    if not isinstance(value, int | float):
        raise GateError(f"{_shown(value)} is no number")
    return value


def _find(report: Mapping[str, Any], keys: tuple[str, ...], run: str | None) -> Any:
    """The value at a path; None where a part of the report on the way is null."""
    found: Any = report
    for at, key in enumerate(keys):
        if found is None:
            return None
        if not isinstance(found, Mapping) or key not in found:
            where = ".".join(keys[:at]) or "the report"
            near = get_close_matches(key, list(found), n=3, cutoff=0.5) if isinstance(found, Mapping) else []
            known = ", ".join(list(found)[:12]) if isinstance(found, Mapping) else "nothing"
            of = "" if run is None else f" of run {run}"
            remedy = f"did you mean {' or '.join(near)}?" if near else f"there are: {known or 'none'}"
            raise GateError(f"{where}{of} has no `{key}`", remedy)
        found = found[key]
    if isinstance(found, Mapping | list):
        raise GateError(f"{'.'.join(keys)} is no number", "name one of its parts")
    return found


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
