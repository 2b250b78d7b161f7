"""The rows of a batch that share a value, for what differs by language or source.

Costs one pass over the column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.text.jit import Int64s

__all__ = ["rows_by_value"]


def rows_by_value(values: pa.Array[Any]) -> dict[str | None, Int64s]:
    """The rows of each value of a string array, in order (int64); null is a value of its own."""
    encoded: Any = values.dictionary_encode()
    indices = pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy(zero_copy_only=False)
    names = [*encoded.dictionary.to_pylist(), None]
    return {name: rows for at, name in enumerate(names) if len(rows := np.flatnonzero(indices == at))}
