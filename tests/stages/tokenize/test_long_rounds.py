"""One question and then many calls with their results: the same as for short rounds, in work that grows with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.tokenize import _scenes as scenes
from stages.tokenize import _turns as turning
from stages.tokenize._tokenizer import load
from tests.stages.tokenize.styles import STYLES, write
from tests.stages.tokenize.talks import call, message
from tests.stages.tokenize.test_masks import prepared, tokenized


def agent(calls: int, *, system: bool = False) -> list[dict[str, Any]]:
    made = [message("system", "Call what you need.")] if system else []
    made.append(message("user", "When is the tide high at each of these places?"))
    for number in range(calls):
        asked = call("look_up", f'{{"place": "harbour {number}"}}')
        reasoning = f"Place {number} is next." if number % 3 == 0 else None
        made.append(message("assistant", f"Look at {number}.", tool_calls=[asked], reasoning=reasoning))
        made.append(message("tool", f"High at {number}."))
    return [*made, message("assistant", "That is all.", reasoning="Done.")]


@pytest.mark.parametrize("system", [False, True])
def test_what_is_rendered_in_part_says_what_the_whole_says(
    thinking: Path, monkeypatch: pytest.MonkeyPatch, *, system: bool
) -> None:
    talk = agent(60, system=system)
    ((part,), (reason,)) = tokenized(thinking, [(talk, None)])
    assert reason is None
    for module in (scenes, turning):
        monkeypatch.setattr(module, "LONG", 1 << 30)
    load(prepared(thinking)).speech.kept.__init__()  # type: ignore[union-attr, misc]
    assert tokenized(thinking, [(talk, None)]) == ([part], [None])
    assert len(part["loss"]) == 61


def test_the_work_grows_as_the_calls_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(STYLES["thinking, as qwen3"], tmp_path)
    prepared(folder)
    rendered = list[int]()

    def write_and_count(speech: Any, given: list[Any], tools: Any, **options: Any) -> str:
        rendered.append(len(given))
        return plain(speech, given, tools, **options)

    plain = scenes.write
    monkeypatch.setattr(scenes, "write", write_and_count)
    counts = []
    for calls in (100, 400):
        rendered.clear()
        assert tokenized(folder, [(agent(calls), None)])[1] == [None]
        counts.append(sum(rendered))
    assert counts[1] < 5 * counts[0]
