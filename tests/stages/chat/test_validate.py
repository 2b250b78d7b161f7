"""chat.validate: what each check finds, by conversations whose faults are known."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from datapipe.schema import COLUMNS
from stages.chat.validate import STAGE, Config, decide_reasons, process

LAYOUT = pa.schema([(name, COLUMNS[name]) for name in ("messages", "rejected")])
WORDS = {"s": "system", "u": "user", "a": "assistant", "c": "assistant", "t": "tool", "x": "narrator"}
CALL = {"id": "1", "name": "f", "arguments": "{}"}


def talk(*turns: Any) -> list[dict[str, Any]]:
    """Turns as `u:text`; `c` is a turn of the assistant's that calls a tool."""
    made = []
    for turn in turns:
        if isinstance(turn, dict):
            made.append(turn)
            continue
        who, _, text = turn.partition(":")
        made.append({"role": WORDS[who], "content": text or None, "tool_calls": [CALL] if who == "c" else None})
    return made


def measured(*talks: Any, rejected: Any = None, **options: Any) -> tuple[pa.RecordBatch, list[str | None]]:
    rows = [{"messages": each, "rejected": rejected} for each in talks]
    config = Config(**options)
    found = process(pa.RecordBatch.from_pylist(rows, LAYOUT), config, None)
    return found, decide_reasons(found, config).to_pylist()


STRUCTURE: list[tuple[Any, str | None]] = [
    (talk("u:q", "a:r"), None),
    (talk("s:p", "u:q", "a:r", "u:q", "a:r"), None),
    (talk("u:q", "s:p", "a:r"), None),
    (talk("u:q", "c:", "t:1", "a:r"), None),
    (talk("u:q", "c:", "t:1", "t:2", "c:", "t:", "a:r"), None),
    (talk("u:q", "a:wait", "c:", "t:1", "a:r"), None),
    (talk("u:q", "c:"), None),
    ([], "no_messages"),
    (None, "no_messages"),
    (talk("u:q", "x:once", "a:r"), "unknown_role"),
    (talk("u:q", "a:"), "empty_turn"),
    (talk("u:q", "a: \n\u3000"), "empty_turn"),
    (talk("u:", "a:r"), "empty_turn"),
    (talk("a:r"), "out_of_turn"),
    (talk("s:p", "a:r"), "out_of_turn"),
    (talk("u:q", "u:q", "a:r"), "out_of_turn"),
    (talk("u:q", "a:r", "a:r"), "out_of_turn"),
    (talk("u:q", "c:", "t:1", "u:q", "a:r"), "out_of_turn"),
    (talk("u:q", "t:1", "a:r"), "orphan_result"),
    (talk("u:q", "a:r", "t:1", "a:r"), "orphan_result"),
    (talk("u:q", "c:", {"role": "tool", "content": "1", "tool_call_id": "1"}, "a:r"), None),
    (talk("u:q", "c:", {"role": "tool", "content": "1", "tool_call_id": "9"}, "a:r"), "orphan_result"),
    (talk("u:q"), "no_answer"),
    (talk("u:q", "c:", "t:1"), "no_answer"),
]


@pytest.mark.parametrize(("turns", "reason"), STRUCTURE)
def test_what_is_broken_leaves(turns: Any, reason: str | None) -> None:
    assert measured(turns)[1] == [reason]


def test_each_conversation_is_judged_by_itself() -> None:
    """All of the table in one batch, where each stands between others."""
    assert measured(*(turns for turns, _ in STRUCTURE))[1] == [reason for _, reason in STRUCTURE]


@pytest.mark.parametrize(
    ("rejected", "reason"),
    [
        (talk("a:r"), "chosen_is_rejected"),
        (talk("a:other"), None),
        (talk("a:r", "u:q", "a:r"), None),
        (talk("c:r"), None),
        ([], None),
    ],
)
def test_a_preference_must_prefer_something(rejected: Any, reason: str | None) -> None:
    assert measured(talk("u:q", "a:r"), rejected=rejected)[1] == [reason]
    assert measured(talk("u:q", "a:r"), rejected=rejected, may_be_rejected=True)[1] == [None]


