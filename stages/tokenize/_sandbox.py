"""Jinja's sandbox with bounds on what a template may do, and quicker where it only looks into messages.

A rendering takes a number of steps (turns of loops, calls of macros) and writes so many characters; see `_bounds` for
operators, methods and filters. The sandbox asks of each field and each call whether it is safe; that is known
beforehand for fields of plain objects, methods of texts, and what this module itself calls.
Costs a call for each loop and a count for each of its turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from types import BuiltinMethodType, MethodType
from typing import Any

from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import make_attrgetter
from jinja2.runtime import LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from stages.tokenize._bounds import (
    BOUND,
    WIDE,
    WRITTEN,
    Spent,
    concatenated,
    formatted,
    indented,
    of_items,
    power,
    product,
    shown,
    summed,
)

__all__ = ["Environment"]

STEPS = 300_000  # of a rendering
STEPS_A_MESSAGE = 1_000
DENIED = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "translate"})
PLAIN = frozenset({"strip", "lstrip", "rstrip", "startswith", "endswith", "split", "rsplit", "splitlines"})
PLAIN |= {"upper", "lower", "find", "title", "capitalize", "count"}
LOOPS = frozenset({"index", "index0", "first", "last", "length", "revindex", "revindex0", "previtem", "nextitem"})
FIELDS = frozenset(dir(dict))
INNER = ("_loop_vars", "_block_vars")  # what Jinja hands to each call of its own
# Filters that no chat template needs.
LEFT_OUT = ("center", "format", "filesizeformat", "pprint", "xmlattr", "urlize", "wordwrap", "batch")


class _Generation(Extension):
    """`{% generation %}` marks what is trained for others; here it is only its content."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


def _final(value: Any) -> Any:
    """What is written of a value."""
    return value if isinstance(value, str | Undefined) else shown(value)


class Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with bounds; `written` renders."""

    intercepted_binops = frozenset({"*", "**", "%"})
    summed = staticmethod(summed)
    concatenated = staticmethod(concatenated)

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols], finalize=_final)
        self.left = 0
        self.binop_table |= {"*": product, "**": power, "%": formatted}
        self.filters |= {
            "replace": BOUND["replace"],
            "join": partial(of_items, partial(make_attrgetter, self)),
            "string": shown,
            "indent": partial(indented, self.filters["indent"]),
        }
        for name in LEFT_OUT:
            del self.filters[name]
        for name in ("lipsum", "cycler", "joiner"):
            del self.globals[name]

    # ------------------------------------------------------------------ bounds

    def step(self) -> None:
        """One turn of a recursive loop, or one call of a macro. Raises Spent."""
        self.left -= 1
        if self.left < 0:
            raise Spent

    def steps(self, values: Iterable[Any]) -> Iterator[Any]:
        """The values, each a step. Raises Spent."""
        for value in values:
            self.left -= 1
            if self.left < 0:
                raise Spent
            yield value

    def written(self, parts: Iterator[str], messages: int) -> str:
        """All parts of a rendering of some messages, as they are made. Raises Spent."""
        self.left = STEPS + STEPS_A_MESSAGE * messages
        made, size = list[str](), 0
        for part in parts:
            made.append(part)
            size += len(part)
            if size > WRITTEN:
                raise Spent
        return "".join(made)

    def _generate(self, source: nodes.Template, *more: Any, **options: Any) -> str:
        return super()._generate(_counted(source).set_environment(self), *more, **options)

    # ------------------------------------------------------------------ what is known to be safe

    def call(self, context: Any, called: Any, *given: Any, **named: Any) -> Any:
        """Call an object: methods of texts, and what this module puts in, at once."""
        kind = type(called)
        if kind is BuiltinMethodType and type(called.__self__) is str:
            for name in INNER:
                named.pop(name, None)
            return called(*given, **named)
        if called is summed or (kind is MethodType and called.__self__ is self):
            return called(*given)
        return super().call(context, called, *given, **named)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field or method of an object."""
        kind = type(obj)
        if kind is dict and attribute not in FIELDS:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if kind is str:
            return self._method(obj, attribute)
        if (kind is LoopContext and attribute in LOOPS) or (kind is Namespace and not attribute.startswith("_")):
            return getattr(obj, attribute, None) if hasattr(obj, attribute) else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """What stands at a place, or a field or method."""
        if isinstance(obj, str) and isinstance(argument, str):
            return self._method(obj, argument)
        return super().getitem(obj, argument)

    def _method(self, text: str, name: str) -> Any:
        if name in PLAIN:
            return getattr(text, name)
        if name in BOUND:
            return partial(BOUND[name], text)
        if name in DENIED or (name in {"format", "format_map"} and WIDE.search(text)):
            return self.unsafe_undefined(text, name)
        return super().getattr(text, name)


# ---------------------------------------------------------------------------------------------- the syntax tree


def _counted(node: Any) -> Any:
    """The syntax tree with its loops and macros counted, and its sums held within bounds."""
    for name, value in node.iter_fields():
        if isinstance(value, nodes.Node):
            setattr(node, name, _counted(value))
        elif isinstance(value, list):
            setattr(node, name, [_counted(one) if isinstance(one, nodes.Node) else one for one in value])
    if isinstance(node, nodes.For) and not node.recursive:
        node.iter = _call("steps", [node.iter], node.lineno)
    elif isinstance(node, nodes.For | nodes.Macro | nodes.CallBlock):
        node.body.insert(0, nodes.ExprStmt(_call("step", [], node.lineno), lineno=node.lineno))
    return _held(node)


def _held(node: Any) -> Any:
    """A sum or concatenation of what may be long, within bounds; with a constant it grows by that alone."""
    if isinstance(node, nodes.Add) and not isinstance(node.left, nodes.Const) | isinstance(node.right, nodes.Const):
        return _call("summed", [node.left, node.right], node.lineno)
    if isinstance(node, nodes.Concat) and sum(not isinstance(one, nodes.Const) for one in node.nodes) > 1:
        return _call("concatenated", node.nodes, node.lineno)
    return node


def _call(name: str, given: list[Any], line: int) -> Any:
    return nodes.Call(nodes.EnvironmentAttribute(name), given, [], None, None, lineno=line)
