"""`where:` as a typed expression over columns, such as `kind != 'code' and quality.words > 100`.

Known are `and`, `or`, `not`, comparisons (also chained: `10 < quality.words <= 500`), `in` and `not in` with a
list of values, `== None` for "has no value", bool columns by themselves, and parentheses. A comparison with a
missing value is unknown, as in SQL: it stays unknown under `not`, and a row whose whole expression is unknown is
not chosen. So `kind != 'code'` leaves out rows without a kind; add `or kind == None` to choose them.
The text is parsed by Python's own parser and then read node by node; nothing is ever evaluated as Python.
Costs a few Arrow kernels a batch.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.recipe.predicate import Node
from datapipe.recipe.where_reader import Reader

__all__ = ["Mask", "Where", "WhereError", "parse_syntax", "parse_where"]

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

MAX_CHARACTERS = 2_000  # far more than a person writes; keeps Python's parser and our recursion shallow


class WhereError(ValueError):
    """The expression cannot be used; `problems` says why, as (message, remedy) pairs."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__("; ".join(message for message, _ in problems))
        self.problems = problems


@dataclass(frozen=True)
class Where:
    """A checked expression: its text and the columns that it needs. Can be pickled."""

    text: str
    columns: tuple[str, ...]
    root: Node

    def mask(self, batch: pa.RecordBatch) -> Mask:
        """Which rows of the batch are chosen; `batch` holds at least `columns`."""
        values: Any = self.root.evaluate(batch)
        chosen: Any = pc.fill_null(values, False)
        mask: Mask = chosen.to_numpy(zero_copy_only=False)
        return mask


def parse_where(text: str, available: Mapping[str, pa.DataType]) -> Where:
    """Parse and check `text` against the columns there are. Raises WhereError with everything wrong in it."""
    tree = parse_syntax(text)
    reader = Reader(text.strip(), available)
    root = reader.condition(tree.body, 0)
    if reader.problems:
        raise WhereError(*dict.fromkeys(reader.problems))
    return Where(text, tuple(dict.fromkeys(reader.seen)), root)


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
