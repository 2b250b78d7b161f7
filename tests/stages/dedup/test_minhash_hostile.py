"""dedup.minhash on corpora that are meant to hurt: what must come out, in small, and how it is sent.

The shapes are those of tests/benchmarks/hostile.py, which measures them whole; limits are small here, so that clusters
go over many batches and wait on disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datapipe.algo.minhash import band_keys, jaccard_of_pairs, shingle_sets, signatures
from datapipe.algo.waiting import WaitingSets
from datapipe.stage import Scratch
from datapipe.text import shingles
from stages.dedup.minhash import STAGE, Config
from tests.benchmarks.hostile import MILLION, measure, texts_of
from tests.stages.dedup.exchange import judged

TIGHT = 1 << 12  # bytes that a round may use
GB = 10**9


def batch_of(texts: list[str], **columns: Any) -> pa.RecordBatch:
    ids = [f"d{number:05d}" for number in range(len(texts))]
    return pa.record_batch({"text": pa.array(texts, pa.large_string()), "id": ids, **columns})


def columns_of(config: Config, *shards: pa.RecordBatch, cut: int = 50, memory: int = TIGHT) -> list[dict[str, Any]]:
    found = judged(STAGE, config, shards, cut=cut, memory=memory)
    return [row for columns in found for row in columns.to_pylist()]


# ---------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("shape", "count", "options", "leave"),
    [
        ("copies", 2000, {}, 1999),
        ("empty", 2000, {}, 0),
        ("short", 3000, {}, 2000),  # 1,000 different ones
        ("permuted", 500, {"shingle": 1}, 499),
    ],
)
def test_of_each_shape_as_many_leave_as_there_are_copies(
    shape: str, count: int, options: dict[str, Any], leave: int
) -> None:
    found = columns_of(Config(**options), batch_of(list(texts_of(shape, count))))
    assert len(found) == count
    gone = [row for row in found if row["survivor"]]
    assert len(gone) == leave
    assert {row["similarity"] for row in gone} <= {1.0}


def test_the_center_of_a_hub_is_found_by_all_that_share_a_band_with_it() -> None:
    """None is near to another, so the cluster is what has a band of the center; here that is told by the keys alone."""
    texts = list(texts_of("hub", 600))
    center = 300
    found = shingles(pa.array(texts, pa.large_string()), 5)
    keys = band_keys(signatures(found, 112), 14, 8)
    sets = shingle_sets(found)
    every = np.arange(len(texts))
    alike = np.asarray(jaccard_of_pairs(sets, sets, (np.full_like(every, center), every)))
    assert alike[every != center] == pytest.approx(171 / 221)
    cluster = np.flatnonzero((keys == keys[center]).any(axis=1))
    assert 0.8 * len(texts) < len(cluster) < len(texts)
    rows = columns_of(Config(), batch_of(texts))
    assert [number for number, row in enumerate(rows) if row["cluster"]] == cluster.tolist()
    assert {row["cluster_size"] for row in rows if row["cluster"]} == {len(cluster)}
    linked = {row["linked_to"] for number, row in enumerate(rows) if row["cluster"] and number != center}
    assert linked == {f"d{center:05d}"}


@pytest.mark.parametrize("memory", [1, TIGHT, 1 << 28])
@pytest.mark.parametrize("cut", [1, 13, 10_000])
def test_how_alike_each_is_to_the_one_that_stays_is_told_whoever_that_is(cut: int, memory: int) -> None:
    """A chain of texts, several copies of each; a copy in the middle of the corpus stays, which carries no shingles."""
    words = [f"w{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(200)]
    texts, kinds = [], []
    for number in range(60):
        kind = number % 4
        kinds.append(kind)
        texts.append(" ".join("x" + word if at % 10 == 5 and at < 20 * kind else word for at, word in enumerate(words)))
    score = [float(number == 33) for number in range(60)]
    half = [batch_of(texts[:30], score=score[:30]), batch_of(texts[30:], score=score[30:])]
    half[1] = half[1].set_column(1, "id", pa.array([f"e{number:05d}" for number in range(30)]))
    rows = columns_of(Config(survivor="best:score", min_similarity=0.6), *half, cut=cut, memory=memory)
    assert {row["cluster_size"] for row in rows} == {60}
    assert [number for number, row in enumerate(rows) if row["survivor"] is None] == [33]

    def jaccard(one: int, other: int) -> float:
        runs = [{tuple(texts[n].split()[at : at + 5]) for at in range(196)} for n in (one, other)]
        return len(runs[0] & runs[1]) / len(runs[0] | runs[1])

    for number, row in enumerate(rows):
        assert row["survivor"] == (None if number == 33 else "e00003")
        assert row["similarity"] == (None if number == 33 else pytest.approx(jaccard(number, 33)))


def test_one_long_document_is_compared_by_its_beginning() -> None:
    texts = list(texts_of("huge", 3_000_000))
    rows = columns_of(Config(), batch_of(texts))
    assert [row["survivor"] for row in rows] == [None, None, "d00000"]
    assert rows[2]["similarity"] == 1.0


# ---------------------------------------------------------------------------------------------- what is sent


def test_the_shingles_of_equals_are_sent_once() -> None:
    """A row for each document in each round, and one set of shingles where the cluster is judged."""
    answered = _rows_of_rounds(batch_of(list(texts_of("copies", 1000))))
    links, members = answered
    assert len(links) == 1000
    assert links["shingles"].null_count == 999
    assert len(members) == 1000 + 2  # a header, and a set
    assert members["shingles"].null_count == 1001


def _rows_of_rounds(batch: pa.RecordBatch) -> list[pa.Table]:
    """What documents answer in the second and in the fourth round."""
    kept: list[pa.Table] = []
    config = Config()
    assert STAGE.measure is not None
    measured = STAGE.measure(batch, config, None)
    every = pa.array(np.arange(len(batch), dtype=np.uint32))
    measured = pa.RecordBatch.from_arrays([every, *measured.columns], names=["row", *measured.schema.names])
    emit = STAGE.rounds[0].emit
    assert emit is not None
    rows = pa.Table.from_batches([emit(batch, config, None)])
    for number, one in enumerate(STAGE.rounds):
        if one.answer is not None:
            asked = rows.sort_by("row").combine_chunks().to_batches()[0]
            rows = pa.Table.from_batches([one.answer(measured, asked, config)])
            kept.append(rows)
        for name in ("shard", "run"):
            if name not in rows.column_names:
                rows = rows.append_column(name, pa.array(np.zeros(len(rows), np.uint32)))
        names = ("key", *one.sort, "shard", "row")
        rows = rows.sort_by([(name, "ascending") for name in dict.fromkeys(names)]).combine_chunks()
        scratch = Scratch(Path(f"unused-{number}"), 1 << 26)
        made = [part for part in one.resolve(iter(rows.to_batches()), config, scratch) if part.num_rows]
        rows = pa.Table.from_batches(made)
    return kept


@pytest.mark.parametrize("memory", [1, 1 << 20])
def test_sets_that_wait_are_compared_as_those_in_memory(tmp_path: Path, memory: int) -> None:
    random = np.random.default_rng(3)
    lists = [np.unique(random.integers(0, 60, 40)).astype(np.uint32).tolist() for _ in range(90)]
    sets = pa.array(lists, pa.large_list(pa.uint32()))
    nodes = random.permutation(10**6)[:90].astype(np.uint64)
    waiting = WaitingSets(Scratch(tmp_path / "room", memory), jaccard_of_pairs)
    for start in range(0, 90, 20):
        waiting.add(nodes[start : start + 20], sets.slice(start, 20))
    assert (tmp_path / "room").exists() == (memory == 1)
    found = waiting.similarity(nodes[[5, 70, 33, 33]], int(nodes[33]))
    expected = [len({*lists[n]} & {*lists[33]}) / len({*lists[n]} | {*lists[33]}) for n in (5, 70, 33, 33)]
    assert found.to_pylist() == pytest.approx(expected)
    assert waiting.similarity(nodes[[6]], int(nodes[33])).to_pylist() != found.to_pylist()[:1]
    assert not list(tmp_path.rglob("*.arrow"))


# ---------------------------------------------------------------------------------------------- in whole


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("shape", "count", "least", "most"),
    [
        ("copies", MILLION, MILLION - 1, MILLION - 1),
        ("hub", 100_000, 84_000, 87_500),  # 1 - (1 - s^8)^14 = .855 at s = 171 / 221
        ("empty", MILLION, 0, 0),
        ("short", MILLION, MILLION - 1000, MILLION - 1000),
        ("permuted", MILLION, MILLION - 1, MILLION - 1),
        ("huge", GB, 1, 1),
    ],
)
def test_a_run_over_each_shape_ends_with_its_answer_in_bounded_memory(
    tmp_path: Path, shape: str, count: int, least: int, most: int
) -> None:
    gone, cost = measure(tmp_path, shape, count)
    print(f"{shape}: {cost.seconds:.0f} s, {cost.cpu:.0f} CPU s, {cost.largest / 1e6:.0f} MB")  # noqa: T201
    assert least <= gone <= most
    assert cost.largest < {"hub": 1.5 * GB, "huge": 7 * GB}.get(shape, GB)  # two documents of 1 GB each, read as JSON
