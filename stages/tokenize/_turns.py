"""A conversation as its template renders it: where each turn of the assistant stands, and whether it may be trained.

A turn begins where the rendering of all before it, with the prompt to speak, ends; it ends with the control token that
closes it. What a model would be asked for at inference is rendered too: a turn that lacks something that its message
holds fails, and one that differs only in what the template adds is counted as rewritten.
Costs two renderings of the conversation, and two up to each trained turn.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from stages.tokenize._marked import CALL, CONTENT, REASONING, Marked, Marks, NotAlike, as_template, leaves
from stages.tokenize._template import TemplateFault
from stages.tokenize._tokenizer import Speech, Tokenizer

__all__ = ["ROLES", "Fault", "Rendered", "Turn", "render"]

ROLES = ("system", "developer", "user", "assistant", "tool")
UNKNOWN_ROLE = "unknown_role"
REFUSED = "template_refuses"
FAILS = "template_fails"
READS = "template_reads_text"
NOT_FOUND = "turn_not_found"
NO_END = "no_end_of_turn"
LOST = "text_lost"
TOOLS = "tools_are_no_json"
NOTHING = "nothing_trained"
OTHERS = "trains_other_role"
CLOSES = re.compile(r"</think>\s*")


class Fault(Exception):
    """Why a conversation cannot be trained on; `reason` is what it leaves with."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Turn:
    """Characters [start, end) of the rendering, its end of turn within, and the weight of its tokens.

    `closed`: the template has written the end of turn; else the tokenizer's own follows the last token.
    """

    start: int
    end: int
    weight: float
    closed: bool


@dataclass(frozen=True)
class Rendered:
    """A conversation as text. `words`: stretches that are somebody's, [start, end) in order.

    `dropped`, `added`: characters of messages that are not in the text, and of assistant turns that are in no message.
    `lost`: trained turns without their reasoning. `rewritten`: trained turns that differ from those at inference.
    """

    text: str
    turns: tuple[Turn, ...]
    words: tuple[tuple[int, int], ...]
    dropped: int
    added: int
    lost: int
    rewritten: int


@dataclass
class _Scene:
    """A conversation that is being rendered: what the template is given, and what it makes of it."""

    speech: Speech
    tokenizer: Tokenizer
    given: list[dict[str, Any]]
    tools: Any
    text: str
    placed: list[Marked]
    runs: dict[tuple[int, str], int] = field(default_factory=dict)  # characters of texts, by message and kind


def render(messages: list[dict[str, Any]], tools: str | None, tokenizer: Tokenizer, turns: str) -> Rendered:
    """Render a conversation and find the turns to train: all, or the last. Raises Fault."""
    speech = tokenizer.speech
    assert speech is not None
    trained = _trained(messages, turns)
    scene = _scene(messages, _tools(tools), speech, tokenizer)
    made, lost, rewritten, added = [], 0, 0, 0
    for at in (at for at, each in enumerate(messages) if each["role"] == "assistant"):
        mine = [one for one in scene.placed if one.run.message == at]
        if at not in trained:
            continue
        turn, as_asked = _turn(scene, at, mine, trained[at])
        made.append(_behind_reasoning(turn, mine, scene.text) if messages[at]["reasoning_train"] is False else turn)
        rewritten += not as_asked
        lost += _lost_reasoning(scene, at, mine)
        added += turn.end - turn.start - sum(one.end - one.start for one in mine)
    shown = sum(len(run.body) for run in {id(one.run): one.run for one in scene.placed}.values())
    return Rendered(
        text=scene.text,
        turns=tuple(made),
        words=tuple((one.start, one.end) for one in scene.placed),
        dropped=sum(scene.runs.values()) - shown,
        added=added,
        lost=lost,
        rewritten=rewritten,
    )


def _trained(messages: list[dict[str, Any]], turns: str) -> dict[int, float]:
    """Numbers and weights of the messages that carry loss."""
    if any(each["role"] not in ROLES for each in messages):
        raise Fault(UNKNOWN_ROLE)
    if any(each["train"] and each["role"] != "assistant" for each in messages):
        raise Fault(OTHERS)
    spoken = [at for at, each in enumerate(messages) if each["role"] == "assistant"]
    chosen = spoken[-1:] if turns == "last" else spoken
    weights = {at: 1.0 if messages[at]["weight"] is None else float(messages[at]["weight"]) for at in chosen}
    found = {at: weight for at, weight in weights.items() if weight and messages[at]["train"] is not False}
    if not found:
        raise Fault(NOTHING)
    return found


def _tools(text: str | None) -> Any:
    """What may be called, as templates know it: none rather than an empty list."""
    try:
        told = json.loads(text) if text else None
    except (ValueError, RecursionError):
        raise Fault(TOOLS) from None
    if told is not None and not isinstance(told, list):
        raise Fault(TOOLS)
    return told or None


def _write(speech: Speech, given: list[dict[str, Any]], tools: Any, *, prompt: bool = False) -> str:
    try:
        return speech.template.render(given, tools, prompt=prompt)
    except TemplateFault as fault:
        raise Fault(REFUSED if fault.refused else FAILS) from None


