"""Typed expressions over columns, such as `kind != 'code' and quality.words > 100`: what `where:` and filters take.

Known are `and`, `or`, `not`, comparisons (also chained: `10 < quality.words <= 500`), `in` and `not in` with a
list of values or, for a text, with a column of lists (`'gender' in groups.groups`), `== None` for "has no value", bool
columns by themselves, and parentheses. There are two truth values,
not three: a missing value equals nothing, so `kind != 'code'` holds for rows without a kind, `words > 3` does not for
rows without words, and `not` turns each around.
`metadata.karma` is a field of the JSON objects in column `metadata` (unless a column has that very name), and
`metadata.author.name` or `metadata['a-b'].c` one of nested objects. What it is compared with says its type: a number, a
text or a bool of JSON; a value of another type is missing. Numbers of JSON compare as 64-bit floats.
The text is parsed by Python's own parser and then read node by node; nothing is ever evaluated as Python.
Costs a few Arrow kernels a batch; with fields of `metadata` also a microsecond a document of 110 bytes, to parse it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.predicate import Field, Node, with_fields
from datapipe.algo.where_reader import Reader, names_in

__all__ = ["Mask", "Where", "WhereError", "columns_in", "parse_syntax", "parse_where"]

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

MAX_CHARACTERS = 2_000  # far more than a person writes; keeps Python's parser and our recursion shallow


class WhereError(ValueError):
    """The expression cannot be used; `problems` says why, as (message, remedy) pairs."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__("; ".join(message for message, _ in problems))
        self.problems = problems


@dataclass(frozen=True)
class Where:
    """A checked expression: its text, and the columns and fields of `metadata` that it needs. Can be pickled."""

    text: str
    columns: tuple[str, ...]
    root: Node
    fields: tuple[Field, ...] = ()

    def mask(self, batch: pa.RecordBatch) -> Mask:
        """Which rows of the batch are chosen; `batch` holds at least `columns`."""
        values: Any = self.root.evaluate(with_fields(batch, self.fields))
        chosen: Any = pc.fill_null(pc.cast(values, pa.bool_()), False)
        mask: Mask = chosen.to_numpy(zero_copy_only=False)
        return mask


def parse_where(text: str, available: Mapping[str, pa.DataType]) -> Where:
    """Parse and check `text` against the columns there are. Raises WhereError with everything wrong in it."""
    tree = parse_syntax(text)
    reader = Reader(text.strip(), available)
    root = reader.condition(tree.body, 0)
    if reader.problems:
        raise WhereError(*dict.fromkeys(reader.problems))
    return Where(text, tuple(dict.fromkeys(reader.seen)), root, tuple(dict.fromkeys(reader.fields)))


def columns_in(text: str) -> tuple[str, ...]:
    """The columns that an expression names, where it is not known which there are. Raises WhereError."""
    return tuple(dict.fromkeys(names_in(parse_syntax(text).body)))


def parse_syntax(text: str) -> ast.Expression:
    """The syntax tree alone, where it is not known which columns there are. Raises WhereError."""
    if len(text) > MAX_CHARACTERS:
        raise WhereError((f"the expression is longer than {MAX_CHARACTERS} characters", "split it over two stages"))
    try:
        return ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        detail = error.msg if isinstance(error, SyntaxError) else "it is nested too deep or holds a null byte"
        at = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise WhereError(
            (f"`{text}` does not parse{at}: {detail}", "write it like: kind != 'code' and a.b > 1")
        ) from None
