"""A conversation as its template renders it: where each turn of the assistant stands, and whether it may be trained.

Checked on every row: the rendering itself, which must be that of the marks with the texts in their places; that a
trained turn holds all texts of its message and begins where the assistant is asked to speak; later, in `_encode`, its
tokens. Whether a turn reads as at inference is known for the row's shape (see `_scenes`), for templates see nothing
else of a row. Where they may: a text holds what the template looks for (`<think>`), or is compared with, the turns are
rendered from the texts themselves, as is one row in EVERY, by hash: one that differs from its shape is not trained on.
Costs a rendering of the conversation, and of each shape that is met (see `_scenes`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import xxhash

from stages.tokenize._marked import ARGUMENT, CALL, REASONING, Clash, Talk, talk_of
from stages.tokenize._scenes import FAILS, LONG, Fault, Found, Scene, Shape, shape_of, write
from stages.tokenize._tokenizer import Tokenizer

__all__ = ["ROLES", "Fault", "Rendered", "Turn", "render"]

ROLES = ("system", "developer", "user", "assistant", "tool")
UNKNOWN_ROLE = "unknown_role"
READS = "template_reads_text"
TOOLS = "tools_are_no_json"
NOTHING = "nothing_trained"
OTHERS = "trains_other_role"
UNPAIRED = "unpaired_surrogate"
EVERY = 32  # rows
CLOSES = re.compile(r"</think>\s*")


@dataclass(frozen=True)
class Turn:
    """Characters [start, end) of the rendering, its end of turn within, and the weight of its tokens.

    `closed`: the template has written the end of turn; else the tokenizer's own follows the last token. `message`: its
    number. `added`: characters that are in no text of the message.
    """

    start: int
    end: int
    weight: float
    closed: bool
    message: int
    added: int


@dataclass(frozen=True)
class Rendered:
    """A conversation as text. `controls`: [start, end) and id of each control token in it.

    `dropped`: characters of each message that are not in the text, those of the tools last. `lost`: trained turns
    without their reasoning. `rewritten`: trained turns that differ from those at inference.
    """

    text: str
    turns: tuple[Turn, ...]
    controls: list[tuple[int, int, int]]
    dropped: list[int]
    lost: int
    rewritten: int


def render(messages: list[dict[str, Any]], tools: str | None, tokenizer: Tokenizer, turns: str) -> Rendered:
    """Render a conversation and find the turns to train: all, or the last. Raises Fault."""
    trained = _trained(messages, turns)
    try:
        talk, shape, scene = _scene(messages, _tools(tools), tokenizer)
    except RecursionError:
        raise Fault(FAILS) from None
    looked = len(messages) <= LONG and scene.speech.template.looks(talk.marks.bodies)
    sampled = len(messages) <= LONG and _sampled(scene.text)
    found, made = list[Found](), list[Turn]()
    for at, weight in trained.items():
        one = scene.turn(at) if looked else _moved(shape.turn(at), shape, scene)
        if sampled and not looked and one != scene.turn(at):
            raise Fault(READS)
        found.append(one)
        texts = sum(end - start for start, end in (scene.spots[spot] for spot in one.mine))
        start = _behind_reasoning(one, scene) if messages[at]["reasoning_train"] is False else one.start
        made.append(Turn(start, one.end, weight, one.closed, message=at, added=one.end - one.start - texts))
    return Rendered(
        text=scene.text,
        turns=tuple(made),
        controls=list(_controls(shape, scene)),
        dropped=_dropped(talk, shape, len(messages)),
        lost=sum(one.lost for one in found),
        rewritten=sum(not one.as_asked for one in found),
    )


def _behind_reasoning(found: Found, scene: Scene) -> int:
    """Where the first word behind a turn's reasoning stands; its start where the template shows no reasoning."""
    kinds = {spot: scene.runs[scene.order[spot]].kind for spot in found.mine}
    thought = max((scene.spots[spot][1] for spot, kind in kinds.items() if kind == REASONING), default=None)
    if thought is None:
        return found.start
    said = min((spot for spot in found.mine if scene.spots[spot][0] >= thought), default=None)
    following = found.end if said is None else scene.spots[said][0]
    closed = CLOSES.search(scene.text, thought, following)
    if closed is not None:
        return closed.end()
    # Another mark than </think>: an answer begins with its first word, a call with what the template puts before it.
    return thought if said is None or kinds[said] in {CALL, ARGUMENT} else following


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


def _scene(messages: list[dict[str, Any]], tools: Any, tokenizer: Tokenizer) -> tuple[Talk, Shape, Scene]:
    """The conversation as it is rendered, with the places of its texts, and its shape. Raises Fault."""
    speech, text = tokenizer.speech, None
    assert speech is not None
    for thinks in (False, True):
        talk = _talk(messages, tools, tokenizer, thinks=thinks)
        (given, _), (told, _) = talk.messages, talk.tools
        if text is None:
            text = write(speech, given, told)
        shape = shape_of(talk, speech, tokenizer)
        spots = shape.place(text, talk.marks.bodies)
        if spots is not None:
            order = shape.scene.order
            return talk, shape, Scene(speech, tokenizer, given, told, text, spots, order, talk.marks.runs)
    raise Fault(READS)


def _talk(messages: list[dict[str, Any]], tools: Any, tokenizer: Tokenizer, *, thinks: bool) -> Talk:
    """The conversation with marks that stand in none of its texts."""
    speech = tokenizer.speech
    assert speech is not None
    for number in count():
        try:
            return talk_of((messages, tools), tokenizer.mentions, f"Qx{number}z", texts=speech.texts, thinks=thinks)
        except Clash:
            continue
    raise AssertionError


def _sampled(text: str) -> bool:
    """Whether a row is rendered in full, turn by turn. Raises Fault for what is no Unicode."""
    try:
        return xxhash.xxh3_64_intdigest(text.encode()) % EVERY == 0
    except UnicodeEncodeError:  # an escape in JSON for half of a pair of surrogates
        raise Fault(UNPAIRED) from None


def _moved(found: Found, shape: Shape, scene: Scene) -> Found:
    """A turn of the shape in the row's own rendering."""
    start, end = (shape.moved(position, scene.spots) for position in (found.start, found.end))
    return found._replace(start=start, end=end)


def _controls(shape: Shape, scene: Scene) -> Iterator[tuple[int, int, int]]:
    """Control tokens that the template has written."""
    at = 0
    for number, controls in enumerate(shape.controls):
        for start, end, token in controls:
            yield at + start, at + end, token
        at = scene.spots[number][1] if number < len(scene.spots) else at


def _dropped(talk: Talk, shape: Shape, messages: int) -> list[int]:
    """Characters of texts that are not in the rendering, by message; those of the tools come last."""
    found = [0] * (messages + 1)
    for run in shape.missing:
        found[talk.marks.runs[run].message] += len(talk.marks.bodies[run])
    return found
