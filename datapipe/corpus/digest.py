"""Order-dependent digests of column values, the same however the rows are cut and whatever wrote them.

A digest covers validity, lengths and bytes of the values, not the layout of buffers, so it is equal across
Arrow versions. xxh3-128 over the buffers runs at memory speed; it guards against damage and mix-ups, not
against an attacker.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

__all__ = ["digest_rows", "digest_values"]

_BYTES = {"string", "large_string", "binary", "large_binary"}


def digest_rows(rows: np.ndarray[Any, Any]) -> str:
    """32 hex digits for a list of row numbers."""
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(rows, np.uint32).tobytes())


def digest_values(array: pa.Array[Any] | pa.ChunkedArray[Any]) -> str:
    """32 hex digits for the values of a column, in order."""
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    hasher = xxhash.xxh3_128()
    _feed(hasher, whole)
    return hasher.hexdigest()


def _feed(hasher: Any, array: Any) -> None:
    kind = array.type
    if pa.types.is_dictionary(kind):
        _feed(hasher, array.dictionary_decode())
        return
    hasher.update(str(len(array)).encode())
    if array.null_count:
        hasher.update(array.is_valid().to_numpy(zero_copy_only=False).tobytes())
    if pa.types.is_null(kind):
        return
    if pa.types.is_struct(kind):
        for field in array.flatten():
            _feed(hasher, field)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        hasher.update(lengths.to_numpy(zero_copy_only=False).astype(np.int64).tobytes())
        _feed(hasher, array.flatten())
    elif pa.types.is_fixed_size_binary(kind):
        _feed(hasher, array.cast(pa.binary()))
    elif str(kind) in _BYTES:
        _feed_bytes(hasher, array)
    else:
        filled = pc.fill_null(array, pa.scalar(0, pa.int8()).cast(kind)) if array.null_count else array
        hasher.update(np.ascontiguousarray(filled.to_numpy(zero_copy_only=False)).tobytes())


def _feed_bytes(hasher: Any, array: Any) -> None:
    if array.null_count:
        array = pc.fill_null(
            array, pa.scalar("", array.type) if "string" in str(array.type) else pa.scalar(b"", array.type)
        )
    wide = "large" in str(array.type)
    _, offsets, data = array.buffers()
    if offsets is None or len(array) == 0:
        return
    ends = np.frombuffer(offsets, np.int64 if wide else np.int32)[array.offset : array.offset + len(array) + 1]
    hasher.update(np.diff(ends).astype(np.int64).tobytes())
    if data is not None and ends[-1] > ends[0]:
        hasher.update(memoryview(data)[int(ends[0]) : int(ends[-1])])
