"""Each trained turn of the assistant becomes the end of a conversation of its own."""

from __future__ import annotations

import pytest

from stages.split.turns import Config, turns_of
from tests.stages.tokenize.talks import message

ASKED = message("user", "When?")


def told(reasoning: str | None, **more: object) -> list[list[tuple[str, bool | None]]]:
    given = [ASKED, message("assistant", "one", reasoning=reasoning), ASKED, message("assistant", "two", **more)]
    children = turns_of(given, Config())
    return [[(each["content"], each["train"]) for each in child] for child in children]


def test_turns_before_the_last_are_context_alone() -> None:
    one, two = told("Hm.")
    assert one == [("When?", None), ("one", None)]
    assert two == [("When?", None), ("one", False), ("When?", None), ("two", None)]


def test_a_conversation_whose_history_nobody_rewrites_stays_one() -> None:
    assert told(None) == [[("When?", None), ("one", None), ("When?", None), ("two", None)]]


@pytest.mark.parametrize("more", [{"train": False}, {"weight": 0.0}])
def test_turns_that_carry_no_loss_end_no_conversation(more: dict[str, object]) -> None:
    assert told("Hm.", **more) == [[("When?", None), ("one", None)]]


def test_nothing_comes_of_a_conversation_without_a_trained_turn() -> None:
    assert turns_of([ASKED], Config()) == turns_of(None, Config()) == []
