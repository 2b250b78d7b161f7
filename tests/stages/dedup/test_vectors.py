"""dedup.vectors: by hand, against all pairs in float64, and against earlier runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.errors import InputError
from datapipe.stage import Scratch
from stages.dedup.vectors import STAGE, Config, _links
from tests.stages.dedup.exchange import ROOMY, judged

KIND = pa.large_list(pa.float32())


def shard(vectors: Any, name: str = "d", kind: Any = KIND, **columns: Any) -> pa.RecordBatch:
    ids = [f"{name}{number:05d}" for number in range(len(vectors))]
    arrays: dict[str, Any] = {"embedding": pa.array(list(vectors), kind), "id": pa.array(ids, pa.string())}
    return pa.record_batch(arrays | {key: pa.array(values) for key, values in columns.items()})


def rows_of(config: Config, *shards: pa.RecordBatch, runs: Sequence[int] = (), **how: Any) -> list[dict[str, Any]]:
    found = []
    own = max(runs, default=0)
    batches = [batch for number, batch in enumerate(shards) if not runs or runs[number] == own]
    for batch, columns in zip(batches, judged(STAGE, config, shards, runs=runs, **how), strict=True):
        assert STAGE.decide is not None
        reasons = STAGE.decide(columns, config).to_pylist()
        ids = batch["id"].to_pylist()
        found += [
            {"id": key, "reason": why, **row} for key, why, row in zip(ids, reasons, columns.to_pylist(), strict=True)
        ]
    return found


def turned(*degrees: float) -> list[list[float]]:
    """Vectors of two numbers at some angles, of different lengths."""
    return [
        [(1 + n) * np.cos(np.radians(angle)), (1 + n) * np.sin(np.radians(angle))] for n, angle in enumerate(degrees)
    ]


def bundles(count: int, size: int, seed: int, spread: float = 0.35) -> Any:
    """float32 vectors around a fifth as many others, some close and some not."""
    draw = np.random.default_rng(seed)
    middles = draw.standard_normal((count // 5, size))
    middles /= np.linalg.norm(middles, axis=1)[:, None]
    noise = draw.standard_normal((count, size)) * spread * draw.uniform(0.3, 1.8, count)[:, None] / np.sqrt(size)
    return (middles[draw.integers(0, count // 5, count)] + noise).astype(np.float32)


def similarities(vectors: Any) -> Any:
    """All cosines, float64."""
    wide = np.asarray(vectors, np.float64)
    wide = wide / np.linalg.norm(wide, axis=1)[:, None]
    return wide @ wide.T


def clusters_of(linked: Any) -> list[int]:
    """The first of those that chains of links hold together with each, of a square of links."""
    first = list(range(len(linked)))
    for one, other in zip(*np.nonzero(np.triu(linked, 1)), strict=True):
        old, new = sorted((first[one], first[other]))
        if old != new:
            first = [old if each == new else each for each in first]
    return first


# ---------------------------------------------------------------------------------------------- by hand


def test_a_near_copy_leaves_and_names_who_stays_and_how_alike_they_are() -> None:
    first, other, copy = rows_of(Config(), shard(turned(0, 90, 10)))
    assert copy["similarity"] == pytest.approx(np.cos(np.radians(10)), abs=1e-7)
    assert copy["link_similarity"] == copy["similarity"]
    assert (copy["reason"], copy["survivor"], copy["linked_to"]) == ("near_duplicate", "d00000", "d00000")
    assert (first["reason"], first["survivor"], first["linked_to"]) == (None, None, "d00002")
    assert (first["cluster"], first["cluster_size"], copy["cluster_size"]) == ("d00000", 2, 2)
    assert (other["cluster"], other["cluster_size"], other["judged"]) == (None, 1, True)


@pytest.mark.parametrize(("degrees", "linked"), [(18.1, True), (18.3, False)])  # the cosine of 18.19 degrees is .95
def test_pairs_below_the_threshold_are_no_links(degrees: float, *, linked: bool) -> None:
    found = rows_of(Config(), shard(turned(30, 30 + degrees)))
    assert [row["reason"] is not None for row in found] == [False, linked]


def test_chains_hold_together_what_is_not_alike_and_the_distance_to_the_survivor_is_told() -> None:
    found = rows_of(Config(), shard(turned(0, 15, 30, 45)))
    assert [row["survivor"] for row in found] == [None, "d00000", "d00000", "d00000"]
    told = [row["similarity"] for row in found[1:]]
    assert told == pytest.approx([np.cos(np.radians(angle)) for angle in (15, 30, 45)], abs=1e-6)
    close = rows_of(Config(min_similarity_to_survivor=0.8), shard(turned(0, 15, 30, 45)))
    assert [row["reason"] is None for row in close] == [True, False, False, True]


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.list_(pa.float16()), pa.list_(pa.float32(), 2)], ids=str)
def test_lists_of_other_numbers_are_compared_alike(kind: Any) -> None:
    vectors: list[Any] = [*turned(0, 10, 100)]
    if kind == pa.list_(pa.float16()):
        vectors = [np.array(vector, np.float16) for vector in vectors]
    found = rows_of(Config(), shard(vectors, kind=kind))
    assert [row["survivor"] for row in found] == [None, "d00000", None]


UNSOUND = [None, [], [0.0, 0.0], [np.nan, 1.0], [np.inf, 0.0], [1.0, None]]


def test_documents_without_a_sound_vector_are_not_judged_and_stay() -> None:
    found = rows_of(Config(), shard([*UNSOUND, *turned(0, 5), *UNSOUND]))
    assert [row["judged"] for row in found] == [False] * 6 + [True] * 2 + [False] * 6
    assert [row["survivor"] for row in found] == [None] * 7 + ["d00006"] + [None] * 6
    assert all(row["cluster_size"] == 1 for row in (*found[:6], *found[8:]))


def test_vectors_of_another_size_are_compared_with_each_other_only() -> None:
    vectors = [[1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.01], [1.0, 0.0, 0.01], [1.0, 0.0], [1.0]]
    found = rows_of(Config(), shard(vectors))
    assert [row["survivor"] for row in found] == [None, None, "d00000", "d00001", "d00000", None]


def test_a_column_of_something_else_ends_in_one_line() -> None:
    with pytest.raises(InputError, match="column 'embedding' holds string, not lists of numbers"):
        rows_of(Config(), shard(["a", "b"], kind=pa.string()))


@pytest.mark.parametrize("vectors", [[], [None], [None, None], [[1.0, 2.0]]])
def test_little_or_nothing_to_compare(vectors: list[Any]) -> None:
    assert [row["reason"] for row in rows_of(Config(), shard(vectors))] == [None] * len(vectors)


@pytest.mark.parametrize(
    ("rule", "stays"), [("first", "d00000"), ("longest", "d00001"), ("newest", "d00002"), ("best:score", "d00003")]
)
def test_the_declared_rule_says_who_stays(rule: str, stays: str) -> None:
    columns: dict[str, Any] = {
        "text": ["a", "longest", "b", "c"],
        "fetched": ["2026-01-01", "2026-01-02", "2026-02-01", None],
        "score": [1.0, 2.0, None, 3.0],
    }
    found = rows_of(Config(survivor=rule), shard(turned(0, 1, 2, 3), **columns))
    assert [row["id"] for row in found if row["survivor"] is None] == [stays]


def test_documents_of_different_scopes_are_not_compared() -> None:
    batch = shard(turned(0, 0, 1, 1), source=["a", "b", "b", "a"])
    found = rows_of(Config(within=("source",), nearest=1), batch)
    assert [row["survivor"] for row in found] == [None, None, "d00001", "d00000"]


# ---------------------------------------------------------------------------------------------- against all pairs


@pytest.mark.parametrize("seed", [1, 2])
def test_in_one_block_clusters_and_links_are_those_of_all_pairs(seed: int) -> None:
    vectors = bundles(2500, 48, seed)
    alike = similarities(vectors)
    np.fill_diagonal(alike, -1)
    linked = alike >= 0.95
    expected = clusters_of(linked)
    assert 300 < sum(first != number for number, first in enumerate(expected)) < 2000
    found = rows_of(Config(blocks=1), shard(vectors), cut=333)
    assert [int((row["survivor"] or row["id"])[1:]) for row in found] == expected
    for number, row in enumerate(found):
        if row["survivor"] is not None:
            assert row["similarity"] == pytest.approx(alike[number, expected[number]], abs=1e-6)
        assert (row["linked_to"] is None) == (not linked[number].any())
        if row["linked_to"] is not None:  # the nearest, as rounded vectors tell
            other = int(row["linked_to"][1:])
            assert row["link_similarity"] == pytest.approx(alike[number, other], abs=1e-6)
            assert row["link_similarity"] >= max(0.95, alike[number].max() - 2e-3)


@cache
def many() -> tuple[Any, Any]:
    """Vectors, and the first of the cluster of each as all pairs make it."""
    vectors = bundles(6000, 64, 3)
    return vectors, np.array(clusters_of(similarities(vectors) >= 0.95))


@pytest.mark.parametrize(("nearest", "recall"), [(1, 0.96), (2, 0.997), (3, 0.999)])
def test_of_linked_pairs_few_are_lost_at_the_borders_of_blocks(nearest: int, recall: float) -> None:
    """Measured: .979, .999 and 1.0 of the pairs that are in one cluster; none is there that all pairs would not put."""
    vectors, expected = many()
    found = rows_of(Config(blocks=40, nearest=nearest), shard(vectors), cut=1000)
    first = np.array([int((row["cluster"] or row["id"])[1:]) for row in found])
    together = [tuple(np.flatnonzero(expected == cluster)) for cluster in np.unique(expected)]
    pairs = [(one, other) for group in together for n, one in enumerate(group) for other in group[n + 1 :]]
    kept = sum(first[one] == first[other] for one, other in pairs) / len(pairs)
    assert kept >= recall
    assert (expected[first] == expected).all()


NUMBERS = st.lists(st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]), min_size=3, max_size=3)


@settings(deadline=None, max_examples=100)
@given(st.lists(NUMBERS, min_size=1, max_size=24), st.integers(1, 3), st.integers(1, 20), st.integers(0, 1))
def test_clusters_are_those_of_all_pairs(vectors: list[list[float]], shards: int, cut: int, tight: int) -> None:
    size = -(-len(vectors) // shards)
    batches = [shard(vectors[start : start + size], f"{start:03d}-") for start in range(0, len(vectors), size)]
    found = rows_of(Config(blocks=1, min_similarity=0.9), *batches, cut=cut, memory=4096 if tight else ROOMY)
    sound = np.flatnonzero([any(vector) for vector in vectors])
    linked = np.zeros((len(vectors), len(vectors)), np.bool_)
    if len(sound):
        linked[np.ix_(sound, sound)] = similarities([vectors[number] for number in sound]) >= 0.9 - 1e-12
    numbers = {row["id"]: number for number, row in enumerate(found)}
    assert [numbers[row["survivor"] or row["id"]] for row in found] == clusters_of(linked)
    assert [row["judged"] for row in found] == [number in sound for number in range(len(vectors))]


def test_neither_shards_nor_cuts_nor_memory_make_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = bundles(1200, 24, 5)
    config = Config(blocks=6, survivor="best:score")
    scores = np.random.default_rng(0).permutation(1200).astype(float)
    whole = rows_of(config, shard(vectors, score=scores))
    parts = [slice(0, 500), slice(500, 510), slice(510, 1200)]
    batches = [shard(vectors[part], score=scores[part]) for part in parts]
    ids = [pa.array([row["id"] for row in whole[part]]) for part in parts]
    renamed = [batch.set_column(1, "id", these) for batch, these in zip(batches, ids, strict=True)]
    assert rows_of(config, *renamed, cut=37) == whole
    assert rows_of(config, *renamed, memory=1 << 16, cut=37) == whole  # numbers in scratch
    monkeypatch.setattr(_links, "TILE", 64)
    assert rows_of(config, *renamed, cut=37) == whole


# ---------------------------------------------------------------------------------------------- many alike


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.full)])
def test_equal_vectors_are_a_star(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    monkeypatch.setattr(_links, "_compared", lambda matrix, *_: compared.append(len(matrix)))
    found = rows_of(Config(), shard(np.ones((count, 4), np.float32)), cut=5000)
    assert sum(row["reason"] == "near_duplicate" for row in found) == count - 1
    assert {row["similarity"] for row in found[1:]} == {1.0}
    assert {row["linked_to"] for row in found[1:]} == {"d00000"}
    assert compared == []  # one vector stands for all


def told(vectors: Any, config: Config, memory: int = ROOMY) -> list[dict[str, Any]]:
    """The links of one block whose vectors come in this order."""
    count = len(vectors)
    columns = {
        "run": pa.array(np.zeros(count, np.uint32)),
        "shard": pa.array(np.zeros(count, np.uint32)),
        "row": pa.array(np.arange(count, dtype=np.uint32)),
        "key": pa.array(np.zeros(count, np.uint64)),
        "vector": pa.array(list(vectors), KIND),
        "id": pa.array([str(number) for number in range(count)]),
    }
    stream = pa.record_batch(columns)
    parts = [stream.slice(start, 500) for start in range(0, count, 500)]
    links = _links.resolve(iter(parts), config, Scratch(Path("nowhere"), memory))
    return [row for batch in links for row in batch.to_pylist()]


@pytest.mark.parametrize("spread", [1e-2, 1e-7])
def test_of_many_that_are_all_alike_links_are_linear_in_number_and_hold_all_together(spread: float) -> None:
    draw = np.random.default_rng(1)
    vectors = np.ones((3000, 16), np.float32) + (spread * draw.standard_normal((3000, 16))).astype(np.float32)
    links = told(vectors, Config(max_block=256))
    assert len(links) <= 2 * 3000
    assert Counter(row["row"] for row in links).keys() == set(range(3000))
    linked = np.zeros((3000, 3000), np.bool_)
    for row in links:
        linked[min(row["row"], row["other"]), max(row["row"], row["other"])] = True
    assert set(clusters_of(linked)) == {0}


def test_a_block_is_cut_and_compared_in_parts_so_that_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs: list[int] = []
    link = _links._link

    def counting(products: Any, *rest: Any) -> None:
        pairs.append(products[0].size)
        link(products, *rest)

    monkeypatch.setattr(_links, "_link", counting)
    vectors = bundles(4000, 24, 2)
    links = told(vectors, Config(max_block=256))
    assert sum(pairs) <= 4000 * 2 * 257 * 4  # of a vector: its parts, at two levels; all pairs are 8 million
    alike = similarities(vectors)
    assert all(alike[row["row"], row["other"]] >= 0.95 - 1e-6 for row in links if row["distance"] < 1)
    np.fill_diagonal(alike, -1)
    met = {row["row"] for row in links}
    assert len(met) >= 0.98 * len(np.flatnonzero((alike >= 0.95).any(axis=1)))


def test_a_block_that_memory_does_not_hold_is_compared_part_by_part() -> None:
    """Each part has the first vector of the block, so that what is all alike stays together."""
    draw = np.random.default_rng(1)
    vectors = np.ones((9000, 4), np.float32) + (1e-3 * draw.standard_normal((9000, 4))).astype(np.float32)
    links = told(vectors, Config(), memory=1)
    assert {row["row"] for row in links} == set(range(9000))
    first = list(range(9000))

    def root(number: int) -> int:
        while first[number] != number:
            number = first[number]
        return number

    for row in links:
        one, other = sorted((root(row["row"]), root(row["other"])))
        first[other] = one
    assert {root(number) for number in range(9000)} == {0}


# ---------------------------------------------------------------------------------------------- earlier runs


def test_documents_of_earlier_runs_stay_and_are_named() -> None:
    old, new = shard(turned(0, 90), "old"), shard(turned(40, 5, 85), "new")
    found = rows_of(Config(against=("old",), survivor="best:score"), *scored(old, new), runs=[0, 1])
    assert [row["survivor"] for row in found] == [None, "old00000", "old00001"]


def scored(*batches: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The later ones with the better scores."""
    return [
        batch.append_column("score", pa.array([float(number)] * batch.num_rows)) for number, batch in enumerate(batches)
    ]


def test_old_documents_that_a_new_one_joins_are_told_as_bridged() -> None:
    old, new = shard(turned(0, 24, 25, 90), "old"), shard(turned(12, 91), "new")
    found = rows_of(Config(against=("old",)), old, new, runs=[0, 1])
    assert [row["survivor"] for row in found] == ["old00000", "old00003"]
    assert [row["bridged"] for row in found] == [["old00001"], None]
    assert found[0]["cluster_size"] == 4
