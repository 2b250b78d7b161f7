"""Sorted files read together: in order, whatever the windows, the row groups and how often a key stands there."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
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


@given(st.lists(KEYS), st.integers(1, 10))
def test_buckets_are_counted_batch_by_batch_as_at_once(keys: list[int], size: int) -> None:
    sorted_keys = np.sort(np.array(keys, np.uint64))
    counts = BucketCounts()
    for start in range(0, len(sorted_keys), size):
        counts.add(sorted_keys[start : start + size])
    assert counts.offsets == bucket_offsets(sorted_keys)