def _scene(messages: list[dict[str, Any]], tools: Any, speech: Speech, tokenizer: Tokenizer) -> _Scene:
    """The conversation as it is rendered, with the places of its texts."""
    texts: list[str] = []

    def kept(text: str, _message: int, _kind: str) -> str:
        texts.append(text)
        return text

    given = as_template(messages, kept, lambda _text: True, texts=speech.texts)
    leaves(tools, lambda text: kept(text, -1, CONTENT))
    text = _write(speech, given, tools)
    for thinks in (False, True):
        marks = Marks.of(texts)
        marked = as_template(messages, marks.put, tokenizer.mentions, texts=speech.texts, thinks=thinks)
        apart = leaves(tools, partial(_aside, marks=marks, tokenizer=tokenizer))
        try:
            placed = marks.place(text, _write(speech, marked, apart))
        except NotAlike:
            continue
        counted: dict[tuple[int, str], int] = {}
        for run in marks.runs:
            counted[run.message, run.kind] = counted.get((run.message, run.kind), 0) + len(run.body)
        return _Scene(speech, tokenizer, given, tools, text, placed, counted)
    raise Fault(READS)


def _aside(text: str, *, marks: Marks, tokenizer: Tokenizer) -> str:
    """A text of the tools, marked where it could be taken for a control token."""
    return marks.put(text, -1, CALL) if tokenizer.mentions(text) else text


def _lost_reasoning(scene: _Scene, at: int, mine: list[Marked]) -> bool:
    return (at, REASONING) in scene.runs and not any(one.run.kind == REASONING for one in mine)


def _turn(scene: _Scene, at: int, mine: list[Marked], weight: float) -> tuple[Turn, bool]:
    """A turn, and whether it is what the template renders at inference."""
    for kind in (CONTENT, CALL):
        shown = sum(len(one.run.body) for one in mine if one.run.kind == kind)
        if shown < scene.runs.get((at, kind), 0):
            raise Fault(LOST)
    if not mine:
        raise Fault(NOT_FOUND)
    before = _write(scene.speech, scene.given[:at], scene.tools, prompt=True)
    start = _start(scene, before, mine[0])
    end, closed = _end(scene, at, mine[-1])
    return Turn(start, end, weight, closed), _as_asked(scene, at, before, scene.text[start:end])


def _behind_reasoning(turn: Turn, mine: list[Marked], text: str) -> Turn:
    """The turn from the first word behind its reasoning on; whole where the template shows none."""
    thought = max((one.end for one in mine if one.run.kind == REASONING), default=None)
    if thought is None:
        return turn
    said = min((one for one in mine if one.start >= thought), key=lambda one: one.start, default=None)
    following = turn.end if said is None else said.start
    closed = CLOSES.search(text, thought, following)
    if closed is not None:
        return replace(turn, start=closed.end())
    # Another mark than </think>: an answer begins with its first word, a call with what the template puts before it.
    return replace(turn, start=thought if said is None or said.run.kind == CALL else following)


def _start(scene: _Scene, before: str, first: Marked) -> int:
    """Where a turn begins whose first text is known."""
    previous = max((one.end for one in scene.placed if one.start < first.start), default=0)
    start = len(before)
    if not scene.text.startswith(before):
        header = scene.speech.header
        start = scene.text.rfind(header, previous, first.start) + len(header) if header else -1
        if start < len(header):
            raise Fault(NOT_FOUND)
    if not previous <= start <= first.start:
        raise Fault(NOT_FOUND)
    return start


def _end(scene: _Scene, at: int, last: Marked) -> tuple[int, bool]:
    """Where a turn ends whose last text is known, and whether the template has written its end."""
    following = min((one.start for one in scene.placed if one.start >= last.end), default=len(scene.text))
    literal = scene.text[last.end : following]
    found = scene.tokenizer.controls(literal)
    wanted = None if scene.speech.end is None else scene.tokenizer.control[scene.speech.end]
    for _, end, token in found:
        if token == wanted or (wanted is None and token in scene.tokenizer.closing):
            return last.end + end, True
    if following < len(scene.text) or scene.tokenizer.token("eos_token") is None:
        raise Fault(NO_END)
    said: str = scene.given[at]["content"]
    blanks = said[len(said.rstrip()) :]
    own = len(blanks) if literal == blanks else len(literal.rstrip())
    return last.end + own, False


def _as_asked(scene: _Scene, at: int, before: str, turn: str) -> bool:
    """Whether a model that is asked for the turn would be asked for this text, after the same before it."""
    asked = scene.text if at == len(scene.given) - 1 else _write(scene.speech, scene.given[: at + 1], scene.tools)
    if not (asked.startswith(before) and scene.text.startswith(before)):
        return False
    said = asked[len(before) :]
    if said.startswith(turn):
        return True
    body = said.rstrip()  # the next message ends the turn, as in ChatGLM
    return bool(body) and turn.startswith(body) and turn[len(body) :].strip() in scene.tokenizer.control
