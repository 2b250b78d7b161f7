"""One turn of a conversation as others write it, and as a message of `datapipe.schema.MESSAGE`; both ways.

A style names the keys and words of a form. What a message has no place for (fields unknown here, how the role was
spelled, in which shape calls and contents stood) is the turn's *shape*: a small dict without any text of the message,
from which, with the message as it is now, the turn is written again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import orjson

from datapipe.algo.fields import as_json

__all__ = [
    "BAD_CALL",
    "DIALOGUE",
    "MESSAGES",
    "NOT_TEXT",
    "ROLES",
    "SHAREGPT",
    "TREE",
    "UNKNOWN_ROLE",
    "Message",
    "Shape",
    "Style",
    "Unfit",
    "read_turn",
    "write_turn",
]

UNKNOWN_ROLE, NOT_TEXT, BAD_CALL = "unknown_role", "not_text", "bad_call"
CALL = "call"  # a turn that is nothing but calls of tools, as JSON
_MESSAGE = dict.fromkeys(
    ("role", "content", "reasoning", "tool_calls", "tool_call_id", "name", "train", "weight", "reasoning_train")
)  # all null

# Words that others use for the roles: ShareGPT, FastChat, OpenAI, OpenAssistant, LLaMA-Factory, ms-swift, MOSS.
ROLES: dict[str, str] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "chatbot", "model", "chatgpt", "bard", "bing", "claude"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response", "ipython"), "tool"),
    **dict.fromkeys(("function_call", "tool_call", "function-call"), CALL),
}

Message: TypeAlias = dict[str, Any]
Shape: TypeAlias = dict[str, Any]


class Unfit(Exception):
    """A record that is no conversation; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Style:
    """Keys of the role (None: turns alternate without one) and of the content, and words of the roles if not ours.

    `flat`: a call is {name, arguments}, not {type, function: {name, arguments}}; `parsed`: its arguments are JSON
    values, not JSON in a string.
    """

    role: str | None
    content: str
    words: Mapping[str, str] = field(default_factory=dict)
    flat: bool = False
    parsed: bool = False


MESSAGES = Style("role", "content")
SHAREGPT = Style(
    "from",
    "value",
    {"user": "human", "assistant": "gpt", "tool": "observation", CALL: "function_call"},
    flat=True,
    parsed=True,
)
TREE = Style("role", "text", {"user": "prompter"})
DIALOGUE = Style(None, "message")

_REASONING = ("reasoning_content", "reasoning", "thinking")
_WEIGHT = ("weight", "loss_weight", "loss")
_FIELDS = {"tool_call_id": str, "name": str, "train": bool, "reasoning_train": bool}
_MOST_WEIGHT = 1e38  # what a float32 holds
_PART_TEXT = ("text", "value", "content", "thinking", "reasoning")
_TEXTS = frozenset({"text", "input_text", "output_text"})
_THOUGHTS = frozenset({"reasoning", "thinking"})
_CALLS = frozenset({"tool_call", "tool_use", "function_call"})

# ---------------------------------------------------------------------------------------------- reading


def read_turn(given: Any, style: Style, roles: Mapping[str, str], *, speaker: str = "user") -> tuple[Message, Shape]:
    """The message and the shape of a turn; `speaker` is whose turn it is where turns do not say so.

    Raises Unfit for a role that `roles` (word → role) does not know, and for contents that are no text.
    """
    if style.role is None and isinstance(given, str):
        return {**_MESSAGE, "role": speaker, "content": text_of(given)}, {"bare": True}
    if not isinstance(given, dict):
        raise Unfit(NOT_TEXT)
    rest, shape, message = dict(given), Shape(), dict(_MESSAGE)
    role = speaker
    if style.role is not None:
        word = rest.pop(style.role, None)
        role = _role(word, roles)
        if word != style.words.get(role, role):
            shape["role"] = word
    message["role"] = "assistant" if role == CALL else role
    _read_content(message, shape, rest.pop(style.content, _ABSENT))
    if role == CALL:
        _read_call_turn(message, shape)
    _read_fields(message, shape, rest, style)
    if rest:
        shape["rest"] = rest
    return message, shape


class _Absent:
    """Stands for a key that is not there."""


_ABSENT = _Absent()


def _role(word: Any, roles: Mapping[str, str]) -> str:
    role = (roles.get(word) or roles.get(word.strip().lower())) if isinstance(word, str) else None
    if role is None:
        raise Unfit(UNKNOWN_ROLE)
    return role


