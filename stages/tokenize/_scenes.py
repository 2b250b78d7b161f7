"""What a template makes of a conversation whose texts are marks: kept, for conversations differ in texts alone.

A scene is a rendering with the places of its texts, and finds the turns in it. That of the marks is made once for all
conversations of one shape: roles, empty texts, blanks around texts, names, tools and the form of arguments. What it
says is carried over to the real rendering of a row through the texts' places, and only if both are alike, letter by
letter, between the texts.
A turn begins where the rendering of all before it, with the prompt to speak, ends, and reads as at inference if the
rendering that ends with it says so: two renderings a turn, each up to the turn. Where there are more than LONG
messages before a turn, these begin with the last round but WINDOW messages, behind what the system says, so that the
work is linear in turns.
Costs a rendering for a shape and two for each of its turns to train; see `Kept` for the memory.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from stages.tokenize._marked import ARGUMENT, CALL, CONTENT, REASONING, Run, Talk
from stages.tokenize._template import TemplateFault
from stages.tokenize._tokenizer import Speech, Tokenizer

__all__ = ["FAILS", "LOST", "NOT_FOUND", "NO_END", "REFUSED", "Fault", "Found", "Scene", "Shape", "shape_of", "write"]

REFUSED = "template_refuses"
FAILS = "template_fails"
NOT_FOUND = "turn_not_found"
NO_END = "no_end_of_turn"
LOST = "text_lost"
LONG = 64  # messages
WINDOW = 16  # messages, and the rest of their round


class Fault(Exception):
    """Why a conversation cannot be trained on; `reason` is what it leaves with."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def write(speech: Speech, given: list[dict[str, Any]], tools: Any, *, prompt: bool = False) -> str:
    """What the template makes of messages. Raises Fault."""
    try:
        return speech.template.render(given, tools, prompt=prompt)
    except TemplateFault as fault:
        raise Fault(REFUSED if fault.refused else FAILS) from None


