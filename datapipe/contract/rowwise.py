"""Functions that look at each document by itself: `process`, `expand`, `emit`, `order`, `apply`.

Whatever way rows are cut into batches or put in order, the same must come of each row.
Costs some twenty calls of the function on about sixty small documents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datapipe.contract.compare import Rows, concatenated, cuts, difference, empty_like, fingerprint, groups, permutation
from datapipe.contract.finding import Findings

__all__ = ["Rowwise", "check_rowwise"]


@dataclass(frozen=True)
class Rowwise:
    """A function of a batch. `index` names its column of input rows; without one it gives one row per row.

    `columns` are those that it must return; `exact` forbids others.
    """

    name: str
    call: Callable[[pa.RecordBatch], Any]
    columns: pa.Schema
    index: str | None = None
    exact: bool = True
    ordered: bool = False


def check_rowwise(function: Rowwise, samples: dict[str, pa.RecordBatch], found: Findings) -> pa.RecordBatch | None:
    """Try the function on every sample; returns the samples it could do, as one batch, if any."""
    good = [batch for label, batch in samples.items() if _tried(function, label, batch, found)]
    if not good:
        return None
    whole = concatenated(good)
    out = found.attempt("cuts", f"{function.name} of all samples at once", function.call, whole)
    if out is None or not _fits(function, out, len(whole), found):
        return None
    expected = groups(out, function.index, len(whole))
    _check_repeated(function, whole, expected, found)
    for way in cuts(whole):
        _check_parts(function, way, expected, found)
    order = permutation(len(whole))
    moved = whole.take(pa.array(order, pa.int64()))
    another = ("rows in another order", [moved])
    _check_parts(function, another, [expected[row] for row in order], found, check="permuted")
    _check_empty(function, whole, out.schema, found)
    return whole


def _tried(function: Rowwise, label: str, batch: pa.RecordBatch, found: Findings) -> bool:
    check = {"typical": "runs", "odd": "odd text", "nulls": "nulls"}.get(label, "runs")
    before = fingerprint(batch)
    out = found.attempt(check, f"{function.name} of {label} documents", function.call, batch)
    if fingerprint(batch) != before:
        found.add("inputs", f"{function.name} writes into the batch that it is given")
    return out is not None and _fits(function, out, len(batch), found)


def _fits(function: Rowwise, out: Any, size: int, found: Findings) -> bool:
    """Whether the output has the right columns and rows; the rest cannot be judged without."""
    if not isinstance(out, pa.RecordBatch):
        found.add("columns", f"{function.name} returns {type(out).__name__}, not a RecordBatch")
        return False
    return _columns_fit(function, out, found) and _rows_fit(function, out, size, found)


def _columns_fit(function: Rowwise, out: pa.RecordBatch, found: Findings) -> bool:
    got = dict(zip(out.schema.names, out.schema.types, strict=True))
    wanted = dict(zip(function.columns.names, function.columns.types, strict=True))
    wrong = [f"{name} is {got[name]}, not {kind}" for name, kind in wanted.items() if got.get(name, kind) != kind]
    wrong += [f"{name} is missing" for name in wanted if name not in got]
    if function.exact:
        wrong += [f"{name} is not declared" for name in got if name not in wanted]
    if len(got) != out.num_columns:
        wrong.append("two columns have one name")
    for fault in wrong:
        found.add("columns", f"{function.name}: {fault}")
    return not wrong


def _rows_fit(function: Rowwise, out: pa.RecordBatch, size: int, found: Findings) -> bool:
    if function.index is None:
        if len(out) != size:
            found.add("rows", f"{function.name} gives {len(out)} rows for {size}")
        return len(out) == size
    index = out.column(function.index)
    if index.null_count or (len(out) and pc.max(index).as_py() >= size):
        found.add("rows", f"{function.name}: {function.index} names a row that is not in the batch of {size}")
        return False
    rows = index.to_numpy()
    if function.ordered and (rows[1:] < rows[:-1]).any():
        found.add("rows", f"{function.name}: {function.index} is not in order")
    return True


def _check_repeated(function: Rowwise, whole: pa.RecordBatch, expected: Rows, found: Findings) -> None:
    out = found.attempt("determinism", f"{function.name}, called again", function.call, whole)
    if out is not None:
        differs = difference(expected, groups(out, function.index, len(whole)))
        if differs:
            found.add("determinism", f"{function.name}, called again, is not the same: {differs}")


def _check_parts(
    function: Rowwise, way: tuple[str, list[pa.RecordBatch]], expected: Rows, found: Findings, *, check: str = "cuts"
) -> None:
    label, parts = way
    got = []
    for part in parts:
        out = found.attempt(check, f"{function.name} of {len(part)} rows, {label},", function.call, part)
        if out is None or not _fits(function, out, len(part), found):
            return
        got += groups(out, function.index, len(part))
    differs = difference(expected, got)
    if differs:
        found.add(check, f"{function.name}, {label}: {differs}")


def _check_empty(function: Rowwise, whole: pa.RecordBatch, wanted: pa.Schema, found: Findings) -> None:
    out = found.attempt("empty", f"{function.name} of an empty batch", function.call, empty_like(whole))
    if out is None:
        return
    if len(out):
        found.add("empty", f"{function.name} gives {len(out)} rows for an empty batch")
    if out.schema.names != wanted.names or out.schema.types != wanted.types:
        found.add("empty", f"{function.name} gives other columns for an empty batch: {_schema(out.schema)}")


def _schema(columns: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in columns)
