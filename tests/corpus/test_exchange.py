"""Sorted files read together: in order, whatever the windows, the row groups and how often a key stands there."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.corpus import exchange
from datapipe.corpus.exchange import BucketCounts, Sorted, bucket_offsets, in_order
from datapipe.corpus.store import Store
from datapipe.engine.part import PartWriter

KEYS = st.integers(0, 5) | st.integers(0, 2**64 - 1)
FILES = st.lists(st.lists(KEYS, min_size=1, max_size=30), min_size=1, max_size=6)


def written(folder: str, shard: int, keys: list[int]) -> Sorted:
    store = Store(folder)
    table = pa.table({"row": pa.array(range(len(keys)), pa.uint32()), "key": pa.array(sorted(keys), pa.uint64())})
    writer = PartWriter(store, f"{shard}.parquet", table.schema, sliced=True)
    for batch in table.to_batches():
        writer.write(batch)
    return Sorted(store, writer.commit(), (0, len(keys)), {"shard": shard, "run": 0})


@given(FILES, st.integers(1, 40), st.integers(1, 7))
def test_rows_of_all_files_come_in_order_and_each_once(files: list[list[int]], window: int, group: int) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(exchange, "WINDOW_ROWS", window)
        patch.setattr("datapipe.corpus.layer.SLICED_ROWS", group)
        inputs = [written(folder, shard, keys) for shard, keys in enumerate(files)]
        batches = list(in_order(inputs, ["key", "shard", "row"], 1 << 30))
    found = [(row["key"], row["shard"], row["row"]) for batch in batches for row in batch.to_pylist()]
    expected = sorted((key, shard, row) for shard, keys in enumerate(files) for row, key in enumerate(sorted(keys)))
    assert found == expected


def test_a_window_is_bounded_by_memory_too(tmp_path: Path) -> None:
    inputs = [written(str(tmp_path), shard, list(range(1000))) for shard in range(4)]
    batches = list(in_order(inputs, ["key", "shard", "row"], 1 << 14))
    assert max(len(batch) for batch in batches) < 200
    assert sum(len(batch) for batch in batches) == 4000


SIZES = st.lists(st.integers(0, 3000), min_size=1, max_size=60)  # bytes of a row besides its key


@settings(deadline=None, max_examples=40)
@given(st.lists(SIZES, min_size=1, max_size=4), st.integers(10, 15), st.booleans())
def test_batches_hold_no_more_bytes_than_given_or_one_row_of_each_file(
    files: list[list[int]],
    bits: int,
    one_key: bool,  # noqa: FBT001 - drawn
) -> None:
    """Row groups of 2 KB here: sizes are told by these, so that a batch may be larger by as much as one is uneven."""
    memory = 1 << bits
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr("datapipe.corpus.layer.SLICED_BYTES", 2048)
        inputs = [heavy(folder, shard, sizes, one_key=one_key) for shard, sizes in enumerate(files)]
        batches = list(in_order(inputs, ["key", "shard", "row"], memory))
    found = [(row["key"], row["shard"], row["row"], len(row["load"])) for batch in batches for row in batch.to_pylist()]
    expected = [
        (0 if one_key else row, shard, row, size) for shard, sizes in enumerate(files) for row, size in enumerate(sizes)
    ]
    assert found == sorted(expected)
    largest = max(2048, *(size + 50 for sizes in files for size in sizes))
    assert max(map(loads, batches)) <= memory // 8 + 2 * largest * len(files)


def heavy(folder: str, shard: int, sizes: list[int], *, one_key: bool) -> Sorted:
    """Rows of so many bytes, all of one key or each of its own."""
    store = Store(folder)
    numbers = range(len(sizes))
    keys = [0] * len(sizes) if one_key else list(numbers)
    heavy_bytes = [bytes([number % 251]) * size for number, size in zip(numbers, sizes, strict=True)]
    columns: dict[str, pa.Array[Any]] = {
        "row": pa.array(numbers, pa.uint32()),
        "key": pa.array(keys, pa.uint64()),
        "load": pa.array(heavy_bytes),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    writer = PartWriter(store, f"{shard}.parquet", batch.schema, sliced=True)
    writer.write(batch)
    return Sorted(store, writer.commit(), (0, len(sizes)), {"shard": shard, "run": 0})


def loads(batch: pa.RecordBatch) -> int:
    found: list[Any] = batch["load"].to_pylist()
    return sum(len(load) + 28 for load in found)


@given(st.lists(KEYS), st.integers(1, 10))
def test_buckets_are_counted_batch_by_batch_as_at_once(keys: list[int], size: int) -> None:
    sorted_keys = np.sort(np.array(keys, np.uint64))
    counts = BucketCounts()
    for start in range(0, len(sorted_keys), size):
        counts.add(sorted_keys[start : start + size])
    assert counts.offsets == bucket_offsets(sorted_keys)
