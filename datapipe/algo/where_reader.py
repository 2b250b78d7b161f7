"""Reads the syntax tree of an expression into nodes that can be evaluated, and checks its types.

Every kind of Python syntax that is not named here is a problem, never evaluated; all problems of an expression
are collected. Costs nothing worth naming: an expression has a few dozen nodes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias

import pyarrow as pa

from datapipe.algo.predicate import (
    METADATA,
    Column,
    Compare,
    Constant,
    Field,
    FieldKind,
    Has,
    In,
    Join,
    Missing,
    Node,
    Not,
)

__all__ = ["Reader", "names_in"]

Class: TypeAlias = Literal["text", "number", "bool", "other", "any"]  # any: a field of JSON, a column of no known type
Named: TypeAlias = ast.Name | ast.Attribute | ast.Subscript

MAX_DEPTH = 50
EXACT = 2**53  # up to here a 64-bit float tells whole numbers apart

_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "==",
    ast.IsNot: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
}
NOTHING = Column("")  # stands for a part that has a problem


class Reader:
    """Turns Python's syntax tree into ours and collects every problem on the way."""

    def __init__(self, text: str, available: Mapping[str, pa.DataType]) -> None:
        self.text = text
        self.available = available
        self.seen: list[str] = []
        self.fields: list[Field] = []
        self.problems: list[tuple[str, str]] = []

    def condition(self, node: ast.expr, depth: int) -> Node:
        """A part that is true, false or unknown."""
        if depth > MAX_DEPTH:
            return self._problem("the expression is nested too deep", "simplify it")
        if isinstance(node, ast.BoolOp):
            parts = tuple(self.condition(part, depth + 1) for part in node.values)
            return Join("and" if isinstance(node.op, ast.And) else "or", parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return Not(self.condition(node.operand, depth + 1))
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, Named):
            return self._flag(node)
        return self._unknown(node)

    def _flag(self, node: Named) -> Node:
        column: Column = self._typed(self._column(node), "bool")
        if column is not NOTHING and self._class_of(column) not in {"bool", "any"}:
            kind = self.available[column.name]
            return self._problem(
                f"column `{column.name}` holds {kind}, which is no condition", "compare it with a value"
            )
        return column

    def _comparison(self, node: ast.Compare) -> Node:
        sides = (node.left, *node.comparators)
        parts = tuple(
            self._pair(left, _OPERATORS[type(sign)], right)
            for left, sign, right in zip(sides, node.ops, sides[1:], strict=False)
        )
        return parts[0] if len(parts) == 1 else Join("and", parts)

    def _pair(self, left: ast.expr, sign: str, right: ast.expr) -> Node:
        if _is_none(left):
            left, right = right, left
        if _is_none(right):
            return self._missing(left, sign)
        if sign in {"in", "not in"}:
            return self._membership(left, sign, right)
        one, other = self._side(left), self._side(right)
        if one is NOTHING or other is NOTHING:
            return NOTHING
        if not isinstance(one, Column) and not isinstance(other, Column):
            return self._problem(
                f"`{self._source(left)} {sign} {self._source(right)}` compares no column", "name a column"
            )
        if not self._comparable(one, sign, other):
            return NOTHING
        kinds = self._class_of(one), self._class_of(other)
        return Compare(self._typed(one, kinds[1]), sign, self._typed(other, kinds[0]))

    def _missing(self, node: ast.expr, sign: str) -> Node:
        if sign not in {"==", "!="}:
            return self._problem(f"None cannot be compared by `{sign}`", "use == None or != None")
        if not isinstance(node, Named):
            return self._problem("only a column can be compared with None", "name a column")
        column = self._typed(self._column(node), "any")
        return Missing(column) if sign == "==" else Not(Missing(column))

    def _membership(self, node: ast.expr, sign: str, values: ast.expr) -> Node:
        if isinstance(values, Named):
            return self._holding(node, sign, values)
        if not isinstance(values, ast.List | ast.Tuple | ast.Set) or not values.elts:
            return self._problem(f"`{sign}` needs a list of values", f"write it like: language {sign} ['en', 'zh']")
        if any(_is_none(value) for value in values.elts):
            return self._problem(f"None stands in a list for `{sign}`", "add: or column == None")
        column = self._side(node)
        constants = tuple(self._side(value) for value in values.elts)
        if column is NOTHING or any(value is NOTHING for value in constants):
            return NOTHING
        if not isinstance(column, Column) or any(isinstance(value, Column) for value in constants):
            return self._problem(f"`{sign}` compares a column with plain values", "put the column first")
        plain = tuple(value for value in constants if not isinstance(value, Column))
        if not all(self._comparable(column, "==", value) for value in plain):
            return NOTHING
        if len({class_of_constant(value) for value in plain}) > 1:
            return self._problem(f"the list for `{sign}` mixes texts, numbers and bools", "use values of one type")
        found = In(self._typed(column, class_of_constant(plain[0])), plain)
        return found if sign == "in" else Not(found)

    def _holding(self, node: ast.expr, sign: str, values: Named) -> Node:
        """`'spam' in page.marks`: a text in a column of lists."""
        column = self._column(values)
        if column is NOTHING:
            return NOTHING
        if isinstance(column, Field) or not _may_list_texts(self.available[column.name]):
            form = f"write it like: language {sign} ['en', 'zh']"
            return self._problem(f"`{sign}` needs a list of values, which `{self._source(values)}` is not", form)
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            form = f"write it like: 'spam' {sign} {column.name}"
            return self._problem(f"column `{column.name}` holds lists of texts", form)
        return Has(column, node.value) if sign == "in" else Not(Has(column, node.value))

    def _side(self, node: ast.expr) -> Column | Constant:
        """A column or a constant; `NOTHING` after a problem."""
        if isinstance(node, Named):
            return self._column(node)
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            sign, node = (-1 if isinstance(node.op, ast.USub) else 1), node.operand
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, bool | str) and sign == 1:
            return value
        if not isinstance(value, int | float) or isinstance(value, bool):
            return self._unknown(node)
        if isinstance(value, int) and not -(2**63) <= sign * value < 2**63:
            return self._problem(f"{sign * value} is outside the range of 64-bit numbers", "use a smaller number")
        return sign * value

    def _column(self, node: Named) -> Column:
        path = _path(node)
        if path is None:
            return self._unknown(node)
        name = ".".join(path)
        if name in self.available and not isinstance(node, ast.Subscript):
            self.seen.append(name)
            return Column(name)
        if path[0] == METADATA and len(path) > 1 and METADATA in self.available:
            return Field("", tuple(path[1:]))
        near = get_close_matches(name, self.available, n=3, cutoff=0.5)
        known = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(self.available))}"
        return self._problem(f"there is no column `{name}` here", known)

    def _typed(self, side: Any, kind: Class) -> Any:
        """The side itself, or a field of the metadata as a column of the kind asked for."""
        if not isinstance(side, Field):
            return side
        wanted: FieldKind = "any" if kind == "other" else kind
        field = replace(side, name="\0".join((METADATA, *side.path, wanted)), kind=wanted)
        self.seen.append(METADATA)
        self.fields.append(field)
        return field

    def _class_of(self, side: Column | Constant) -> Class:
        if isinstance(side, Field):
            return "any"
        return class_of(self.available[side.name]) if isinstance(side, Column) else class_of_constant(side)

    def _comparable(self, left: Column | Constant, sign: str, right: Column | Constant) -> bool:
        one, other = self._class_of(left), self._class_of(right)
        if "other" in {one, other}:
            column = left if one == "other" else right
            self._problem(f"column `{self._show(column)}` cannot be compared", "only with == None")
            return False
        if (isinstance(left, Field) and other == "any") or (isinstance(right, Field) and one == "any"):
            self._problem(
                f"nothing says of which type `{self._show(left)}` and `{self._show(right)}` are", "use a value"
            )
            return False
        if one != other and "any" not in {one, other}:
            self._problem(f"`{self._show(left)}` ({one}) cannot be compared with `{self._show(right)}` ({other})", "")
            return False
        beyond = next((side for side in (left, right) if isinstance(side, int) and abs(side) > EXACT), None)
        if beyond is not None and (isinstance(left, Field) or isinstance(right, Field)):
            self._problem(
                f"numbers of JSON compare as 64-bit floats, which do not tell {beyond} from its neighbours",
                "keep such a number as a text in the metadata, or compare with one up to 2^53",
            )
            return False
        if "bool" in {one, other} and sign not in {"==", "!="}:
            self._problem(f"`{self._show(left)}` is true or false and cannot be compared by `{sign}`", "use == or !=")
            return False
        return True

    def _show(self, side: Column | Constant) -> str:
        if isinstance(side, Field):
            return ".".join((METADATA, *side.path))
        return side.name if isinstance(side, Column) else repr(side)

    def _unknown(self, node: ast.expr) -> Column:
        return self._problem(
            f"`{self._source(node)}` is not allowed here", "use columns, values, comparisons, in, and, or, not"
        )

    def _source(self, node: ast.expr) -> str:
        segment = ast.get_source_segment(self.text, node) or "?"
        return segment if len(segment) <= 60 else f"{segment[:60]}…"

    def _problem(self, message: str, remedy: str) -> Column:
        self.problems.append((message, remedy))
        return NOTHING


