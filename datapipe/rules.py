"""How rules are written: columns and their types, values held against thresholds, and the reasons that follow.

Costs some Arrow kernels a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Mask", "Threshold", "above", "at_least", "below", "columns", "first_of", "schema"]

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"
Threshold: TypeAlias = "float | pa.Array[Any] | None"  # one for all rows, or one a row; None and null are off


def schema(**types: pa.DataType) -> pa.Schema:
    """Columns and their types, in the order written."""
    return pa.schema([pa.field(name, kind) for name, kind in types.items()])


def columns(**arrays: Any) -> pa.RecordBatch:
    """A batch of named columns; numpy arrays are taken as they are."""
    return pa.RecordBatch.from_arrays([pa.array(values) for values in arrays.values()], names=list(arrays))


def below(values: pa.Array[Any], threshold: Threshold) -> Mask:
    """Where a value lies under the threshold; null is not under it, a threshold of None is off."""
    return _compare(pc.less, values, threshold)


def above(values: pa.Array[Any], threshold: Threshold) -> Mask:
    """Where a value lies over the threshold; null is not over it, a threshold of None is off."""
    return _compare(pc.greater, values, threshold)


def at_least(values: pa.Array[Any], threshold: Threshold) -> Mask:
    """Where a value reaches the threshold; null does not, a threshold of None is off and never reached."""
    return _compare(pc.greater_equal, values, threshold)


def _compare(compare: Callable[..., Any], values: pa.Array[Any], threshold: Threshold) -> Mask:
    if threshold is None:
        return np.zeros(len(values), np.bool_)
    hit: Mask = pc.fill_null(compare(values, threshold), False).to_numpy(zero_copy_only=False)
    return hit


def first_of(*rules: tuple[Mask, str]) -> pa.StringArray:
    """The reason of the first rule that holds for each row; null where none does."""
    reasons = np.full(len(rules[0][0]), None, object)
    for hit, reason in reversed(rules):
        reasons[hit] = reason
    return pa.array(reasons, pa.string())