def text_of(value: Any) -> str:
    """A text; raises Unfit for anything else, and for bytes in disguise, which a NUL gives away."""
    if not isinstance(value, str) or "\0" in value:
        raise Unfit(NOT_TEXT)
    return value


def _read_content(message: Message, shape: Shape, value: Any) -> None:
    if isinstance(value, list):
        _read_parts(message, shape, value)
    elif value is None:
        shape["null"] = True
    elif value is not _ABSENT:
        message["content"] = text_of(value)


def _read_parts(message: Message, shape: Shape, parts: list[Any]) -> None:
    """Contents as a list of parts: texts are joined, reasoning and calls have their own places."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Any] = []
    shape["parts"] = "text"
    for part in parts:
        kind = "text" if isinstance(part, str) else part.get("type") if isinstance(part, dict) else None
        key = next((key for key in _PART_TEXT if isinstance(part, dict) and key in part), "")
        value = part if isinstance(part, str) else part[key] if key else None
        if key in {"text", "value"}:
            shape["parts"] = key
        if kind in _TEXTS:
            texts.append(text_of(value))
        elif kind in _THOUGHTS:
            thoughts.append(text_of(value))
        elif kind in _CALLS:
            calls += _json_calls(value if key else part)
        else:  # an image, a sound
            raise Unfit(NOT_TEXT)
    message["content"] = "".join(texts) if texts else None
    message["reasoning"] = "".join(thoughts) if thoughts else None
    if calls:
        _take_calls(message, shape, calls, style=_IN_JSON)


def _read_call_turn(message: Message, shape: Shape) -> None:
    """A turn whose content is its calls, as JSON."""
    calls = _json_calls(message["content"])
    shape["call"] = "one" if len(calls) == 1 and message["content"].lstrip().startswith("{") else "list"
    message["content"] = None
    _take_calls(message, shape, calls, style=_IN_JSON)


def _json_calls(value: Any) -> list[Any]:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list) or not found:
        raise Unfit(BAD_CALL)
    return found


def _read_fields(message: Message, shape: Shape, rest: dict[str, Any], style: Style) -> None:
    """Take the fields that a message has a place for out of `rest`; null stays there, which is as good as not there."""
    if isinstance(rest.get("tool_calls"), list):
        given = rest.pop("tool_calls")
        _take_calls(message, shape, given, style=style)
        if not given:
            shape["no_calls"] = True
    for name, kind in _FIELDS.items():
        if isinstance(rest.get(name), kind):
            message[name] = rest.pop(name)
    key = next((key for key in _REASONING if isinstance(rest.get(key), str)), None)
    if key is not None:
        message["reasoning"] = text_of(rest.pop(key))
        if key != _REASONING[0] or "parts" in shape:
            shape["reasoning"] = key
    key = next((key for key in _WEIGHT if _is_weight(rest.get(key))), None)
    if key is not None:
        message["weight"] = float(rest.pop(key))
        if key != _WEIGHT[0]:
            shape["weight"] = key


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < _MOST_WEIGHT


def _take_calls(message: Message, shape: Shape, given: list[Any], *, style: Style) -> None:
    found = [_read_call(call) for call in given]
    message["tool_calls"] = [*(message["tool_calls"] or ()), *(call for call, _ in found)] or None
    usual = {"flat": style.flat, "parsed": style.parsed}
    kinds = [{key: value for key, value in kind.items() if usual.get(key) != value} for _, kind in found]
    if any(kinds):
        shape["calls"] = kinds


def _read_call(given: Any) -> tuple[dict[str, Any], Shape]:
    if not isinstance(given, dict):
        raise Unfit(BAD_CALL)
    rest = dict(given)
    inner = rest.pop("function", None)
    flat = not isinstance(inner, dict)
    inner = rest if not isinstance(inner, dict) else dict(inner)
    untyped = not flat and "type" not in rest
    if not flat and rest.get("type") == "function":
        del rest["type"]
    name, arguments = inner.pop("name", None), inner.pop("arguments", inner.pop("parameters", None))
    if not isinstance(name, str) or (flat and isinstance(rest.get("function"), str)):
        raise Unfit(BAD_CALL)
    parsed = not isinstance(arguments, str)
    identity = rest.pop("id") if isinstance(rest.get("id"), str) else None
    left = {**rest, **inner}
    written = json_text(arguments) if parsed else text_of(arguments)
    kind = {"flat": flat, "parsed": parsed} | ({"rest": left} if left else {}) | ({"untyped": True} if untyped else {})
    return {"id": identity, "name": name, "arguments": written}, kind


def json_text(value: Any) -> str:
    """JSON as Python writes it, with its spaces; values of tables that JSON does not know as strings."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return as_json(value)