def class_of(kind: pa.DataType) -> Class:
    """What a column of this Arrow type can be compared with."""
    if isinstance(kind, pa.DictionaryType):
        return class_of(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    if pa.types.is_boolean(kind):
        return "bool"
    return "any" if pa.types.is_null(kind) else "other"


def _may_list_texts(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists of texts, or may, where the type is not known yet."""
    if isinstance(kind, pa.ListType | pa.LargeListType):
        return class_of(kind.value_type) == "text"
    return pa.types.is_null(kind)


def class_of_constant(value: Constant) -> Class:
    if isinstance(value, str):
        return "text"
    return "bool" if isinstance(value, bool) else "number"


def names_in(node: ast.AST) -> Iterator[str]:
    """The columns that a syntax tree names; a field of the metadata reads column `metadata`."""
    path = _path(node) if isinstance(node, Named) else None
    if path is None:
        for inner in ast.iter_child_nodes(node):
            yield from names_in(inner)
    else:
        yield METADATA if path[0] == METADATA else ".".join(path)


def _path(node: ast.expr) -> list[str] | None:
    """`a.b['c']` as [a, b, c]; None for what is no name. Only fields of the metadata are named in brackets."""
    parts: list[str] = []
    brackets = False
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
        elif isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            parts.append(node.slice.value)
            brackets = True
        else:
            return None
        node = node.value
    if not isinstance(node, ast.Name) or (brackets and node.id != METADATA):
        return None
    return [node.id, *reversed(parts)]


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
