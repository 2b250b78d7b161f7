"""Arrow string and binary arrays as bytes and offsets, without copying the bytes.

Why: kernels read UTF-8 where Arrow keeps it; a document that is only measured never becomes a Python string.
Costs: nothing for large_string and large_binary without nulls; otherwise two int64 arrays, one entry a value.
"""

from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.text.jit import Int64s, Uint8s

# Of string, large_string, binary or large_binary; others raise TypeError.
Texts: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"

_Scalar = TypeVar("_Scalar", bound=np.generic)


class BytesView(NamedTuple):
    """Values of an array: value i is data[starts[i]:ends[i]]. Read-only, and valid while the array lives."""

    data: Uint8s
    starts: Int64s
    ends: Int64s


def readonly(array: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    """The same memory, not writable. Numba compiles once more for each mutability, so all input is read-only."""
    view = array.view()
    view.flags.writeable = False
    return view


def as_one_array(texts: Texts) -> "pa.Array[Any]":
    """A chunked array as one array (copied only if it has several chunks); any other array as it is."""
    if isinstance(texts, pa.ChunkedArray):
        return texts.combine_chunks()
    return texts


def view_bytes(texts: Texts) -> BytesView:
    """Bytes, starts and ends of a string, large_string, binary or large_binary array; null reads as empty.

    Raises TypeError for other types.
    """
    array = as_one_array(texts)
    kind = array.type
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        offset_type: type[np.int32 | np.int64] = np.int64
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        offset_type = np.int32
    else:
        message = f"expected a string or binary array, not {kind}"
        raise TypeError(message)
    _, offset_buffer, data_buffer = array.buffers()
    if len(array) == 0 or offset_buffer is None:
        nothing = readonly(np.zeros(0, np.int64))
        return BytesView(readonly(np.zeros(0, np.uint8)), nothing, nothing)
    stored = np.frombuffer(memoryview(offset_buffer), offset_type)[array.offset : array.offset + len(array) + 1]
    offsets: Int64s = stored.astype(np.int64, copy=False)
    starts, ends = offsets[:-1], offsets[1:]
    if array.null_count:
        # Arrow leaves the extent of a null undefined.
        ends = np.where(np.asarray(array.is_null()), starts, ends)
    data = np.frombuffer(memoryview(data_buffer or pa.py_buffer(b"")), np.uint8)
    return BytesView(readonly(data), readonly(starts), readonly(ends))


def texts_of(data: Uint8s, offsets: Int64s, like: "pa.Array[Any]") -> pa.LargeStringArray:
    """Strings that follow one another in `data` (valid UTF-8), text i up to offsets[i + 1]; null where `like` is."""
    valid: Any = like.is_valid()
    mask = valid.buffers()[1] if like.null_count else None
    parts: tuple[Any, Any] = (offsets, data[: offsets[-1]])
    buffers: list[Any] = [mask, *map(pa.py_buffer, parts)]
    made: Any = pa.Array.from_buffers(pa.large_string(), len(like), buffers)
    texts: pa.LargeStringArray = made
    return texts
