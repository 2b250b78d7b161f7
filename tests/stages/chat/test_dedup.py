"""chat.dedup: what counts as the same prompt, and which conversation stays."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.minhash import jaccard, shingle_sets
from datapipe.text import shingles
from stages.chat.dedup import STAGE, Config
from tests.stages.dedup.exchange import judged
from tests.stages.talks import message, talk, talks

PROMPT = "please name three rivers of europe that flow into the black sea and say how long each of them is in miles"
NEAR = PROMPT.replace("miles", "kilometres")  # the last of 22 words: of 20 shingles of three one is another
ANSWER = "The Danube."


def rows_of(config: Config, *shards: pa.RecordBatch, runs: Sequence[int] = (), cut: int = 100) -> list[dict[str, Any]]:
    assert STAGE.decide is not None
    found = []
    own = [shard for number, shard in enumerate(shards) if not runs or runs[number] == max(runs)]
    for shard, columns in zip(own, judged(STAGE, config, shards, runs=runs, cut=cut), strict=True):
        reasons = STAGE.decide(columns, config).to_pylist()
        named = zip(shard["id"].to_pylist(), reasons, columns.to_pylist(), strict=True)
        found += [{"id": key, "reason": reason, **row} for key, reason, row in named]
    return found


def reasons_of(config: Config, *shards: pa.RecordBatch) -> list[str | None]:
    return [row["reason"] for row in rows_of(config, *shards)]


def test_a_near_prompt_leaves_and_names_who_stays_and_how_alike_they_are() -> None:
    given = [talk(PROMPT, ANSWER), talk("What is a verb?", "A word."), talk(NEAR, "The Dnieper, the Don.")]
    first, other, near = rows_of(Config(), talks(given))
    assert (first["reason"], first["cluster_size"]) == (None, 2)
    assert (other["reason"], other["cluster"]) == (None, None)
    assert (near["reason"], near["survivor"]) == ("near_duplicate", "d000")
    assert near["similarity"] == pytest.approx(19 / 21)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("What is a noun?", "what is  a NOUN", "duplicate"),
        ("What is a noun?", "What is a verb?", None),
        ("What is 2 + 3 ?", "What is 5 + 3 ?", None),
        ("What is 2 + 3 ?", "What is 2 * 3 ?", None),
        ("What is 2 + 3 ?", "what is 2+3", "duplicate"),
        ("What is 23 ?", "What is 2 3 ?", None),
        ("一二三四五六七八九十天地玄黄宇宙洪荒", "一二三四五六七八九十天地玄黄宇宙洪荒。", "duplicate"),
        ("???", "???", "duplicate"),
        ("???", "!!!", None),
        ("", "", None),
        (" \n", " \n", None),
    ],
)
def test_prompts_are_the_same_in_normal_form_but_for_their_numbers(one: str, other: str, reason: str | None) -> None:
    for fuzzy in (True, False):
        found = reasons_of(Config(fuzzy=fuzzy), talks([talk(one, "yes"), talk(other, "no")]))
        assert found == [None, reason], fuzzy


def test_what_a_template_puts_around_all_prompts_does_not_make_them_alike() -> None:
    frame = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
    given = [talk(f"{frame}\n\n### Instruction:\nwhat is {what}?\n\n### Response:\n", "It.") for what in ("rye", "tin")]
    assert reasons_of(Config(min_similarity=0.7), talks(given)) == [None, None]
    assert reasons_of(Config(min_similarity=0.7, frames=()), talks(given)) == [None, "near_duplicate"]


def test_numbers_may_be_left_out_of_account() -> None:
    given = talks([talk("What is 2 + 3 ?", "5"), talk("What is 7 + 8 ?", "15")])
    assert reasons_of(Config(numbers=False), given) == [None, "duplicate"]


def test_only_equals_leave_where_near_ones_are_not_looked_for() -> None:
    given = talks([talk(PROMPT, ANSWER), talk(NEAR, ANSWER), talk(PROMPT.upper(), ANSWER)])
    assert reasons_of(Config(fuzzy=False), given) == [None, None, "duplicate"]


@pytest.mark.parametrize(
    ("on", "reasons"),
    [
        ("first_prompt", [None, "duplicate", "duplicate"]),
        ("prompts", [None, None, "duplicate"]),
        ("conversation", [None, None, None]),
    ],
)
def test_what_is_compared_is_told(on: Any, reasons: list[str | None]) -> None:
    given = [
        talk("Hello there, friend", "Hi.", PROMPT, ANSWER),
        talk("Hello there, friend", "Hi.", "Tell me a joke about a horse", "No."),
        talk("Hello there, friend", "Good day to you, what is it?", PROMPT, "I do not know any of them."),
    ]
    assert reasons_of(Config(on=on), talks(given)) == reasons


@pytest.mark.parametrize(
    ("rule", "stays"), [("first", "d000"), ("longest", "d002"), ("newest", "d001"), ("best:score", "d001")]
)
def test_the_declared_rule_says_who_stays(rule: str, stays: str) -> None:
    given = [talk(PROMPT, "a"), talk(PROMPT, "b"), talk(NEAR, "a much longer answer than those of the others")]
    more: dict[str, list[Any]] = {"fetched": ["2024-01-01", "2024-03-01", "2024-02-01"], "score": [0.1, 0.9, 0.5]}
    found = rows_of(Config(survivor=rule), talks(given, more))
    assert [row["id"] for row in found if row["reason"] is None] == [stays]
    assert {row["cluster"] for row in found} == {stays}


def test_a_preference_is_no_copy_of_a_plain_conversation_but_of_another_preference() -> None:
    worse = [message("assistant", "No idea.")]
    given = talks([talk(PROMPT, ANSWER)] * 4, {"rejected": [None, worse, None, [message("assistant", "None.")]]})
    assert reasons_of(Config(), given) == [None, None, "duplicate", "duplicate"]
    whole = reasons_of(Config(on="conversation", fuzzy=False), given)
    assert whole == [None, None, "duplicate", None]  # what was rejected is another answer


def test_within_keeps_apart_what_has_other_tools() -> None:
    given = [talk(PROMPT, ANSWER)] * 3
    tools = {"tools": ["[1]", "[2]", "[1]"]}
    assert reasons_of(Config(within=("tools",)), talks(given, tools)) == [None, None, "duplicate"]


@pytest.mark.parametrize(
    "messages", [None, [], talk(("assistant", "hello")), talk(("user", None)), talk(("system", PROMPT), ("user", ""))]
)
def test_conversations_without_a_prompt_are_left_alone(messages: Any) -> None:
    assert reasons_of(Config(), talks([messages] * 3)) == [None] * 3


def test_conversations_of_earlier_runs_stay_before_all_of_this_one() -> None:
    old = talks([talk(PROMPT, ANSWER)], name="old")
    new = talks([talk(NEAR, ANSWER), talk("Something else?", ANSWER)], name="new")
    near, other = rows_of(Config(against=("earlier",)), old, new, runs=(0, 1))
    assert (near["reason"], near["survivor"]) == ("near_duplicate", "old000")
    assert other["reason"] is None


def planted(seed: int, count: int) -> list[str]:
    """Prompts of eight to thirty words; a third of them are earlier ones with a word changed."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(500)]
    made: list[str] = []
    for _ in range(count):
        if made and draw.random() < 0.35:
            said = draw.choice(made).split()
            said[draw.randrange(len(said))] = draw.choice(words)
        else:
            said = draw.choices(words, k=draw.randint(8, 30))
        made.append(" ".join(said))
    return made


