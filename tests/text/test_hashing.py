"""XXH64 is the xxhash package's."""

import numpy as np
import pyarrow as pa
import pytest
import xxhash

from datapipe.text import hash128, hash_slices, view_bytes, xxh3_128_hex
from datapipe.text.hashing import SEED_HIGH, SEED_LOW


@pytest.mark.parametrize("seed", [0, 1, 2**63 + 5])
def test_xxh64_of_every_length(seed: int) -> None:
    data = np.random.default_rng(1).integers(0, 256, 300, np.uint8).tobytes()
    values = [data[start : start + length] for start in (0, 3) for length in range(200)]
    hashes = hash_slices(view_bytes(pa.array(values, pa.binary())), seed)
    assert hashes.tolist() == [xxhash.xxh64_intdigest(value, seed) for value in values]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_hash128_of_values_slices_and_nulls(kind: pa.DataType) -> None:
    array = pa.array(["skipped", "text", None, "", "你好", "skipped"], kind).slice(1, 4)
    high, low = hash128(array)
    for x, value in enumerate(["text", None, "", "你好"]):
        raw = None if value is None else value.encode()
        expected = (0, 0) if raw is None else tuple(xxhash.xxh64_intdigest(raw, int(s)) for s in (SEED_HIGH, SEED_LOW))
        assert (int(high[x]), int(low[x])) == expected
    assert [len(half) for half in hash128(pa.array([], kind))] == [0, 0]


def test_xxh3_is_32_hex_digits() -> None:
    assert xxh3_128_hex(b"") == "99aa06d3014798d86001c324468d497f"  # of the specification's test vectors