class Found(NamedTuple):
    """A turn in a scene, characters [start, end).

    `closed`: the template has written its end; else the tokenizer's own end of text follows. `as_asked`: it reads as at
    inference. `lost`: its reasoning is left out. `mine`: which of the scene's spots are its texts.
    """

    start: int
    end: int
    closed: bool
    as_asked: bool
    lost: bool
    mine: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """A conversation as the template renders it. `spots`: where texts stand, in order; `order`: whose they are."""

    speech: Speech
    tokenizer: Tokenizer
    given: list[dict[str, Any]]
    tools: Any
    text: str
    spots: list[tuple[int, int]]
    order: list[int]
    runs: list[Run]

    @cached_property
    def _spots_of(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for spot, run in enumerate(self.order):
            found.setdefault(self.runs[run].message, []).append(spot)
        return found

    @cached_property
    def _told(self) -> Counter[tuple[int, str]]:
        """How many texts each message has of each kind."""
        return Counter((run.message, run.kind) for run in self.runs)

    def turn(self, at: int) -> Found:
        """The turn of a message. Raises Fault."""
        mine = self._spots_of.get(at, [])
        shown = Counter(self.runs[run].kind for run in {self.order[spot] for spot in mine})
        if any(shown[kind] < self._told[at, kind] for kind in (CONTENT, CALL, ARGUMENT)):
            raise Fault(LOST)
        if not mine:
            raise Fault(NOT_FOUND)
        first, behind = self._before(at)
        before = write(self.speech, first, self.tools, prompt=True)
        same = self._same(before, behind)
        start = self._start(mine[0], same)
        end, closed = self._end(at, mine[-1])
        whole = at == len(self.given) - 1 and not behind
        asked = self.text if whole else write(self.speech, [*first, self.given[at]], self.tools)
        as_asked = same is not None and asked.startswith(before)
        return Found(
            start,
            end,
            closed,
            as_asked=as_asked and self._reads(asked[len(before) :], self.text[start:end]),
            lost=shown[REASONING] < self._told[at, REASONING] and not shown[REASONING],
            mine=tuple(mine),
        )

    def _before(self, at: int) -> tuple[list[dict[str, Any]], int]:
        """The messages before one: all, or the last rounds; and the number of the first of these, 0 for all."""
        if at <= LONG:
            return self.given[:at], 0
        first = at - WINDOW
        while first and self.given[first]["role"] != "user":
            first -= 1
        system = self.given[:1] if first and self.given[0]["role"] in {"system", "developer"} else []
        return [*system, *self.given[first:at]], first

    def _same(self, before: str, behind: int) -> int | None:
        """Where what is rendered before a turn ends in the scene, if the scene says the same; of a part, its end."""
        if not behind:
            return len(before) if self.text.startswith(before) else None
        spot = next(iter(self._spots_of.get(behind, ())), None)
        if spot is None:
            return None
        low, high = self.spots[spot]
        tail = before[before.find(self.text[low:high]) :]
        return low + len(tail) if self.text.startswith(tail, low) else None

    def _start(self, first: int, same: int | None) -> int:
        """Where a turn begins whose first text is known."""
        previous = self.spots[first - 1][1] if first else 0
        limit = self.spots[first][0]
        start = same
        if start is None:
            header = self.speech.header
            found = self.text.rfind(header, previous, limit) if header else -1
            start = found + len(header) if found >= 0 else -1
        if not previous <= start <= limit:
            raise Fault(NOT_FOUND)
        return start

    def _end(self, at: int, last: int) -> tuple[int, bool]:
        """Where a turn ends whose last text is known, and whether the template has written its end."""
        end = self.spots[last][1]
        following = self.spots[last + 1][0] if last + 1 < len(self.spots) else len(self.text)
        literal = self.text[end:following]
        wanted = None if self.speech.end is None else self.tokenizer.control[self.speech.end]
        for _, stop, token in self.tokenizer.controls(literal):
            if token == wanted or (wanted is None and token in self.tokenizer.closing):
                return end + stop, True
        if following < len(self.text) or self.tokenizer.token("eos_token") is None:
            raise Fault(NO_END)
        said: str = self.given[at]["content"]
        blanks = said[len(said.rstrip()) :]
        return end + (len(blanks) if literal == blanks else len(literal.rstrip())), False

    def _reads(self, asked: str, turn: str) -> bool:
        """Whether a turn is what a model would be asked for."""
        if asked.startswith(turn):
            return True
        body = asked.rstrip()  # the next message ends the turn, as in ChatGLM
        return bool(body) and turn.startswith(body) and turn[len(body) :].strip() in self.tokenizer.control


# ---------------------------------------------------------------------------------------------- of marks


@dataclass(frozen=True)
class Shape:
    """The scene of the marks. `literals`: what the template writes around them, and the control tokens in each."""

    scene: Scene
    literals: list[str]
    controls: list[tuple[tuple[int, int, int], ...]]
    _turns: dict[int, Found | Fault] = field(default_factory=dict)

    def turn(self, at: int) -> Found:
        """The turn of a message, looked for once. Raises Fault."""
        found = self._turns.get(at)
        if found is None:
            try:
                found = self.scene.turn(at)
            except Fault as fault:
                found = Fault(fault.reason)
            self._turns[at] = found
        if isinstance(found, Fault):
            raise Fault(found.reason)
        return found

    def place(self, real: str, bodies: Sequence[str]) -> list[tuple[int, int]] | None:
        """Where texts stand in the real rendering; None if it is not like that of the marks."""
        found, at, literals = [], 0, self.literals
        if not real.startswith(literals[0]):
            return None
        at = len(literals[0])
        for number, run in enumerate(self.scene.order, 1):
            body, following = bodies[run], literals[number]
            end = at + len(body)
            if not (real.startswith(body, at) and real.startswith(following, end)):
                end = _escaped(real, at, body, following)
                if end < 0:
                    return None
            found.append((at, end))
            at = end + len(following)
        return found if at == len(real) else None

    def moved(self, position: int, spots: list[tuple[int, int]]) -> int:
        """A position that is in no mark, in the real rendering; `spots`: where its texts stand."""
        at = bisect_right(self._ends, position)
        return position - self._ends[at - 1] + spots[at - 1][1] if at else position

    @cached_property
    def missing(self) -> list[int]:
        """Texts that the template leaves out."""
        shown = set(self.scene.order)
        return [run for run in range(len(self.scene.runs)) if run not in shown]

    @cached_property
    def _ends(self) -> list[int]:
        return [end for _, end in self.scene.spots]


def _escaped(real: str, start: int, body: str, following: str) -> int:
    """Where a text ends that is written as JSON; -1 if it is not there."""
    for written in (json.dumps(body, ensure_ascii=False)[1:-1], json.dumps(body)[1:-1]):
        end = start + len(written)
        if real.startswith(written, start) and real.startswith(following, end):
            return end
    return -1


def shape_of(talk: Talk, speech: Speech, tokenizer: Tokenizer) -> Shape:
    """The shape of a conversation: the one that is kept, or a new one. Raises Fault."""
    key = talk.key
    found: Shape | None = speech.kept.get(key)
    if found is None:
        found = _shape(talk, speech, tokenizer)
        speech.kept.put(key, found, len(key) + 2 * len(found.scene.text))
    return found


def _shape(talk: Talk, speech: Speech, tokenizer: Tokenizer) -> Shape:
    text = write(speech, talk.messages[1], talk.tools[1])
    parts = re.split(f"{talk.marks.name}([0-9]+)q", text)
    order, literals = [int(number) for number in parts[1::2]], parts[::2]
    spots, at = [], 0
    for literal, number in zip(literals, parts[1::2], strict=False):
        start = at + len(literal)
        at = start + len(talk.marks.name) + len(number) + 1
        spots.append((start, at))
    if any(number >= len(talk.marks.runs) for number in order):
        raise Fault(FAILS)  # the template writes marks of its own
    scene = Scene(speech, tokenizer, talk.messages[1], talk.tools[1], text, spots, order, talk.marks.runs)
    return Shape(scene, literals, [tokenizer.controls(literal) for literal in literals])
