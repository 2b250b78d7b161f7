"""A conversation as its template is given it: as it is, and once more with a mark in place of each text.

A mark keeps the blanks around its text, so that a template trims as it would, and tells where the text stands in what
the template writes. Conversations that differ in their texts alone have the same marked form: what the template makes
of that is rendered once, and kept (see `_scenes`).
Costs one walk through the messages.
"""

from __future__ import annotations

import json
import marshal
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ARGUMENT", "CALL", "CONTENT", "REASONING", "Clash", "Marks", "Run", "Talk", "talk_of"]

CONTENT, REASONING, CALL, ARGUMENT, OTHER = "content", "reasoning", "call", "argument", "other"
THINK = re.compile(r"(</?think>)")  # what templates look for in an assistant's text
CANONICAL = 2  # of marshal: the last version in which equal values are equal bytes

Pair = tuple[Any, Any]  # a value as it is, and with marks
Change = Callable[[str], Pair]
Mentions = Callable[[str], bool]


class Clash(Exception):
    """A text of the conversation holds the mark itself."""


@dataclass(frozen=True)
class Run:
    """What a mark stands for: a text of a message (-1: of the tools), without the blanks around it."""

    message: int
    kind: str


@dataclass
class Marks:
    """Replaces texts by marks. `name`: stands in no text of the conversation, else Clash is raised."""

    name: str
    runs: list[Run] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def put(self, text: str, message: int, kind: str) -> Pair:
        """A text, and its mark with the text's blanks; an empty one stays."""
        body = text.strip()
        if not body:
            return text, text
        if self.name in body:
            raise Clash
        mark = f"{self.name}{len(self.bodies)}q"
        self.runs.append(Run(message, kind))
        self.bodies.append(body)
        if len(body) == len(text):
            return text, mark
        start = text.index(body)
        return text, f"{text[:start]}{mark}{text[start + len(body) :]}"

    def plain(self, text: str) -> Pair:
        """A text that stays as it is."""
        if self.name in text:
            raise Clash
        return text, text


@dataclass(frozen=True)
class Talk:
    """A conversation and its tools, both as pairs: as they are, and marked."""

    messages: tuple[list[Any], list[Any]]
    tools: Pair
    marks: Marks

    @property
    def key(self) -> bytes:
        """Equal for conversations that a template cannot tell apart, once they are marked."""
        return marshal.dumps((self.marks.name, self.messages[1], self.tools[1]), CANONICAL)


def talk_of(
    given: tuple[list[dict[str, Any]], Any], mentions: Mentions, name: str, *, texts: bool, thinks: bool
) -> Talk:
    """Messages and tools (`given`) as templates know them, and with marks of a name. Raises Clash.

    `mentions`: whether a text must be kept apart from the template's own, wherever it stands. `texts`: arguments of
    tools stay JSON texts. `thinks`: marks of thinking in an assistant's text are left for the template to see.
    """
    messages, tools = given
    marks = Marks(name)
    writer = _Writer(marks, mentions, texts=texts, thinks=thinks)
    told = writer.leaves(tools, *[lambda text: writer.aside(text, -1)] * 2)
    pairs = [writer.message(each, at) for at, each in enumerate(messages)]
    return Talk(([one for one, _ in pairs], [other for _, other in pairs]), told, marks)


@dataclass(frozen=True)
class _Writer:
    marks: Marks
    mentions: Mentions
    texts: bool
    thinks: bool

    def aside(self, text: str, message: int) -> Pair:
        """A text that stays as it is, unless it could be taken for a control token."""
        return self.marks.put(text, message, OTHER) if self.mentions(text) else self.marks.plain(text)

    def message(self, message: dict[str, Any], at: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """A message, for which templates have names of their own."""
        said, marked = self._content(message, at)
        real, other = {"role": message["role"], "content": said}, {"role": message["role"], "content": marked}
        more: dict[str, Pair] = {}
        if message["reasoning"]:
            more["reasoning_content"] = self.marks.put(message["reasoning"], at, REASONING)
        for name in ("name", "tool_call_id"):
            if message[name]:
                more[name] = self.aside(message[name], at)
        if message["tool_calls"]:
            more["tool_calls"] = _parted([self._call(call, at) for call in message["tool_calls"]])
        for name, (one, two) in more.items():
            real[name], other[name] = one, two
        return real, other

    def _content(self, message: dict[str, Any], at: int) -> Pair:
        content: str = message["content"] or ""
        if not self.thinks or message["role"] != "assistant":
            return self.marks.put(content, at, CONTENT)
        parts = THINK.split(content)
        kinds = [REASONING if mark == "</think>" else CONTENT for mark in [*parts[1::2], ""]]
        marked = [self.marks.put(part, at, kind)[1] for part, kind in zip(parts[::2], kinds, strict=True)]
        marked[1:] = [mark + part for mark, part in zip(parts[1::2], marked[1:], strict=True)]
        return content, "".join(marked)

    def _call(self, call: dict[str, Any], at: int) -> Pair:
        given = call["arguments"] or "{}"
        value = None if self.texts else _object(given)
        name = self.marks.put(call["name"] or "", at, CALL)

        def leaf(text: str) -> Pair:
            return self.marks.put(text, at, ARGUMENT)

        arguments = leaf(given) if value is None else self.leaves(value, leaf, lambda text: self.aside(text, at))
        made = [
            {"type": "function", "function": {"name": one, "arguments": other}}
            for one, other in zip(name, arguments, strict=True)
        ]
        if call["id"]:
            for each, value in zip(made, self.aside(call["id"], at), strict=True):
                each["id"] = value
        return made[0], made[1]

    def leaves(self, value: Any, change: Change, names: Change) -> Pair:
        """A JSON value as it is, and with each text and each name of a field in it changed."""
        if isinstance(value, str):
            return change(value)
        if isinstance(value, list):
            return _parted([self.leaves(each, change, names) for each in value])
        if isinstance(value, dict):
            named = [(names(name), self.leaves(each, change, names)) for name, each in value.items()]
            return {one[0]: other[0] for one, other in named}, {one[1]: other[1] for one, other in named}
        return value, value


def _parted(pairs: list[Pair]) -> Pair:
    return [one for one, _ in pairs], [other for _, other in pairs]


def _object(text: str) -> Any:
    """The JSON object that a text is, or None."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
