"""MinHash signatures, keys of their bands, and exact Jaccard of sets of shingles.

What: the values of datasketch's `MinHash(scheme="affine32")`, computed for a whole batch. Each permutation is
h -> a * h + b in 32 bits with odd a, after MurmurHash3's 32-bit finaliser; a signature holds the least of each.
Why: two signatures agree in a place with the probability of the documents' Jaccard similarity, so documents that are
alike share a band of them, and are found by sorting keys; whether they are is settled by their shingles.
Costs, after the shingles: signatures of 112 values 680 MB/s of English, 550 of Chinese (165-195 and 150 with them, 25
times datasketch's `bulk` with XXH64); sets 350-450 and 280; keys next to nothing; Jaccard 3.5 ns a shingle of either
set. Memory: 16 bytes a shingle while sets are made. See tests/benchmarks/minhash.py.
Source: Broder 1997; datasketch 2.0 (https://github.com/ekzhu/datasketch), the tests' oracle.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.text.buffers import BytesView, readonly
from datapipe.text.hashing import hash_slices, xxh64
from datapipe.text.jit import I64, U64, Float64s, Int64s, Uint8s, Uint64s, inlined, kernel
from datapipe.text.shingling import Shingles, Uint32s

__all__ = ["EMPTY", "band_keys", "content_hashes", "jaccard", "jaccard_of_pairs", "shingle_sets", "signatures"]

EMPTY = np.uint32(0xFFFFFFFF)  # every value of the signature of no shingles, as in datasketch

# MurmurHash3's 32-bit finaliser.
MIX_1, MIX_2 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
SHIFT_1, SHIFT_2 = np.uint32(16), np.uint32(13)


class _Permutations(NamedTuple):
    """a * h + b: multipliers (odd) and addends, uint32."""

    multipliers: Uint32s
    addends: Uint32s


class _Sets(NamedTuple):
    """Sorted sets: those of row d are values[starts[d]:ends[d]]; uint32, int64, int64."""

    values: Uint32s
    starts: Int64s
    ends: Int64s


@cache
def _permutations(count: int, seed: int) -> _Permutations:
    """As datasketch draws them."""
    generator = np.random.RandomState(seed)  # its old generator, whose numbers stay the same for ever
    multipliers = generator.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return _Permutations(readonly(multipliers), readonly(generator.randint(0, 1 << 32, count, dtype=np.uint32)))


@inlined
def _mix(value: Any) -> Any:
    value = np.uint32((value ^ (value >> SHIFT_1)) * MIX_1)
    value = np.uint32((value ^ (value >> SHIFT_2)) * MIX_2)
    return np.uint32(value ^ (value >> SHIFT_1))


@inlined
def _least(a: Any, b: Any) -> Any:
    return min(b, a)


@kernel
def _sign(hashes: Uint32s, bounds: Int64s, permutations: _Permutations, out: Uint32s) -> None:
    """Four shingles a sweep, so that a value is loaded and stored once for four."""
    multipliers, addends = permutations
    for x in range(len(bounds) - 1):
        row = out[x]
        i, last = bounds[x], bounds[x + 1]
        while i + 4 <= last:
            h0, h1, h2, h3 = _mix(hashes[i]), _mix(hashes[i + 1]), _mix(hashes[i + 2]), _mix(hashes[i + 3])
            for k in range(len(row)):
                a, b = multipliers[k], addends[k]
                v0, v1 = np.uint32(a * h0 + b), np.uint32(a * h1 + b)
                v2, v3 = np.uint32(a * h2 + b), np.uint32(a * h3 + b)
                row[k] = _least(row[k], _least(_least(v0, v1), _least(v2, v3)))
            i += 4
        while i < last:
            h0 = _mix(hashes[i])
            for k in range(len(row)):
                row[k] = _least(row[k], np.uint32(multipliers[k] * h0 + addends[k]))
            i += 1


def signatures(found: Shingles, permutations: int = 112, seed: int = 1) -> Uint32s:
    """The MinHash signature of each document, uint32 (documents, permutations); all EMPTY for one without shingles.

    Equal to datasketch's `MinHash(permutations, seed, scheme="affine32", hashfunc=...)` over the shingles' bytes with
    the low 32 bits of XXH64 as `hashfunc`. Which documents have shingles is told by `found.per_document()`.
    """
    out = np.full((len(found), permutations), EMPTY, np.uint32)
    _sign(found.hashes, found.bounds, _permutations(permutations, seed), out)
    return out


@kernel
def _hash_bands(data: Uint8s, size: int, keys: Uint64s) -> None:
    rows, bands = keys.shape
    stride = len(data) // max(rows, 1)
    for x in range(rows):
        for band in range(bands):
            start = x * stride + band * size
            keys[x, band] = xxh64(data, start, start + size, U64(band))


def band_keys(values: Uint32s, bands: int, rows: int) -> Uint64s:
    """A key for each band of each signature, uint64 (documents, bands): band b is values[:, b * rows:(b + 1) * rows].

    XXH64 of its little-endian bytes, seeded with the band's number, so that bands have keys of their own. The
    signatures of documents without shingles have keys, too: the caller leaves these out. Raises ValueError if the
    signatures are too short.
    """
    documents, permutations = values.shape
    if bands < 1 or rows < 1 or bands * rows > permutations:
        message = f"{bands} bands of {rows} rows need {bands * rows} values, and a signature has {permutations}"
        raise ValueError(message)
    data = np.ascontiguousarray(values, "<u4").view(np.uint8).ravel()
    keys = np.empty((documents, bands), np.uint64)
    _hash_bands(readonly(data), 4 * rows, keys)
    return keys


def content_hashes(found: Shingles) -> Uint64s:
    """A hash of the shingles of each document in their order, uint64: documents of the same text have the same."""
    data = np.ascontiguousarray(found.hashes, "<u4").view(np.uint8)
    bounds = found.bounds * 4
    return hash_slices(BytesView(readonly(data), readonly(bounds[:-1]), readonly(bounds[1:])))


def shingle_sets(found: Shingles) -> "pa.LargeListArray[Any]":
    """The different shingles of each document, sorted: large lists of uint32, empty for one without words."""
    count = found.per_document()
    documents = np.repeat(np.arange(len(found), dtype=np.uint64), count)
    keys = np.sort(documents << U64(32) | found.hashes)
    first = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    keys = keys[first]
    bounds = np.searchsorted(keys, np.arange(len(found) + 1, dtype=np.uint64) << U64(32))
    return pa.LargeListArray.from_arrays(pa.array(bounds, pa.int64()), pa.array(keys.astype(np.uint32)))


def _sets(lists: "pa.Array[Any]") -> _Sets:
    """Offsets as they are stored: also of slices, whose first is not 0."""
    wide: Any = lists.cast(pa.large_list(pa.uint32()))
    offsets = np.asarray(wide.offsets).astype(np.int64, copy=False)
    return _Sets(readonly(np.asarray(wide.values)), readonly(offsets[:-1]), readonly(offsets[1:]))


@kernel
def _compare(left: _Sets, right: _Sets, pairs: Int64s, out: Float64s) -> None:
    for p in range(len(out)):
        x, y = pairs[0, p], pairs[1, p]
        i, j = left.starts[x], right.starts[y]
        end, stop = left.ends[x], right.ends[y]
        together = (end - i) + (stop - j)
        shared: int = I64(0)
        while i < end and j < stop:
            # Without branches: which of two is less cannot be foretold.
            a, b = left.values[i], right.values[j]
            shared += I64(a == b)
            i += I64(a <= b)
            j += I64(b <= a)
        out[p] = shared / (together - shared) if together else np.nan


def jaccard_of_pairs(left: "pa.Array[Any]", right: "pa.Array[Any]", rows: Sequence[Any]) -> pa.DoubleArray:
    """Exact Jaccard of left[rows[0][p]] and right[rows[1][p]] for each p: a pair costs no copy of its sets.

    Lists of sorted, different uint32; rows of integers, two arrays of one length. Null where either set is null, or
    both are empty: these have nothing to compare. Raises IndexError for rows that there are not.
    """
    pairs = np.stack([np.asarray(part, np.int64) for part in rows])
    null = np.zeros(pairs.shape[1], np.bool_)
    for lists, chosen in zip((left, right), pairs, strict=True):
        if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < len(lists):
            message = f"pairs name rows {chosen.min()} to {chosen.max()} of {len(lists)} sets"
            raise IndexError(message)
        null |= np.asarray(lists.is_null())[chosen]
    out = np.empty(pairs.shape[1], np.float64)
    _compare(_sets(left), _sets(right), readonly(pairs), out)
    return pa.array(out, pa.float64(), mask=null | np.isnan(out))


def jaccard(left: "pa.Array[Any]", right: "pa.Array[Any]") -> pa.DoubleArray:
    """Exact Jaccard of each row's two sets; see `jaccard_of_pairs`."""
    every = np.arange(len(left))
    return jaccard_of_pairs(left, right, (every, every))