SENTENCE = "This answer goes on for a while and says a good deal about boats and tides"
CHINESE = "这个回答说了很多关于港口和潮汐的事情并且还会继续说下去直到有一天突然停下来因为"
LEAKED = (
    "You are Harbour, the helper of the port of Example. Never tell anybody about pier nine or about the night shift."
)
ANSWERS: list[tuple[str, str, dict[str, Any]]] = [
    ("truncated", f"{SENTENCE} and then", {}),
    ("truncated", f"{SENTENCE},", {}),
    ("truncated", f"First line.\n{SENTENCE} of", {}),
    ("truncated", CHINESE, {}),
    ("-truncated", f"{SENTENCE}.", {}),
    ("-truncated", f"{SENTENCE}.)\n\n", {}),
    ("-truncated", f'{SENTENCE}!"', {}),
    ("-truncated", f"{CHINESE}。", {}),
    ("-truncated", "Negative", {}),
    ("-truncated", f"A list:\n- {SENTENCE} and then", {}),
    ("-truncated", f"A list:\n12. {SENTENCE}", {}),
    ("-truncated", f"Source: https://a.example/{'x' * 80}", {}),
    ("left_open", "Look:\n```python\nprint(1)\n", {}),
    ("left_open", "~~~\ncode", {}),
    ("-left_open", "Look:\n```python\nprint(1)\n```\nThere.", {}),
    ("-left_open", "Write ``` around code.", {}),
    ("left_open", "<think>Let me see.", {}),
    ("-left_open", "<think>Let me see.</think>Yes.", {}),
    ("-left_open", "The tag <br> stays open.", {}),
    ("refusal", "I'm sorry, but I can't help with that.", {}),
    ("refusal", "I\u2019m sorry, but I cannot do this.", {}),
    ("refusal", "很抱歉，我无法提供这方面的信息。", {}),
    ("refusal", "作为一个AI语言模型，我无法回答。", {}),
    ("-refusal", "I'm sorry to hear that you missed the boat.", {}),
    ("-refusal", f"{SENTENCE}. " * 4 + "He said: I'm sorry, but I can't.", {}),
    ("leaked_prompt", "Sure. Here are my instructions: be nice.", {}),
    ("leaked_prompt", f"I was told: {LEAKED}", {}),
    ("-leaked_prompt", "The port of Example has a night shift.", {}),
    ("template_marks", "Yes.<|im_end|>", {}),
    ("template_marks", "[INST] No", {}),
    ("template_marks", "Fine.\n### Instruction: go on", {}),
    ("-template_marks", "a | b <- c [1] ### title", {}),
    ("short_answer", "No", {}),
    ("-short_answer", "No.", {}),
]
STRICT = dict.fromkeys(("max_truncated", "max_open", "max_refusals", "max_leaks", "max_template_marks"), 0)


@pytest.mark.parametrize(("verdict", "answer", "options"), ANSWERS)
def test_what_is_wrong_with_an_answer_leaves_only_where_asked(verdict: str, answer: str, options: Any) -> None:
    turns = talk(f"s:{LEAKED}", "u:Tell me.", f"a:{answer}")
    assert measured(turns)[1] == [None]
    (reason,) = measured(turns, **(STRICT | {"min_answer": 3} | options))[1]
    assert reason == (None if verdict.startswith("-") else verdict)


ENGLISH = "Please explain to me how the tide comes into the harbour in the morning, and why."
CHINESE_ANSWER = (
    "潮水每天两次涨落，这是因为月亮和太阳对海水的引力，加上地球本身的自转所造成的结果。港口因此会有规律地变深变浅。"
)


@pytest.mark.parametrize(
    ("prompt", "answer", "reason"),
    [
        (ENGLISH, ENGLISH, None),
        (ENGLISH, CHINESE_ANSWER, "wrong_language"),
        (CHINESE_ANSWER, CHINESE_ANSWER, None),
        (ENGLISH, "月亮。", None),
    ],
)
def test_an_answer_in_another_language_leaves_where_asked(prompt: str, answer: str, reason: str | None) -> None:
    turns = talk(f"u:{prompt}", f"a:{answer}")
    assert measured(turns, same_language=True)[1] == [reason]
    assert measured(turns)[1] == [None]
    assert measured(turns, same_language=True, languages=False)[1] == [None]


def test_measures_are_counted_by_hand() -> None:
    (found, _) = measured(talk("s:abc", "u:12", "a:1234", "u:五六", "c:", "t:123456", "a:1"), talk())
    first, second = found.to_pylist()
    expected = {
        "messages_count": 7,
        "turns": 5,
        "system_characters": 3,
        "user_characters": 4,
        "assistant_characters": 5,
    }
    expected |= {"tool_characters": 6, "shortest_answer": 1, "unanswered_calls": 0}
    assert {name: first[name] for name in expected} == expected
    assert first["last_role"] == "assistant"
    assert (second["turns"], second["last_role"], second["shortest_answer"]) == (0, None, None)


def test_calls_that_nothing_answers_are_counted() -> None:
    found, reasons = measured(talk("u:q", "c:", "a:r"), talk("u:q", "c:", "t:1", "a:r"), max_unanswered_calls=0)
    assert found["unanswered_calls"].to_pylist() == [1, 0]
    assert reasons == ["out_of_turn", None]
    assert measured(talk("u:q", "c:", "a:r"), max_unanswered_calls=0, max_out_of_turn=None)[1] == ["unanswered_call"]


def test_turns_can_be_bounded() -> None:
    talks = [talk(*["u:q", "a:r"] * number) for number in (1, 2, 3)]
    assert measured(*talks, min_turns=3, max_turns=4)[1] == ["too_few_turns", None, "too_many_turns"]


def test_every_reason_is_met_here() -> None:
    met = {reason for _, reason in STRUCTURE} | {verdict for verdict, _, _ in ANSWERS}
    met |= {"chosen_is_rejected", "wrong_language", "unanswered_call", "too_few_turns", "too_many_turns"}
    assert met >= set(STAGE.reasons)
