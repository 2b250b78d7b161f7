"""dedup.minhash: by hand, against plain Python over all pairs, and against earlier runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.minhash import band_keys, signatures
from datapipe.algo.near.candidates import EQUAL, NEIGHBOURS
from datapipe.algo.near.shingled import bands_of
from datapipe.stage import Scratch
from datapipe.text import shingles
from stages.dedup.minhash import STAGE, Config
from tests.stages.dedup.exchange import judged

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["w" + LETTERS[number // 26] + LETTERS[number % 26] for number in range(400)]  # digits would all become 0


def shard(texts: Sequence[str | None], name: str = "d", **columns: Sequence[Any]) -> pa.RecordBatch:
    ids = [f"{name}{number:03d}" for number in range(len(texts))]
    arrays: dict[str, Any] = {"text": pa.array(texts, pa.large_string()), "id": pa.array(ids, pa.string())}
    return pa.record_batch(arrays | {key: pa.array(values) for key, values in columns.items()})


def rows_of(config: Config, *shards: pa.RecordBatch, runs: Sequence[int] = (), cut: int = 100) -> list[dict[str, Any]]:
    found = []
    own = max(runs, default=0)
    batches = [batch for number, batch in enumerate(shards) if not runs or runs[number] == own]
    for batch, columns in zip(batches, judged(STAGE, config, shards, runs=runs, cut=cut), strict=True):
        assert STAGE.decide is not None
        reasons = STAGE.decide(columns, config).to_pylist()
        ids = batch["id"].to_pylist()
        found += [
            {"id": key, "reason": why, **row} for key, why, row in zip(ids, reasons, columns.to_pylist(), strict=True)
        ]
    return found


def changed(count: int, *, of: int = 200, start: int = 0) -> str:
    """Words of which `count` are others, spread so that no shingle holds two of them."""
    words = WORDS[start : start + of]
    for number in range(count):
        words[5 + 10 * number] = "x" + WORDS[number] + WORDS[start]
    return " ".join(words)


# ---------------------------------------------------------------------------------------------- by hand


def test_a_near_copy_leaves_and_names_who_stays_and_how_alike_they_are() -> None:
    texts = [changed(0), "something else entirely that nobody has ever written before", changed(2)]
    first, other, copy = rows_of(Config(), shard(texts))
    similarity = (196 - 10) / (196 + 10)  # of 196 shingles ten are lost, and ten are new
    assert copy["reason"] == "near_duplicate"
    assert (copy["survivor"], copy["cluster"], copy["linked_to"]) == ("d000",) * 3
    assert copy["similarity"] == copy["link_similarity"] == pytest.approx(similarity)
    assert (first["reason"], first["survivor"], first["cluster"], first["cluster_size"]) == (None, None, "d000", 2)
    assert first["linked_to"] == "d002"
    assert (other["reason"], other["cluster"], other["cluster_size"], other["linked_to"]) == (None, None, 1, None)


@pytest.mark.parametrize(("least", "linked"), [(0.9029, True), (186 / 206, True), (0.903, False), (None, True)])
def test_pairs_below_the_threshold_are_no_links(least: float | None, linked: bool) -> None:  # noqa: FBT001
    found = rows_of(Config(min_similarity=least), shard([changed(0), changed(2)]))
    assert found[1]["reason"] == ("near_duplicate" if linked else None)


def test_the_ends_of_a_chain_are_told_how_alike_they_are_and_may_stay() -> None:
    texts = [changed(0), changed(3), " ".join(["a b c", changed(3), "d e f"])]
    loose = rows_of(Config(min_similarity=0.8), shard(texts))
    assert [row["reason"] for row in loose] == [None, "near_duplicate", "near_duplicate"]
    last = loose[2]
    assert (last["survivor"], last["linked_to"]) == ("d000", "d001")
    assert last["similarity"] < 0.85 < last["link_similarity"]
    strict = rows_of(Config(min_similarity=0.8, min_similarity_to_survivor=0.85), shard(texts))
    assert [row["reason"] for row in strict] == [None, "near_duplicate", None]


@pytest.mark.parametrize(
    ("rule", "stays"),
    [("first", "d000"), ("longest", "d002"), ("newest", "d001"), ("oldest", "d002"), ("best:score", "d001")],
)
def test_the_declared_rule_says_who_stays(rule: str, stays: str) -> None:
    texts = [changed(1), changed(2), changed(0) + " " + "and a few more words"]
    times = ["2024-02-01", "2024-03-01", "2024-01-01"]
    batch = shard(texts, fetched=times, score=[0.1, 0.9, 0.5])
    found = rows_of(Config(survivor=rule), batch)
    assert [row["id"] for row in found if row["reason"] is None] == [stays]
    assert {row["cluster"] for row in found} == {stays}
    assert {row["cluster_size"] for row in found} == {3}


def test_documents_are_compared_within_their_scope_alone() -> None:
    texts = [changed(0), changed(1), changed(2), changed(1)]
    found = rows_of(Config(within=("source",)), shard(texts, source=["a", "b", "a", None]))
    assert [row["reason"] for row in found] == [None, None, "near_duplicate", None]


@pytest.mark.parametrize("text", [None, "", "  \n", "!!! ... ???"])
def test_documents_without_words_are_left_alone(text: str | None) -> None:
    assert [row["reason"] for row in rows_of(Config(), shard([text] * 5))] == [None] * 5


@pytest.mark.parametrize(
    ("texts", "left"),
    [
        (["one two", "One, two!", "one three", "two one"], 1),
        (["一二", "一二", "一三"], 1),
        (["word", "word", "word", "Word."], 3),
    ],
)
def test_documents_shorter_than_a_shingle_match_their_equals_alone(texts: list[str], left: int) -> None:
    found = rows_of(Config(), shard(texts))
    assert sum(row["reason"] is not None for row in found) == left


def test_chinese_is_compared_by_characters() -> None:
    text = "".join(chr(0x4E00 + 7 * number) for number in range(300))
    near = text[:150] + "好" + text[151:]
    found = rows_of(Config(), shard([text, near, text[::-1]]))
    assert [row["reason"] for row in found] == [None, "near_duplicate", None]
    assert found[1]["similarity"] == pytest.approx((296 - 5) / (296 + 5))


def test_words_beyond_the_limit_are_not_compared() -> None:
    texts = [changed(0) + " tail", changed(0) + " " + changed(0, start=200)]
    assert [row["reason"] for row in rows_of(Config(max_words=200), shard(texts))] == [None, "near_duplicate"]
    assert [row["reason"] for row in rows_of(Config(), shard(texts))] == [None, None]


def test_bands_follow_a_threshold() -> None:
    assert bands_of(Config()) == (14, 8)
    bands, rows = bands_of(Config(threshold=0.8))
    assert bands * rows <= 112
    assert (bands, rows) != (14, 8)


# ---------------------------------------------------------------------------------------------- against plain Python


def expected(texts: Sequence[str | None], config: Config) -> dict[int, tuple[int, float]]:
    """Who leaves, for whom, how alike: candidates by band, all pairs of them, components by walking."""
    found = shingles(pa.array(texts, pa.large_string()), config.shingle)
    bands, rows = bands_of(config)
    keys = band_keys(signatures(found, bands * rows, config.seed), bands, rows)
    sets = [set(found.hashes[found.bounds[n] : found.bounds[n + 1]].tolist()) for n in range(len(texts))]

    def alike(one: int, other: int) -> float:
        return len(sets[one] & sets[other]) / len(sets[one] | sets[other])

    group = list(range(len(texts)))
    for one, other in combinations(range(len(texts)), 2):
        if sets[one] and sets[other] and (keys[one] == keys[other]).any() and alike(one, other) >= 0.6:
            old, new = sorted((group[one], group[other]))
            group = [old if each == new else each for each in group]
    return {n: (group[n], alike(n, group[n])) for n in range(len(texts)) if group[n] != n}


LINES = st.lists(st.sampled_from("abcdef"), max_size=14).map(" ".join)


@settings(deadline=None, max_examples=100)
@given(st.lists(LINES, min_size=1, max_size=NEIGHBOURS + 1), st.integers(1, 3), st.integers(1, 20))
def test_clusters_are_those_of_all_pairs(texts: list[str], shards: int, cut: int) -> None:
    config = Config(shingle=2, bands=20, rows=2, min_similarity=0.6)
    size = -(-len(texts) // shards)
    batches = [shard(texts[start : start + size], f"{start:03d}-") for start in range(0, len(texts), size)]
    found = rows_of(config, *batches, cut=cut)
    numbers = {row["id"]: number for number, row in enumerate(found)}
    leave = {n: (numbers[row["survivor"]], row["similarity"]) for n, row in enumerate(found) if row["survivor"]}
    assert leave == {n: (who, pytest.approx(alike)) for n, (who, alike) in expected(texts, config).items()}


def test_a_bucket_of_many_makes_links_in_linear_number() -> None:
    texts = [changed(1, start=0) if number % 2 else changed(number % 14, of=150) for number in range(300)]
    found = rows_of(Config(min_similarity=None, bands=30, rows=1), shard(texts), cut=64)
    assert {row["cluster_size"] for row in found} == {300}
    assert [row["id"] for row in found if row["reason"] is None] == ["d000"]


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_equal_documents_are_linked_to_the_first_without_their_shingles(cut: int) -> None:
    asked = []
    batch = shard([changed(0)] * 300 + [changed(1)] + [changed(0)] * 300)
    keys = STAGE.rounds[0].emit
    assert keys is not None
    rows = pa.Table.from_batches([keys(batch, Config(), None)]).append_column(
        "shard", pa.array([0] * 601 * 14, pa.uint32())
    )
    ordered = rows.sort_by([(name, "ascending") for name in ("key", *STAGE.rounds[0].sort, "row")]).combine_chunks()
    stream = iter(ordered.to_batches(max_chunksize=cut))
    for part in STAGE.rounds[0].resolve(stream, Config(), Scratch(Path(), 1 << 20)):
        asked += part.to_pylist()
    pairs = [(row["row"], row["center"]) for row in asked if row["kind"] == EQUAL]
    assert sorted(pairs) == [(row, 0) for row in range(1, 601) if row != 300]  # as in a star, and each once
    others = {(row["row"], row["center"]) for row in asked if row["kind"] != EQUAL}
    assert others <= {(0, 0), (300, 0), (0, 300), (300, 300)}


@pytest.mark.parametrize("text", ["", "one two", changed(0)])
def test_many_equal_documents_leave_one(text: str) -> None:
    found = rows_of(Config(), shard([text] * 2000))
    leave = 1999 if text else 0
    assert sum(row["reason"] == "near_duplicate" for row in found) == leave
    assert {row["similarity"] for row in found[1:]} == ({1.0} if text else {None})
    assert {row["link_similarity"] for row in found[1:]} == ({1.0} if text else {None})


# ---------------------------------------------------------------------------------------------- earlier runs


def test_what_earlier_runs_have_leaves_and_bridges_are_told() -> None:
    config = Config(min_similarity=0.8, against=("earlier",), index=True)
    one, other = changed(0), changed(6)  # not linked: 0.74
    old = shard([one, other, "quite another text, of its own, that stays as it is"], "old")
    between = changed(3)
    new = shard([between, "a new text that is like nothing that stood in any run before"], "new")
    found = rows_of(config, old, new, runs=(0, 1))
    assert [row["reason"] for row in found] == ["near_duplicate", None]
    assert found[0]["survivor"] == "old000"
    assert found[0]["bridged"] == ["old001"]
    assert found[0]["cluster_size"] == 3
    alone = rows_of(Config(min_similarity=0.8), old)
    assert [row["reason"] for row in alone] == [None, None, None]


@settings(deadline=None, max_examples=60)
@given(st.lists(LINES, min_size=1, max_size=5), st.lists(LINES, min_size=1, max_size=4))
def test_in_turn_is_as_together_but_for_what_is_bridged(old: list[str], new: list[str]) -> None:
    options: dict[str, Any] = {"shingle": 2, "bands": 20, "rows": 2, "min_similarity": 0.6}
    first, second = shard(old, "a"), shard(new, "b")
    together = rows_of(Config(**options), first, second)
    before = rows_of(Config(**options), first)
    after = rows_of(Config(**options, against=("earlier",)), first, second, runs=(0, 1))
    stays = {row["id"] for row in [*before, *after] if row["reason"] is None}
    bridged = {key for row in after for key in row["bridged"] or ()}
    assert {row["id"] for row in together if row["reason"] is None} == stays - bridged
    assert bridged <= {row["id"] for row in before if row["reason"] is None}
    survivors = {row["id"]: row["survivor"] for row in together}
    assert {row["id"]: row["survivor"] for row in after} == {row["id"]: survivors[row["id"]] for row in after}
