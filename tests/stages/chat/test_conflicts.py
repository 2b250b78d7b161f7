"""chat.conflicts: different short answers to one prompt are counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.chat.conflicts import STAGE, Config
from tests.stages.dedup.exchange import judged
from tests.stages.talks import message, talk, talks

ASKED = "Is the sentence positive? It was fine."


def counts_of(config: Config, *shards: pa.RecordBatch, cut: int = 100) -> list[tuple[int | None, int | None]]:
    found = judged(STAGE, config, shards, cut=cut)
    return [(row["answers"], row["asked"]) for columns in found for row in columns.to_pylist()]


def answers_to(prompt: str, *answers: str) -> list[list[dict[str, Any]]]:
    return [talk(prompt, answer) for answer in answers]


@pytest.mark.parametrize(
    ("answers", "different"),
    [
        (["yes", "Yes.", " YES! "], 1),
        (["yes", "no"], 2),
        (["3.5", "35"], 2),
        (["+", "-"], 2),
        (["3", "-3"], 2),
        (["café", "cafe\u0301"], 1),
        (["A", "B", "C", "A"], 3),
        (["是", "是。", "不是"], 2),
    ],
)
def test_answers_differ_but_for_case_space_and_final_punctuation(answers: list[str], different: int) -> None:
    assert counts_of(Config(), talks(answers_to(ASKED, *answers))) == [(different, len(answers))] * len(answers)


def test_prompts_are_the_same_in_normal_form_but_for_their_numbers() -> None:
    given = [talk("What is 2 + 3?", "5"), talk("what is 2+3", "6"), talk("What is 7 + 8?", "15")]
    assert counts_of(Config(), talks(given)) == [(2, 2), (2, 2), (1, 1)]


def test_all_that_stands_before_the_answer_is_the_prompt() -> None:
    given = [
        talk("Pick a letter.", "a"),
        talk(("system", "Answer with b."), ("user", "Pick a letter."), ("assistant", "b")),
        talk("Pick a letter.", "c", "Pick a letter.", "d"),
    ]
    assert counts_of(Config(), talks(given)) == [(1, 1)] * 3
    roles = [talk(("user", "one"), ("assistant", "x")), talk(("system", "one"), ("assistant", "y"))]
    assert counts_of(Config(), talks(roles)) == [(1, 1)] * 2


def test_other_tools_and_other_scopes_are_other_prompts() -> None:
    given = answers_to(ASKED, "yes", "no", "yes")
    assert counts_of(Config(), talks(given, {"tools": [None, "[]", None]})) == [(1, 2), (1, 1), (1, 2)]
    within = Config(within=("source",))
    assert counts_of(within, talks(given, {"source": ["a", "b", "b"]})) == [(1, 1), (2, 2), (2, 2)]


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        talk(ASKED),
        talk(("assistant", "yes")),
        talk(ASKED, ""),
        talk(ASKED, " ?! "),
        talk(ASKED, "one two three four five six"),
        talk(ASKED, "一二三四五六"),
        [*talk(ASKED), message("assistant", "yes", tool_calls=[{"id": "1", "name": "f", "arguments": "{}"}])],
        [*talk(ASKED, "yes"), message("assistant", None)],
        talk(("user", ASKED), ("assistant", "yes"), ("user", "sure?")),
    ],
)
def test_what_has_no_short_answer_to_a_prompt_is_not_counted(messages: Any) -> None:
    found = counts_of(Config(), talks([talk(ASKED, "yes"), messages, talk(ASKED, "no")]))
    assert found == [(2, 2), (None, None), (2, 2)]


def test_all_sides_of_a_conflict_leave_where_a_limit_is_set() -> None:
    shard = talks([*answers_to(ASKED, "yes", "no"), talk("Other?", "yes")])
    (columns,) = judged(STAGE, Config(), [shard])
    assert STAGE.decide is not None
    assert STAGE.decide(columns, Config()).to_pylist() == [None] * 3
    strict = STAGE.decide(columns, Config(max_answers=1)).to_pylist()
    assert strict == ["conflicting_answers", "conflicting_answers", None]


@settings(max_examples=25, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), st.sampled_from("abcd")), min_size=1),
    shards=st.integers(1, 3),
    cut=st.integers(1, 9),
)
def test_counts_are_those_of_a_dictionary(pairs: Sequence[tuple[str, str]], shards: int, cut: int) -> None:
    whole = talks([talk(prompt, answer) for prompt, answer in pairs])
    size = -(-len(pairs) // shards)
    parts = [whole.slice(start, size) for start in range(0, len(pairs), size)]
    told = defaultdict(list)
    for prompt, answer in pairs:
        told[prompt].append(answer)
    expected = [(len(set(told[prompt])), len(told[prompt])) for prompt, _ in pairs]
    assert counts_of(Config(), *parts, cut=cut) == expected
