"""Texts without some of their parts, and where these stood.

Costs: 2 to 3 ns a word of text, half of which goes (tests/benchmarks/repeats.py); no scratch but the new text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.text.buffers import readonly, texts_of, view_bytes
from datapipe.text.jit import Int64s, Uint8s, kernel

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
    """Large strings without these parts [start, end) of their buffer (see `view_bytes`).

    Parts may overlap and stand in any order; each lies within one text.
    """
    view = view_bytes(texts)
    if not len(texts):
        return texts
    starts, ends = _apart(starts, ends)
    first, last = int(view.starts[0]), int(view.ends.max())
    gone = np.append(0, np.cumsum(ends - starts))
    bounds = np.append(view.starts, last)
    bounds -= gone[np.searchsorted(starts, bounds)] + first
    data = np.empty(int(bounds[-1]), np.uint8)
    _copy(view.data, (readonly(np.append(first, ends)), readonly(np.append(starts, last))), data)
    return texts_of(data, bounds, texts)


def _apart(starts: Int64s, ends: Int64s) -> tuple[Int64s, Int64s]:
    """Parts in order, those that overlap as one."""
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    begins = np.flatnonzero(np.append(True, starts[1:] >= reach[:-1])[: len(starts)])
    return starts[begins], reach[np.append(begins[1:], len(starts)) - 1] if len(starts) else ends


@kernel
def _copy(data: Uint8s, parts: tuple[Int64s, Int64s], out: Uint8s) -> None:
    """The bytes of these parts, one after the other."""
    starts, ends = parts
    used = 0
    for x in range(len(starts)):
        for i in range(starts[x], ends[x]):
            out[used] = data[i]
            used += 1
