"""Reasoning is trained, masked or taken out, wherever it stood."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from datapipe.algo.conversations import ROLES, read_talks, write_talk
from stages.chat.reasoning import EMPTIED, Config, decide_reasons, process
from tests.stages.chat.talk_batches import Talk, asked, batch_of
from tests.stages.tokenize.talks import call, message


def treated(talks: list[Talk | None], rejected: list[Talk | None] | None = None, **options: Any) -> pa.RecordBatch:
    batch = batch_of(talks, rejected=rejected or [None] * len(talks))
    return process(batch, Config(**{"seed": 5, **options}), None)


def answers(out: pa.RecordBatch, name: str = "messages") -> list[tuple[str | None, str | None, bool | None]]:
    talks: list[Any] = out[name].to_pylist()
    return [
        (each["content"], each["reasoning"], each["reasoning_train"])
        for talk in talks
        for each in talk or ()
        if each["role"] == "assistant"
    ]


@pytest.mark.parametrize(
    ("policy", "answer"),
    [("train", ("So.", "Hm.", None)), ("mask", ("So.", "Hm.", False)), ("strip", ("So.", None, None))],
)
@pytest.mark.parametrize(
    "talk", [asked("Why?", "So.", reasoning="Hm."), asked("Why?", "<think>\nHm.\n</think>\n\nSo.")]
)
def test_what_becomes_of_reasoning(policy: str, answer: tuple[Any, ...], talk: Talk) -> None:
    out = treated([talk], policy=policy)
    assert answers(out) == [answer]
    assert out["policy"].to_pylist() == [policy]
    assert (out["turns"][0].as_py(), out["characters"][0].as_py()) == (1, 3)
    assert out["moved"][0].as_py() == (talk[1]["reasoning"] is None)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("<think>a</think>b", ("b", "a")),
        ("  <think>a\nb</think>\n c \n", ("c \n", "a\nb")),
        ("<think></think>b", ("b", "")),
        ("<think>a</think>b</think>c", ("b</think>c", "a")),
        ("<think>a", ("<think>a", None)),
        ("a <think>b</think>c", ("a <think>b</think>c", None)),
        ("<thinking>a</thinking>b", ("<thinking>a</thinking>b", None)),
        ("b</think>c", ("b</think>c", None)),
        (None, (None, None)),
    ],
)
def test_reasoning_at_the_start_of_an_answer_is_moved_to_its_place(content: str, parts: tuple[Any, ...]) -> None:
    out = treated([[message("user", "<think>x</think>y"), message("assistant", content)]])
    assert answers(out) == [(*parts, None)]
    asked_: Any = out["messages"][0].as_py()[0]
    assert (asked_["content"], asked_["reasoning"]) == ("<think>x</think>y", None)


def test_that_reasoning_is_masked_is_read_from_records_and_written_into_them() -> None:
    said = {"role": "assistant", "content": "So.", "reasoning_content": "Hm.", "reasoning_train": False}
    record = {"messages": [{"role": "user", "content": "Why?"}, said]}
    (talk,) = read_talks(record, "auto", ROLES, 1 << 20)
    assert answers(treated([talk.messages])) == [("So.", "Hm.", False)]
    assert write_talk(talk, "messages") == record


def test_tags_may_be_others_or_none() -> None:
    talk = asked("Why?", "[T]a[/T]b")
    assert answers(treated([talk], tags=("[T]", "[/T]"))) == [("b", "a", None)]
    assert answers(treated([asked("Why?", "<think>a</think>b")], tags=None)) == [("<think>a</think>b", None, None)]
    with pytest.raises(ValidationError, match="a tag is blank"):
        Config(tags=("", "</think>"))


def test_reasoning_that_has_its_place_is_not_looked_for_again() -> None:
    out = treated([asked("Why?", "<think>a</think>b", reasoning="own")], policy="strip")
    assert answers(out) == [("<think>a</think>b", None, None)]


def test_a_document_without_reasoning_stays_as_it_is() -> None:
    talks = [asked("Why?", "So."), None, []]
    out = treated(talks, policy="strip")
    assert out["messages"].to_pylist() == batch_of(talks)["messages"].to_pylist()
    assert out["policy"].to_pylist() == [None] * 3
    assert out["turns"].to_pylist() == [0] * 3


def test_what_was_rejected_is_treated_as_what_was_chosen() -> None:
    out = treated([asked("Why?", "So.")], [[message("assistant", "<think>Hm.</think>No.")]], policy="strip")
    assert answers(out, "rejected") == [("No.", None, None)]
    assert out["policy"].to_pylist() == ["strip"]


def test_a_turn_that_says_nothing_any_more_leaves_unless_it_calls() -> None:
    called = [message("user", "Why?"), message("assistant", "", reasoning="Hm.", tool_calls=[call("f", "{}")])]
    out = treated([asked("Why?", " ", reasoning="Hm."), called, asked("Why?", "So.", reasoning="Hm.")], policy="strip")
    assert out["emptied"].to_pylist() == [1, 0, 0]
    assert decide_reasons(out, Config()).to_pylist() == [EMPTIED, None, None]
    assert decide_reasons(out, Config(max_emptied=None)).null_count == 3
    assert treated([asked("Why?", "", reasoning="Hm.")], policy="mask")["emptied"].to_pylist() == [0]


def test_a_share_of_documents_is_treated_by_hash() -> None:
    talks: list[Talk | None] = [asked("Why?", "So.", reasoning="Hm.")] * 400
    quarter, half = (treated(talks, policy="strip", share=share)["policy"].to_pylist() for share in ("25%", "50%"))
    assert set(quarter) == {"strip", "train"}
    assert 65 <= quarter.count("strip") <= 135  # 100, sigma 8.7
    assert all(more == "strip" for less, more in zip(quarter, half, strict=True) if less == "strip")
    assert treated(talks, policy="strip", share=0)["policy"].to_pylist() == ["train"] * 400


@given(st.lists(st.tuples(st.text(max_size=8), st.none() | st.text(max_size=5), st.booleans()), max_size=6))
def test_nothing_is_lost_but_what_is_taken_out(turns: list[tuple[str, str | None, bool]]) -> None:
    talk: Talk = [
        message("assistant" if spoken else "user", content, reasoning=thought) for content, thought, spoken in turns
    ]
    kept, gone = (treated([talk], policy=policy, tags=None)["messages"][0].as_py() for policy in ("train", "strip"))
    assert kept == batch_of([talk])["messages"][0].as_py()
    assert gone == [
        {**each, "reasoning": each["reasoning"] or None if each["role"] != "assistant" else _without(each)}
        if each["role"] == "assistant"
        else each
        for each in kept
    ]


def _without(message_: dict[str, Any]) -> str | None:
    """An empty text of reasoning is none that could be taken out."""
    return "" if message_["reasoning"] == "" else None
