"""Texts without some of their parts, and where these stood.

Costs: some numpy passes over the bytes of the batch, 16 bytes of scratch a byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.text.buffers import view_bytes
from datapipe.text.jit import Int64s

__all__ = ["SPANS", "listed", "spans_of", "without"]

SPANS = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())]))


def spans_of(document: Int64s, starts: Int64s, ends: Int64s, count: int) -> pa.ListArray[Any]:
    """Spans by document (int64, ascending) as lists of UTF-8 byte offsets [start, end), one for each of `count`."""
    pairs = pa.StructArray.from_arrays([pa.array(starts), pa.array(ends)], fields=list(SPANS.value_type))
    return listed(pairs, document, count)


def listed(values: pa.Array[Any], document: Int64s, count: int) -> pa.ListArray[Any]:
    """Values by document (int64, ascending) as lists, one for each of `count` documents."""
    offsets: Any = pa.array(np.append(0, np.cumsum(np.bincount(document, minlength=count))).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, values)


def without(texts: Any, starts: Int64s, ends: Int64s) -> Any:
    """Large strings without these parts [start, end) of their buffer (see `view_bytes`), which may overlap."""
    view = view_bytes(texts)
    if not len(texts):
        return texts
    first, last = int(view.starts[0]), int(view.ends.max())
    size = last - first + 1
    change = np.bincount(starts - first, minlength=size) - np.bincount(ends - first, minlength=size)
    stays = np.cumsum(change[:-1]) == 0
    kept = np.append(0, np.cumsum(stays))
    bounds = np.append(kept[view.starts - first], kept[-1])
    data = view.data[first:last][stays]
    buffers: list[Any] = [pa.py_buffer(bounds.tobytes()), pa.py_buffer(data.tobytes())]
    made = pa.LargeStringArray.from_buffers(len(texts), *buffers)
    return pc.if_else(texts.is_valid(), made, pa.scalar(None, made.type)) if texts.null_count else made
