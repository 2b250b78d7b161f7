"""What a shingle, a signature, a key of a band and a Jaccard similarity are, in plain Python.

Slow and obvious; the tests compare every kernel with these functions. Costs: some 400 times the kernels' time, which
is why they are never on the path of data.
"""

from itertools import islice

import xxhash

from datapipe.text.reference import normal_words

__all__ = ["band_keys", "jaccard", "shingle_hash", "shingles", "signature"]

MASK_32 = 0xFFFFFFFF


def shingles(text: str, n: int, most_words: int | None = None) -> list[bytes]:
    """All runs of n words of a text as UTF-8 with single spaces; of fewer words one run of all; of none none."""
    words = list(islice(normal_words(text), most_words))
    return [" ".join(words[i : i + n]).encode() for i in range(max(1, len(words) - n + 1))] if words else []


def shingle_hash(shingle: bytes) -> int:
    """The 32-bit hash of a shingle: what is given to datasketch as `hashfunc`."""
    return xxhash.xxh64_intdigest(shingle) & MASK_32


def _mixed(value: int) -> int:
    """MurmurHash3's 32-bit finaliser."""
    value = (value ^ value >> 16) * 0x85EBCA6B & MASK_32
    value = (value ^ value >> 13) * 0xC2B2AE35 & MASK_32
    return value ^ value >> 16


def signature(hashes: list[int], permutations: list[tuple[int, int]]) -> list[int]:
    """The least of a * h + b in 32 bits over all hashes, for each (a, b); the greatest number if there are none."""
    mixed = [_mixed(value) for value in hashes]
    return [min((a * value + b & MASK_32 for value in mixed), default=MASK_32) for a, b in permutations]


def band_keys(values: list[int], bands: int, rows: int) -> list[int]:
    """XXH64 of each band's values as little-endian bytes, seeded with the band's number."""
    data = b"".join(value.to_bytes(4, "little") for value in values)
    return [xxhash.xxh64_intdigest(data[4 * rows * band : 4 * rows * (band + 1)], band) for band in range(bands)]


def jaccard(left: set[int], right: set[int]) -> float | None:
    """Shared elements over all of them; None if there are none at all."""
    return len(left & right) / len(left | right) if left | right else None
