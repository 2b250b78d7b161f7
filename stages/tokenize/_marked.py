"""Which stretches of a rendered conversation are somebody's words, and which the template's own.

The conversation is rendered a second time with each text replaced by a mark that keeps the blanks around it; between
marks both renderings must be alike, letter by letter, which tells where each text stands. A template that looks into
texts and then writes something else fails this, and the row leaves: what cannot be told apart is not trained on.
Costs a second rendering.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CALL", "CONTENT", "REASONING", "Marked", "Marks", "NotAlike", "as_template"]

CONTENT, REASONING, CALL, OTHER = "content", "reasoning", "call", "other"
THINK = re.compile(r"(</?think>)")  # what templates look for in an assistant's text


class NotAlike(Exception):
    """The template writes something else when the texts are other ones."""


@dataclass(frozen=True)
class Run:
    """A text of a message, without the blanks around it."""

    message: int  # -1: of the tools
    kind: str
    body: str


@dataclass(frozen=True)
class Marked:
    """A text and where it stands in the rendering, in characters."""

    run: Run
    start: int
    end: int


@dataclass
class Marks:
    """Replaces texts by marks, and finds them again. `name`: stands in no text of the conversation."""

    name: str
    runs: list[Run] = field(default_factory=list)

    @staticmethod
    def of(texts: list[str]) -> Marks:
        """Marks that stand in none of the texts."""
        number = 0
        while any(f"Qx{number}z" in text for text in texts):
            number += 1
        return Marks(f"Qx{number}z")

    def put(self, text: str, message: int, kind: str) -> str:
        """The mark of a text, with its blanks; an empty one stays."""
        body = text.strip()
        if not body:
            return text
        start = text.index(body)
        self.runs.append(Run(message, kind, body))
        return f"{text[:start]}{self.name}{len(self.runs) - 1}q{text[start + len(body) :]}"

    def place(self, real: str, marked: str) -> list[Marked]:
        """Where the texts stand in the real rendering, in its order. Raises NotAlike."""
        parts = re.split(f"{self.name}([0-9]+)q", marked)
        found: list[Marked] = []
        at = 0
        for literal, number in zip(parts[::2], [*parts[1::2], ""], strict=True):
            if not real.startswith(literal, at):
                raise NotAlike
            at += len(literal)
            if number:
                run = self.runs[int(number)]
                following = parts[2 * len(found) + 2]
                end = _end(real, at, run.body, following)
                found.append(Marked(run, at, end))
                at = end
        if at != len(real):
            raise NotAlike
        return found


def _end(real: str, start: int, body: str, following: str) -> int:
    """Where a text ends that may be written as it is, or as JSON."""
    for written in (body, json.dumps(body, ensure_ascii=False)[1:-1], json.dumps(body)[1:-1]):
        end = start + len(written)
        if real.startswith(written, start) and real.startswith(following, end):
            return end
    raise NotAlike


# ---------------------------------------------------------------------------------------------- for the template

Put = Callable[[str, int, str], str]


def as_template(
    messages: list[dict[str, Any]], put: Put, mentions: Callable[[str], bool], *, texts: bool, thinks: bool = False
) -> list[dict[str, Any]]:
    """Messages as templates know them, each text as `put` gives it.

    `mentions`: whether a text must be kept apart from the template's own, wherever it stands. `texts`: arguments of
    tools stay JSON texts. `thinks`: marks of thinking in an assistant's text are left for the template to see.
    """

    def aside(text: str, message: int) -> str:
        return put(text, message, OTHER) if mentions(text) else text

    return [_message(each, at, (put, aside), (texts, thinks)) for at, each in enumerate(messages)]


def _message(
    message: dict[str, Any], at: int, puts: tuple[Put, Callable[[str, int], str]], how: tuple[bool, bool]
) -> dict[str, Any]:
    put, aside = puts
    texts, thinks = how
    content = message["content"] or ""
    parts = THINK.split(content) if thinks and message["role"] == "assistant" else [content]
    kinds = [REASONING if mark == "</think>" else CONTENT for mark in [*parts[1::2], ""]]
    said = [put(part, at, kind) for part, kind in zip(parts[::2], kinds, strict=True)]
    said[1:] = [mark + part for mark, part in zip(parts[1::2], said[1:], strict=True)]
    made: dict[str, Any] = {"role": message["role"], "content": "".join(said)}
    if message["reasoning"]:
        made["reasoning_content"] = put(message["reasoning"], at, REASONING)
    made |= {name: aside(message[name], at) for name in ("name", "tool_call_id") if message[name]}
    if message["tool_calls"]:
        made["tool_calls"] = [_call(call, at, puts, texts=texts) for call in message["tool_calls"]]
    return made


def _call(call: dict[str, Any], at: int, puts: tuple[Put, Callable[[str, int], str]], *, texts: bool) -> dict[str, Any]:
    put, aside = puts
    given = call["arguments"] or "{}"
    arguments: Any = None if texts else _object(given)
    if arguments is None:
        arguments = aside(given, at)
    function = {"name": put(call["name"] or "", at, CALL), "arguments": leaves(arguments, lambda text: aside(text, at))}
    named = {"id": aside(call["id"], at)} if call["id"] else {}
    return {**named, "type": "function", "function": function}


def _object(text: str) -> Any:
    """The JSON object that a text is, or None."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def leaves(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with each text in it changed, names of fields too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [leaves(each, change) for each in value]
    if isinstance(value, dict):
        return {change(name): leaves(each, change) for name, each in value.items()}
    return value
