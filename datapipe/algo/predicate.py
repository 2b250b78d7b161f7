"""What a checked expression is made of: frozen nodes that turn a batch into true or false.

A missing value equals nothing: `kind != 'code'` holds where there is no kind, `words > 3` does not where there are
no words. Nodes can be pickled.
Costs a few Arrow kernels a batch; fields of `metadata` also the parsing of its JSON, once a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.fields import parse

__all__ = [
    "METADATA",
    "Column",
    "Compare",
    "Constant",
    "Field",
    "Has",
    "In",
    "Join",
    "Missing",
    "Node",
    "Not",
    "with_fields",
]

METADATA = "metadata"  # the column that holds one JSON object a document

Constant: TypeAlias = str | int | float | bool
FieldKind: TypeAlias = Literal["number", "text", "bool", "any"]


@dataclass(frozen=True)
class Column:
    """A column by its full name; a condition by itself if it is bool."""

    name: str

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array[Any]:
        """The values, row by row."""
        values = batch.column(self.name)
        return pc.cast(values, values.type.value_type) if isinstance(values.type, pa.DictionaryType) else values


@dataclass(frozen=True)
class Field(Column):
    """A field of the JSON objects in `metadata`, as a column of one kind; `with_fields` puts it into the batch.

    A value of another kind is missing. Numbers are 64-bit floats, so that what else stands in a batch changes
    nothing; `any` asks only whether there is a value, and is true or missing.
    """

    path: tuple[str, ...] = ()
    kind: FieldKind = "any"

    def column_for(self, documents: list[dict[str, Any] | None]) -> pa.Array[Any]:
        """The field of each document."""
        return pa.array([self._of(document) for document in documents], _KINDS[self.kind])

    def _of(self, value: Any) -> Any:
        for key in self.path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is None or self.kind == "any":
            return None if value is None else True
        if isinstance(value, bool) != (self.kind == "bool"):
            return None
        if self.kind == "number":
            return _as_float(value) if isinstance(value, int | float) else None
        return value if isinstance(value, str | bool) else None


def with_fields(batch: pa.RecordBatch, fields: tuple[Field, ...]) -> pa.RecordBatch:
    """The batch, and a column for each field; `metadata` is parsed once, and not at all without fields."""
    if not fields:
        return batch
    texts = batch.column(METADATA).to_pylist()
    documents = [None if text is None else parse(text.encode()) for text in texts]
    arrays = [field.column_for(documents) for field in fields]
    return pa.RecordBatch.from_arrays(
        [*batch.columns, *arrays], names=[*batch.schema.names, *(field.name for field in fields)]
    )


@dataclass(frozen=True)
class Missing:
    """Whether a column has no value."""

    column: Column

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array[Any]:
        """True or false, row by row."""
        return pc.is_null(self.column.evaluate(batch))


@dataclass(frozen=True)
class Compare:
    """Two sides and a sign; where a side is missing only `!=` holds."""

    left: Column | Constant
    sign: str
    right: Column | Constant

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array[Any]:
        """True or false, row by row."""
        left, right = _alike(_value(self.left, batch), _value(self.right, batch))
        compared: pa.Array[Any] = _filled(_SIGNS[self.sign](left, right), missing=self.sign == "!=")
        return compared


@dataclass(frozen=True)
class In:
    """Whether a column has one of the values."""

    column: Column
    values: tuple[Constant, ...]

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array[Any]:
        """True or false, row by row."""
        found = [Compare(self.column, "==", value).evaluate(batch) for value in self.values]
        any_of: pa.Array[Any] = reduce(pc.or_, found)
        return any_of


@dataclass(frozen=True)
class Has:
    """Whether the list in a column holds a text."""

    column: Column
    value: str

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array[Any]:
        """True or false, row by row."""
        every: Any = self.column.evaluate(batch)
        some = np.flatnonzero(every.is_valid().to_numpy(zero_copy_only=False))
        lists = every.take(pa.array(some))  # of a missing list Arrow may still number the values
        hit = pc.list_parent_indices(lists).filter(
            pc.fill_null(pc.equal(lists.flatten(), pa.scalar(self.value)), False)
        )
        held = np.zeros(len(every), np.bool_)
        held[some[hit.to_numpy()]] = True
        return pa.array(held)


@dataclass(frozen=True)
class Not:
    """The opposite."""

    inner: Node

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array[Any]:
        """True or false, row by row."""
        opposite: pa.Array[Any] = pc.invert(_truth(self.inner, batch))
        return opposite


@dataclass(frozen=True)
class Join:
    """All parts, or any part."""

    combine: Literal["and", "or"]
    parts: tuple[Node, ...]

    def evaluate(self, batch: pa.RecordBatch) -> pa.Array[Any]:
        """True or false, row by row."""
        kernel = pc.and_ if self.combine == "and" else pc.or_
        joined: pa.Array[Any] = reduce(kernel, [_truth(part, batch) for part in self.parts])
        return joined


Node: TypeAlias = Column | Missing | Compare | In | Has | Not | Join

_KINDS: dict[FieldKind, pa.DataType] = {
    "number": pa.float64(),
    "text": pa.large_string(),
    "bool": pa.bool_(),
    "any": pa.bool_(),
}
_SIGNS: dict[str, Callable[..., Any]] = {
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def _truth(node: Node, batch: pa.RecordBatch) -> Any:
    """A node as a condition; a bool column without a value is false."""
    values = node.evaluate(batch)
    return _filled(values, missing=False) if isinstance(node, Column) else values


def _filled(values: Any, *, missing: bool) -> Any:
    fill: Any = pa.scalar(missing, pa.bool_())
    return pc.fill_null(pc.cast(values, pa.bool_()), fill)


def _as_float(value: float) -> float | None:
    try:
        return float(value)
    except OverflowError:  # a whole number that no float comes near
        return None


def _value(side: Column | Constant, batch: pa.RecordBatch) -> Any:
    return side.evaluate(batch) if isinstance(side, Column) else pa.scalar(side)


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Both sides in one type: text as large_string, whole numbers as int64, mixed or unsigned 64-bit as float64."""
    if left.type == right.type:
        return left, right
    if pa.types.is_null(left.type) or pa.types.is_null(right.type):
        kind: pa.DataType = right.type if pa.types.is_null(left.type) else left.type
    elif pa.types.is_string(left.type) or pa.types.is_large_string(left.type):
        kind = pa.large_string()
    elif any(pa.types.is_floating(side.type) or side.type == pa.uint64() for side in (left, right)):
        kind = pa.float64()
    else:
        kind = pa.int64()
    return tuple(side if side.type == kind else pc.cast(side, kind, safe=False) for side in (left, right))
