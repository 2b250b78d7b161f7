"""split.parts: no near copy in another part, shares as asked for, and earlier assignments that stay."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datapipe.algo.minhash import jaccard_of_pairs, shingle_sets
from datapipe.text import shingles
from stages.split.parts import STAGE, Config
from tests.stages.chat.test_dedup import planted
from tests.stages.dedup.exchange import judged
from tests.stages.talks import talk, talks

HALVES = {"train": 1.0, "test": 1.0}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def words(seed: int, count: int = 20) -> str:
    draw = random.Random(seed)
    return " ".join("".join(draw.choices(LETTERS, k=6)) for _ in range(count))


def changed(text: str, at: int, word: str = "otherword") -> str:
    """The text with another word: of 18 shingles three are others, so 15 of 21 are shared."""
    said = text.split()
    said[at] = word
    return " ".join(said)


def shard(texts: Sequence[str | None], ids: Sequence[str]) -> pa.RecordBatch:
    return talks([None if text is None else talk(text, "yes") for text in texts], {"id": ids})


def parted(config: Config, *shards: pa.RecordBatch, cut: int = 100) -> dict[str, dict[str, Any]]:
    return _by_id(shards, judged(STAGE, config, shards, cut=cut), config)


def parted_again(config: Config, old: pa.RecordBatch, new: pa.RecordBatch, cut: int = 100) -> dict[str, dict[str, Any]]:
    """What the documents of a run get after those of an earlier one."""
    (first,) = judged(STAGE, config, [old])
    config = config.model_copy(update={"against": ("earlier",)})
    return _by_id([new], judged(STAGE, config, [old, new], runs=(0, 1), cut=cut, given=[first]), config)


def _by_id(shards: Sequence[pa.RecordBatch], found: Sequence[pa.RecordBatch], config: Config) -> dict[str, Any]:
    assert STAGE.decide is not None
    told: dict[str, Any] = {}
    for documents, columns in zip(shards, found, strict=True):
        reasons = STAGE.decide(columns, config).to_pylist()
        ids: Any = documents["id"].to_pylist()
        for key, reason, row in zip(ids, reasons, columns.to_pylist(), strict=True):
            told[key] = {"reason": reason, **row}
    return told


def id_in(part: str, number: int, config: Config) -> str:
    """The nth id that is in a part by itself."""
    names = [f"{part}-{at}" for at in range(40 * (number + 1))]
    found = parted(config, shard([None] * len(names), names))
    return [name for name in names if found[name]["split"] == part][number]


# ---------------------------------------------------------------------------------------------- one run


def test_near_prompts_are_one_cluster_in_one_part_named_after_the_least_id() -> None:
    text = words(1)
    found = parted(
        Config(parts=HALVES), shard([changed(text, 3), words(2), text, changed(text, 9)], ["d", "a", "b", "c"])
    )
    assert {key: row["cluster"] for key, row in found.items()} == {"a": "a", "b": "b", "c": "b", "d": "b"}
    alone = parted(Config(parts=HALVES), shard([None], ["b"]))
    assert {found[key]["split"] for key in "bcd"} == {alone["b"]["split"]}
    assert all(row["reason"] is None and row["sides"] is None for row in found.values())


def test_documents_without_messages_are_parted_by_their_texts() -> None:
    text = words(1)
    batch = talks([None] * 3, {"text": [text, changed(text, 3), None]})
    found = parted(Config(parts=HALVES), batch)
    assert [row["cluster"] for row in found.values()] == ["d000", "d000", "d002"]


def test_prompts_of_one_template_with_other_numbers_are_not_parted_unless_asked() -> None:
    given = shard([f"how many apples are {at} and {at + 3} apples together" for at in range(6)], list("abcdef"))
    assert {row["cluster"] for row in parted(Config(), given).values()} == {"a"}
    assert len({row["cluster"] for row in parted(Config(numbers=True), given).values()}) == 6


@pytest.mark.parametrize("parts", [{"train": 98.0, "val": 1.0, "test": 1.0}, {"sft": 2.0, "rm": 4.0, "ppo": 4.0}])
def test_shares_are_those_asked_for_within_sampling_error(parts: dict[str, float]) -> None:
    count = 20_000
    found = parted(Config(parts=parts), shard([None] * count, [f"id{at}" for at in range(count)]))
    counts = Counter(row["split"] for row in found.values())
    for name, weight in parts.items():
        share = weight / sum(parts.values())
        assert abs(counts[name] - count * share) < 4 * (count * share * (1 - share)) ** 0.5, name


def test_a_part_that_keep_does_not_name_leaves() -> None:
    ids = [f"id{at}" for at in range(40)]
    found = parted(Config(parts=HALVES, keep=("test",)), shard([None] * 40, ids))
    assert {(row["split"], row["reason"]) for row in found.values()} == {("test", None), ("train", "other_part")}


@pytest.mark.parametrize("wrong", [{"parts": {}}, {"parts": {"a": 0}}, {"parts": {"a": 1}, "keep": ["b"]}])
def test_parts_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config(**wrong)


def alike(texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """Exact Jaccard of all pairs: first, second, similarity."""
    sets = shingle_sets(shingles(pa.array(texts, pa.large_string()), 3))
    one, other = np.triu_indices(len(texts), 1)
    similarity: Any = jaccard_of_pairs(sets, sets, (one, other)).fill_null(0.0)
    return np.stack([one, other, np.asarray(similarity)], axis=1)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000), shards=st.integers(1, 3), cut=st.sampled_from([9, 100]), order=st.randoms())
def test_no_near_pair_is_parted_whatever_the_order_shards_and_cuts(
    seed: int, shards: int, cut: int, order: random.Random
) -> None:
    texts = planted(seed, 40)
    ids = [f"d{at:02d}" for at in range(len(texts))]
    config = Config(parts=HALVES, bands=40, rows=1)  # of one row: no pair is missed
    found = parted(config, shard(texts, ids))
    pairs = alike(texts)
    near = pairs[pairs[:, 2] >= config.min_similarity]
    assert len(near)
    assert all(found[ids[int(one)]]["split"] == found[ids[int(other)]]["split"] for one, other, _ in near)
    places = order.sample(range(len(texts)), len(texts))
    mixed = shard([texts[at] for at in places], [ids[at] for at in places])
    size = -(-len(texts) // shards)
    assert parted(config, *(mixed.slice(start, size) for start in range(0, len(texts), size)), cut=cut) == found


def test_shots_from_other_clusters_are_unlike_the_prompt() -> None:
    """Few-shot prompts of a train part: no shot of another cluster is near to the prompt, none of a test is near."""
    texts = planted(5, 300)
    ids = [f"d{at:03d}" for at in range(len(texts))]
    told = parted(Config(parts={"train": 8.0, "test": 2.0}), shard(texts, ids), cut=10_000)
    found = [told[key] for key in ids]
    pairs = alike(texts)
    apart = [found[int(one)]["cluster"] != found[int(other)]["cluster"] for one, other, _ in pairs]
    assert pairs[np.array(apart), 2].max() < 0.7
    assert len({row["cluster"] for row in found}) > 150
    assert {row["split"] for row in found} == {"train", "test"}


# ---------------------------------------------------------------------------------------------- after an earlier run


def test_new_documents_go_where_their_like_is_and_old_ones_stay() -> None:
    config = Config(parts=HALVES)
    left, right = id_in("train", 0, config), id_in("test", 0, config)
    one, other = words(1), words(2)
    old = shard([one, other], [left, right])
    new = shard([one, changed(other, 4), changed(one, 2), words(9)], [left, "a", "b", "c"])
    found = parted_again(config, old, new)
    assert {key: found[key]["split"] for key in (left, "a", "b")} == {left: "train", "a": "test", "b": "train"}
    assert {key: found[key]["cluster"] for key in (left, "a", "b", "c")} == {
        left: left,
        "a": right,
        "b": left,
        "c": "c",
    }
    assert {row["reason"] for row in found.values()} == {None}


def test_a_document_without_a_prompt_keeps_its_part() -> None:
    config = Config(parts=HALVES)
    name = id_in("test", 3, config)
    old = shard([None], [name])
    later = parted_again(config, old, shard([None], [name]))
    assert later[name]["split"] == "test"


@pytest.mark.parametrize("cut", [1, 2, 100])
def test_who_joins_two_parts_leaves_and_the_old_ones_stay(cut: int) -> None:
    config = Config(parts=HALVES, shingle=1, min_similarity=0.5, bands=40, rows=1)
    left, right = id_in("train", 0, config), id_in("test", 0, config)
    one, other = words(1, 10), words(2, 10)
    both = " ".join([*one.split()[:8], *other.split()[:8]])  # 8 of 18 shared with each
    config = config.model_copy(update={"min_similarity": 0.4})
    old = shard([one, other], [left, right])
    new = shard([one, other, both, changed(one, 0), both + " more"], [left, right, "a", "b", "c"])
    found = parted_again(config, old, new, cut)
    assert {key: row["reason"] for key, row in found.items()} == {
        left: None, right: None, "a": "bridges_splits", "b": None, "c": "bridges_splits",
    }  # fmt: skip
    assert found["a"]["sides"] == ["train", "test"]
    assert (found["a"]["split"], found["b"]["split"]) == (None, "train")
    assert (found[left]["split"], found[right]["split"]) == ("train", "test")


@pytest.mark.parametrize("cut", [1, 100])
def test_a_chain_between_two_parts_leaves_as_a_whole(cut: int) -> None:
    config = Config(parts=HALVES, shingle=1, min_similarity=0.5, bands=40, rows=1)
    left, right = id_in("train", 0, config), id_in("test", 0, config)
    said = words(1, 30).split()
    steps = [" ".join(said[start : start + 12]) for start in (0, 4, 8, 12)]  # neighbours share 8 of 16 words
    found = parted_again(config, shard([steps[0], steps[3]], [left, right]), shard(steps[1:3], ["a", "b"]), cut)
    assert {row["reason"] for row in found.values()} == {"bridges_splits"}
    assert found["a"]["sides"] == ["train", "test"]


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000), split=st.integers(5, 25), cut=st.sampled_from([9, 100]))
def test_adding_documents_moves_none_and_parts_no_near_pair(seed: int, split: int, cut: int) -> None:
    texts = planted(seed, 30)
    ids = [f"d{at:02d}" for at in range(len(texts))]
    random.Random(seed).shuffle(ids)
    config = Config(parts=HALVES, bands=40, rows=1)
    before = parted(config, shard(texts[:split], ids[:split]))
    found = parted_again(config, shard(texts[:split], ids[:split]), shard(texts, ids), cut)
    assert {key: found[key]["split"] for key in before} == {key: row["split"] for key, row in before.items()}
    for one, other, similarity in alike(texts):
        sides = {found[ids[int(one)]]["split"], found[ids[int(other)]]["split"]} - {None}
        assert similarity < 0.7 or len(sides) < 2
    assert all((row["split"] is None) == (row["reason"] == "bridges_splits") for row in found.values())


def test_a_bridge_of_an_earlier_run_gives_nobody_a_part() -> None:
    """Whoever left there is no side here."""
    config = Config(parts=HALVES)
    text = words(4)
    old = shard([text], ["z"])
    (first,) = judged(STAGE, config, [old])
    gone = first.set_column(0, "split", pa.nulls(1, pa.string()))
    later = config.model_copy(update={"against": ("earlier",)})
    new = shard([changed(text, 4)], ["a"])
    (found,) = judged(STAGE, later, [old, new], runs=(0, 1), given=[gone])
    assert found.to_pylist() == [
        {"split": parted(config, shard([None], ["a"]))["a"]["split"], "cluster": "a", "sides": None}
    ]
