"""XXH64 in numba over slices of bytes, and hashes of whole Arrow arrays.

Why: pieces of documents (lines, n-grams, normalised texts) are hashed where they lie. XXH64 is a published
function with many implementations, so anyone can check a stored hash; the `xxhash` package is the test's oracle.
Costs: about 5 GB/s on long slices, 10 ns for a word.
Source: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

from typing import Any

import numpy as np
import xxhash
from numba import types
from numba.extending import intrinsic

from datapipe.text.buffers import BytesView, Texts, as_one_array, view_bytes
from datapipe.text.jit import U64, Uint8s, Uint64s, inlined, kernel, pasted

PRIME_1 = U64(0x9E3779B185EBCA87)
PRIME_2 = U64(0xC2B2AE3D27D4EB4F)
PRIME_3 = U64(0x165667B19E3779F9)
PRIME_4 = U64(0x85EBCA77C2B2AE63)
PRIME_5 = U64(0x27D4EB2F165667C5)
# How far the specification rotates in each place; as uint64, or numba compiles `_rotate` for each number.
R1, R7, R11, R12, R18, R23, R27, R31 = (U64(bits) for bits in (1, 7, 11, 12, 18, 23, 27, 31))
BITS = U64(64)
STRIPE = 32  # bytes taken at a time by the four lanes

# The two halves of a 128-bit hash: any two different seeds do; these are the first 16 hex digits of pi's fraction
# and of e's.
SEED_HIGH = U64(0x243F6A8885A308D3)
SEED_LOW = U64(0xB7E151628AED2A6A)


def _loader(number: types.Integer) -> Any:
    """An intrinsic that reads a little-endian number at any byte of a uint8 array, as uint64."""

    @intrinsic
    def load(_typing: Any, array: Any, _index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            values = context.make_array(signature.args[0])(context, builder, arguments[0])
            kind, wide = context.get_value_type(number), context.get_value_type(types.uint64)
            place = builder.bitcast(builder.gep(values.data, [arguments[1]]), kind.as_pointer())
            loaded = builder.load(place)
            loaded.align = 1
            return loaded if kind == wide else builder.zext(loaded, wide)

        return types.uint64(array, types.int64), generate

    return load


_load_64 = _loader(types.uint64)
_load_32 = _loader(types.uint32)


@inlined
def _rotate(value: Any, left: Any) -> Any:
    return (value << left) | (value >> (BITS - left))


@inlined
def _round(lane: Any, value: Any) -> Any:
    return _rotate(lane + value * PRIME_2, R31) * PRIME_1


@pasted
def _stripes(data: Uint8s, start: int, end: int, seed: Any) -> Any:
    """The four lanes over all whole stripes, merged."""
    a, b, c, d = seed + PRIME_1 + PRIME_2, seed + PRIME_2, seed, seed - PRIME_1
    i = start
    while i + STRIPE <= end:
        a = _round(a, _load_64(data, i))
        b = _round(b, _load_64(data, i + 8))
        c = _round(c, _load_64(data, i + 16))
        d = _round(d, _load_64(data, i + 24))
        i += STRIPE
    state = _rotate(a, R1) + _rotate(b, R7) + _rotate(c, R12) + _rotate(d, R18)
    for lane in (a, b, c, d):
        state = (state ^ _round(U64(0), lane)) * PRIME_1 + PRIME_4
    return state


@inlined
def xxh64(data: Uint8s, start: int, end: int, seed: Any) -> Any:
    """XXH64 of data[start:end] with a uint64 seed; callable from other kernels."""
    length = end - start
    i = start
    if length >= STRIPE:
        state = _stripes(data, start, end, seed)
        i += length // STRIPE * STRIPE
    else:
        state = seed + PRIME_5
    state += U64(length)
    while i + 8 <= end:
        state = _rotate(state ^ _round(U64(0), _load_64(data, i)), R27) * PRIME_1 + PRIME_4
        i += 8
    if i + 4 <= end:
        state = _rotate(state ^ (_load_32(data, i) * PRIME_1), R23) * PRIME_2 + PRIME_3
        i += 4
    while i < end:
        state = _rotate(state ^ (U64(data[i]) * PRIME_5), R11) * PRIME_1
        i += 1
    state = (state ^ (state >> U64(33))) * PRIME_2
    state = (state ^ (state >> U64(29))) * PRIME_3
    return state ^ (state >> U64(32))


@kernel
def _hash_values(view: BytesView, seed: Any, hashes: Uint64s) -> None:
    for x in range(len(view.starts)):
        hashes[x] = xxh64(view.data, view.starts[x], view.ends[x], seed)


def hash_slices(view: BytesView, seed: int = 0) -> Uint64s:
    """XXH64 of each slice of a view; uint64, one per slice."""
    hashes = np.empty(len(view.starts), np.uint64)
    _hash_values(view, U64(seed), hashes)
    return hashes


def hash128(texts: Texts) -> tuple[Uint64s, Uint64s]:
    """128-bit hash of each value's bytes as (high, low), two uint64 arrays; null gives (0, 0)."""
    array = as_one_array(texts)
    view = view_bytes(array)
    high, low = hash_slices(view, SEED_HIGH), hash_slices(view, SEED_LOW)
    if array.null_count:
        is_null = np.asarray(array.is_null())
        high[is_null] = 0
        low[is_null] = 0
    return high, low


def xxh3_128_hex(data: bytes) -> str:
    """XXH3-128 of a byte string as 32 hex digits (identities of documents and files)."""
    return xxhash.xxh3_128_hexdigest(data)