def clusters_of_all_pairs(texts: list[str], least: float) -> list[int]:
    """The first of each one's cluster, by plain union of all pairs that are alike enough."""
    sets = shingle_sets(shingles(pa.array(texts, pa.large_string()), 3))
    root = list(range(len(texts)))
    for one, other in combinations(range(len(texts)), 2):
        (alike,) = jaccard(sets.slice(one, 1), sets.slice(other, 1)).to_pylist()
        if alike is not None and alike >= least:
            low, high = sorted((root[one], root[other]))
            root = [low if each == high else each for each in root]
    return root


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000), shards=st.integers(1, 3), cut=st.sampled_from([1, 7, 100]))
def test_clusters_are_those_of_all_pairs(seed: int, shards: int, cut: int) -> None:
    """With bands of one row no pair is missed, so plain Python over all pairs says the same."""
    texts = planted(seed, 40)
    whole = talks([talk(text, "yes") for text in texts])
    size = -(-len(texts) // shards)
    parts = [whole.slice(start, size) for start in range(0, len(texts), size)]
    found = rows_of(Config(bands=40, rows=1, min_similarity=0.7), *parts, cut=cut)
    expected = clusters_of_all_pairs(texts, 0.7)
    assert [row["cluster"] or row["id"] for row in found] == [f"d{root:03d}" for root in expected]
