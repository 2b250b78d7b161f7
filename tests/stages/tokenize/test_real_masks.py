"""What carries loss in real conversations, against what Jinja alone renders of their templates at inference."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stages.tokenize import LOST_REASONING
from tests.stages.tokenize.bare import Bare, Refused, bare_of
from tests.stages.tokenize.styles import STYLES, write
from tests.stages.tokenize.talks import real
from tests.stages.tokenize.test_masks import folder_of, spoken, tokenized

WANTED = 3000
NEAR = 24  # characters: about a prompt to speak, and so little of the history that no template rewrites it


@pytest.mark.parametrize("name", ["smollm2", *STYLES])
@pytest.mark.parametrize("turns", ["all", "last"])
def test_real_conversations_pass_the_gate_or_leave_for_a_reason_of_their_own(
    name: str, turns: str, tmp_path: Path, real_data: Path
) -> None:
    """Every 60th of 3,000 or more; all of them are read in the long test."""
    check_real(name, turns, list(real(real_data))[::60], tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("name", ["qwen3", "smollm2", *STYLES])
@pytest.mark.parametrize("turns", ["all", "last"])
def test_3000_real_conversations_pass_the_gate(name: str, turns: str, tmp_path: Path, real_data: Path) -> None:
    talks = list(real(real_data))
    assert len(talks) >= WANTED
    check_real(name, turns, talks, tmp_path)


def check_real(name: str, turns: str, talks: list[Any], tmp_path: Path) -> None:
    """Each row leaves for what its template does to it, or carries loss on what Jinja alone renders at inference."""
    style = STYLES.get(name, STYLES["chatml"])  # how the turns of the real ones end
    folder = write(style, tmp_path) if name in STYLES else folder_of(name)
    rows, reasons = tokenized(folder, talks, turns=turns)
    bare = bare_of(folder, texts=style.texts)
    print(name, turns, len(talks), dict(Counter(reasons)))  # noqa: T201 - the figures of the long test
    for talk, row, reason in zip(talks, rows, reasons, strict=True):
        chosen = [at for at, each in enumerate(talk[0]) if each["role"] == "assistant"]
        chosen = chosen[-1:] if turns == "last" else chosen
        assert reason == reason_of(talk, chosen, bare)
        if reason is None:
            said = dict(zip(chosen, spoken(row, folder), strict=True))
            check_turns(talk, said, bare, style.ends)
            differ = [
                at for at, turn in said.items() if not as_asked(turn, bare.turn(talk[0], talk[1], at), style.ends)
            ]
            assert len(differ) == row["rewritten_turns"]


def reason_of(talk: Any, chosen: list[int], bare: Bare) -> str | None:
    """What the gate is to say of a conversation, by its renderings."""
    if not chosen:
        return "nothing_trained"
    try:
        whole = normal(bare.text(*talk))
    except Refused:
        return "template_refuses"
    messages = [talk[0][at] for at in chosen]
    if not all(shows(normal(bare.turn(talk[0], talk[1], at) or ""), talk[0][at]) for at in chosen):
        return "text_lost"
    return None if all(normal(each["reasoning"] or "").strip() in whole for each in messages) else LOST_REASONING


def shows(turn: str, message: dict[str, Any]) -> bool:
    """Whether a turn holds what its message says, and names what it calls more often than what is said there."""
    said = normal(message["content"] or "").strip()
    thought = normal(message["reasoning"] or "").strip()
    spoken_of = said + (thought if thought in turn else "")
    names = Counter(call["name"] for call in message["tool_calls"] or ())
    return said in turn and all(turn.count(name) >= spoken_of.count(name) + names[name] for name in names)


def normal(text: str) -> str:
    """As Qwen3's tokenizer has it before it cuts."""
    return unicodedata.normalize("NFC", text)


def check_turns(talk: Any, said: dict[int, str], bare: Bare, ends: tuple[str, ...]) -> None:
    """Each trained turn stands in the rendering, in order, right behind the prompt to speak, up to its only end."""
    whole, at = normal(bare.text(*talk)), 0
    for number, turn in said.items():
        prompt = normal(bare.text(talk[0][:number], talk[1], prompt=True))[-NEAR:]
        end = next(end for end in ends if turn.endswith(end))
        assert turn.count(end) == 1
        body = turn.removesuffix(end)
        at = whole.index(prompt + body, max(at - NEAR, 0)) + len(prompt + body)
        assert whole.startswith(end, at) or at == len(whole)


def as_asked(turn: str, asked: str | None, ends: tuple[str, ...]) -> bool:
    """Whether a trained turn is what is rendered at inference; its end may be the token that begins the next."""
    if asked is None:
        return False
    expected = normal(asked)
    return expected.rstrip() == turn or any(expected + end == turn for end in ends)
