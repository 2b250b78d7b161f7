"""Tallies, ids, shard names, exchange files and leases."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.corpus import lease
from datapipe.corpus.exchange import BUCKETS, bucket_offsets, merged, ranges
from datapipe.corpus.ids import Tally, document_ids, hash_ids, shard_name, tally
from datapipe.corpus.store import Store
from datapipe.errors import LeaseHeld
from datapipe.stage import columns

_ids = st.lists(st.text(st.characters(codec="utf-8"), max_size=4), max_size=8)


def _tally(ids: list[str]) -> Tally:
    return tally(hash_ids(pa.array(ids, pa.string())))


# ---------------------------------------------------------------------------------------------- tallies and ids


@given(_ids, _ids, _ids)
def test_tallies_add_up_in_any_order(one: list[str], two: list[str], three: list[str]) -> None:
    whole = _tally([*one, *two, *three])
    assert _tally(three) + _tally(one) + _tally(two) == whole
    assert whole - _tally(two) == _tally([*one, *three])
    assert sum([_tally(one), _tally(two)], Tally()) == _tally([*two, *one])
    assert whole.documents == len(one) + len(two) + len(three)


@given(_ids, _ids)
def test_equal_tallies_mean_equal_documents(one: list[str], two: list[str]) -> None:
    assert (_tally(one) == _tally(two)) == (sorted(one) == sorted(two))


def test_an_id_rests_on_source_file_place_and_payload_alone() -> None:
    def made(source: str = "s", file: str = "f", record: int = 0, digest: bytes = b"x" * 16) -> str:
        batch = columns(
            file=pa.array([file]), record=pa.array([record], pa.int64()), digest=pa.array([digest], pa.binary(16))
        )
        return document_ids(source, batch)[0].as_py()

    others = [made("t"), made(file="g"), made(record=1), made(digest=b"y" * 16)]
    assert len({made(), *others}) == 5
    assert made() == made()
    assert len(made()) == 32
    own = pa.RecordBatch.from_pydict({"id": ["mine"], "file": ["f"]})
    assert document_ids("s", own).to_pylist() == ["mine"]


def test_shard_names_differ_by_source_split_and_number() -> None:
    assert len({shard_name(s, f, n) for s in "ab" for f in "ab" for n in (0, 1)}) == 8
    assert shard_name("a", "b", 12).endswith("-0012")


# ---------------------------------------------------------------------------------------------- exchange

_keys = st.integers(0, 2**64 - 1) | st.integers(0, 3)


@given(st.lists(st.lists(_keys, max_size=20), max_size=4), st.integers(1, 7))
def test_a_merge_is_a_sort(inputs: list[list[int]], size: int) -> None:
    streams = []
    for shard, keys in enumerate(inputs):
        rows = sorted((key, shard, row) for row, key in enumerate(keys))
        table = pa.table({
            "key": pa.array([r[0] for r in rows], pa.uint64()),
            "shard": pa.array([r[1] for r in rows], pa.uint32()),
            "row": pa.array([r[2] for r in rows], pa.uint32()),
        })  # fmt: skip
        streams.append(iter(table.to_batches(max_chunksize=size)))
    out = [tuple(r.values()) for batch in merged(streams, ["key", "shard", "row"]) for r in batch.to_pylist()]
    assert out == sorted((key, shard, row) for shard, keys in enumerate(inputs) for row, key in enumerate(keys))


@given(st.lists(_keys | st.integers(2**52 - 2, 2**52 + 2), max_size=30))
def test_buckets_are_the_top_twelve_bits(keys: list[int]) -> None:
    ordered = np.array(sorted(keys), np.uint64)
    offsets = bucket_offsets(ordered)
    assert len(offsets) == BUCKETS + 1
    for key in keys:
        bucket = key >> 52
        assert key in ordered[offsets[bucket] : offsets[bucket + 1]].tolist()
    assert [offsets[0], offsets[-1]] == [0, len(keys)]


@given(st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 50), max_size=20), st.integers(1, 60))
def test_ranges_cover_every_bucket_once_and_stay_small(filled: dict[int, int], most: int) -> None:
    totals = np.zeros(BUCKETS, np.int64)
    for bucket, rows in filled.items():
        totals[bucket] = rows
    cuts = ranges(totals, most)
    assert [bucket for cut in cuts for bucket in range(cut.first, cut.last)] == list(range(BUCKETS))
    for cut in cuts:
        assert totals[cut.first : cut.last].sum() <= most or np.count_nonzero(totals[cut.first : cut.last]) == 1
    assert [cut.name for cut in cuts] == sorted(cut.name for cut in cuts)


# ---------------------------------------------------------------------------------------------- leases


def _write_lease(folder: Path, **other: object) -> None:
    (folder / "s").mkdir(exist_ok=True)
    mine = {"host": "elsewhere", "process": 1, "started": 0.0, "token": "t", "renewed": time.time()}
    (folder / "s/lease.json").write_text(json.dumps(mine | other))


def test_a_lease_refuses_others_and_goes_with_its_block(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with lease.held(store, "s"):
        here = f"process {os.getpid()} on {socket.gethostname()}"
        assert lease.holder(store, "s") == here
        with pytest.raises(LeaseHeld, match=here), lease.held(store, "s"):
            pass
        with lease.held(store, "other"):
            pass
    assert lease.holder(store, "s") is None
    assert not store.exists("s/lease.json")


def test_a_lease_goes_when_its_block_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), lease.held(Store(str(tmp_path)), "s"):
        raise KeyboardInterrupt
    assert lease.holder(Store(str(tmp_path)), "s") is None


def test_a_holder_elsewhere_is_believed_until_it_falls_silent(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    _write_lease(tmp_path)
    with pytest.raises(LeaseHeld, match="process 1 on elsewhere; wait for it, or stop it"), lease.held(store, "s"):
        pass
    _write_lease(tmp_path, renewed=time.time() - lease.SILENT_SECONDS - 1)
    with lease.held(store, "s"):
        assert "elsewhere" not in str(lease.holder(store, "s"))


def test_a_process_of_the_same_number_is_not_the_holder(tmp_path: Path) -> None:
    _write_lease(tmp_path, host=socket.gethostname(), process=os.getpid(), started=1.0)
    with lease.held(Store(str(tmp_path)), "s"):
        pass


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null"])
def test_a_damaged_lease_holds_nobody_up(tmp_path: Path, text: str) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s/lease.json").write_text(text)
    with lease.held(Store(str(tmp_path)), "s"):
        pass


def test_a_lease_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.02)
    store = Store(str(tmp_path))
    with lease.held(store, "s"):
        first = json.loads(store.read("s/lease.json"))["renewed"]
        time.sleep(0.2)
        assert json.loads(store.read("s/lease.json"))["renewed"] > first