# ---------------------------------------------------------------------------------------------- writing


_IN_JSON = Style(None, "", flat=True, parsed=True)  # how calls stand in a string of JSON


def write_turn(message: Message, shape: Shape, style: Style) -> list[Any]:
    """The turn as it was read, or as the style has it; two where calls stand in a turn of their own beside a text."""
    if shape.get("bare") and style.role is None:
        return [message["content"]]
    own_turn = "call" in shape or CALL in style.words
    if message["tool_calls"] and own_turn and "parts" not in shape:
        said = {**message, "tool_calls": None}
        first = [] if "call" in shape or message["content"] is None else [_write(said, shape, style)]
        return [*first, _write_calls(message, shape, style, alone=not first)]
    return [_write(message, shape, style)]


def _write(message: Message, shape: Shape, style: Style) -> dict[str, Any]:
    role = message["role"]
    turn = {} if style.role is None else {style.role: shape.get("role", style.words.get(role, role))}
    inside = "parts" in shape
    if inside:
        turn[style.content] = _parts(message, shape)
    elif message["content"] is not None or "null" in shape:
        turn[style.content] = message["content"]
    _write_fields(turn, message, shape)
    if message["reasoning"] is not None and (not inside or "reasoning" in shape):
        turn[shape.get("reasoning", _REASONING[0])] = message["reasoning"]
    if message["tool_calls"] and not inside:
        turn["tool_calls"] = [_call(*pair, style) for pair in _calls(message, shape)]
    elif "no_calls" in shape:
        turn["tool_calls"] = []
    return turn


def _write_fields(turn: dict[str, Any], message: Message, shape: Shape) -> None:
    for name in _FIELDS:
        if message[name] is not None:
            turn[name] = message[name]
    if message["weight"] is not None:
        turn[shape.get("weight", _WEIGHT[0])] = float(str(np.float32(message["weight"])))  # 0.1, as it was
    turn.update(shape.get("rest", {}))


def _write_calls(message: Message, shape: Shape, style: Style, *, alone: bool) -> dict[str, Any]:
    """A turn of calls alone, whose content is JSON."""
    made = [_call(*pair, _IN_JSON) for pair in _calls(message, shape)]
    listed = shape.get("call", "one" if len(made) == 1 else "list") == "list" or len(made) != 1
    word = shape["role"] if "call" in shape and "role" in shape else style.words.get(CALL, "function_call")
    turn: dict[str, Any] = {style.role or "role": word, style.content: json_text(made if listed else made[0])}
    if alone:
        _write_fields(turn, message, shape)
        if message["reasoning"] is not None:
            turn[shape.get("reasoning", _REASONING[0])] = message["reasoning"]
    return turn


def _parts(message: Message, shape: Shape) -> list[dict[str, Any]]:
    key = shape["parts"]
    parts: list[dict[str, Any]] = []
    if message["reasoning"] is not None and "reasoning" not in shape:
        parts.append({"type": "reasoning", key: message["reasoning"]})
    if message["content"] is not None:
        parts.append({"type": "text", key: message["content"]})
    calls = [_call(*pair, _IN_JSON) for pair in _calls(message, shape)] if message["tool_calls"] else []
    return parts + [{"type": "tool_call", key: json_text(call)} for call in calls]


def _calls(message: Message, shape: Shape) -> list[tuple[dict[str, Any], Shape]]:
    calls, kinds = message["tool_calls"], shape.get("calls", [])
    return list(zip(calls, kinds if len(kinds) == len(calls) else [{}] * len(calls), strict=True))


def _call(call: dict[str, Any], kind: Shape, style: Style) -> dict[str, Any]:
    arguments: Any = call["arguments"]
    if kind.get("parsed", style.parsed):
        try:
            arguments = orjson.loads(arguments)
        except (orjson.JSONDecodeError, TypeError):  # a model's own JSON may be broken
            arguments = call["arguments"]
    inner = {"name": call["name"], "arguments": arguments}
    identity = {"id": call["id"]} if call["id"] is not None else {}
    if kind.get("flat", style.flat):
        return {**identity, **inner, **kind.get("rest", {})}
    typed = {} if "untyped" in kind else {"type": "function"}
    return {**identity, **typed, "function": inner, **kind.get("rest", {})}
