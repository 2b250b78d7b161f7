"""Talks as records again: in the form that they were read in, or in another.

A talk written in the form that it was read in gives the record that was read, but for: several parts of one content,
which have become one; spaces in the JSON of calls; null in fields of tables. A talk that has since changed its number
of turns is written as any other. What a form cannot hold is named in the record's field `not_held`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from datapipe.algo.conversations.reading import TRANSCRIPTS, Talk, style_of
from datapipe.algo.conversations.turns import MESSAGES, SHAREGPT, Message, Shape, Style, write_turn

__all__ = ["AS_READ", "NOT_HELD", "lost_of", "write_talk"]

AS_READ = "as_read"
NOT_HELD = "not_held"
_NAMES = {"user": "Human", "assistant": "Assistant"}


def write_talk(talk: Talk, form: str) -> dict[str, Any]:
    """The record of a talk in a form: `messages`, `sharegpt`, `alpaca`, `pairs`, or `as_read`."""
    shapes, worse = _shapes(talk.messages, talk.origin.get("turns")), talk.origin.get("rejected_turns")
    own = talk.origin.get("form")
    if form == AS_READ:
        form = own or "messages"
    if form == own and form in _AS_READ and len(talk.messages) == talk.origin.get("count"):
        made = _AS_READ[form](talk, shapes, _shapes(talk.rejected or [], worse))
        if made is not None:
            fields = {name: value for name, value in talk.fields.items() if form != "seed_task" or name != "instance"}
            return {**made, **_tools(talk), **fields}
    bare = [_only_rest(shape) for shape in shapes]
    if form == "alpaca":
        return _alpaca(talk, bare)
    if form == "pairs":
        return _pair(talk, bare)
    return _plain(talk, bare, SHAREGPT if form == "sharegpt" else MESSAGES)


def lost_of(record: dict[str, Any], talk: Talk) -> list[str]:
    """What the form of a talk's record could not hold; a field of the user's own by that name says nothing of it."""
    told = record.get(NOT_HELD)
    return told if isinstance(told, list) and told is not talk.fields.get(NOT_HELD) else []


def _shapes(messages: list[Message], told: Any) -> list[Shape]:
    if isinstance(told, dict):
        return [told] * len(messages)
    return told if isinstance(told, list) and len(told) == len(messages) else [{}] * len(messages)


def _only_rest(shape: Shape) -> Shape:
    return {"rest": shape["rest"]} if "rest" in shape else {}


def _tools(talk: Talk) -> dict[str, Any]:
    if talk.tools is None:
        return {}
    key, kind = talk.origin.get("tools", ["tools", "list"])
    return {key: talk.tools if kind == "text" else _parsed(talk.tools)}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # a column of the user's own
        return text


def _written(messages: list[Message], shapes: list[Shape], style: Style) -> list[Any]:
    return [turn for pair in zip(messages, shapes, strict=True) for turn in write_turn(*pair, style)]


# ---------------------------------------------------------------------------------------------- as it was read


def _side(told: dict[str, Any], messages: list[Message], shapes: list[Shape]) -> Any:
    """A text, a turn, or a list of turns, as it was."""
    if told["as"] == "text":
        return messages[0]["content"]
    if told["as"] == "transcript":
        line = TRANSCRIPTS[told["mark"]]
        return "".join(line.format(_NAMES.get(one["role"], "Human"), one["content"] or "") for one in messages)
    turns = _written(messages, shapes, style_of(*told["keys"]))
    return turns if told["as"] == "turns" else turns[0]


def _start(talk: Talk, shapes: list[Shape], end: int) -> dict[str, Any]:
    """The system prompt, and the turns before `end` under their key."""
    origin, record, first = talk.origin, dict[str, Any](), 0
    if "system" in origin:
        record[origin["system"]] = talk.messages[0]["content"]
        first = 1
    if "list" in origin:
        record[origin["list"]] = _written(talk.messages[first:end], shapes[first:end], style_of(*origin["keys"]))
    return record


def _listed(talk: Talk, shapes: list[Shape], _: list[Shape]) -> dict[str, Any]:
    return _start(talk, shapes, len(talk.messages))


def _asked(talk: Talk, shapes: list[Shape], end: int) -> dict[str, Any] | None:
    """System, history and prompt of the turns before `end`; None where the prompt has lost lines."""
    origin, messages = talk.origin, talk.messages
    record, first = _start(talk, shapes, end), int("system" in origin)
    if "history" in origin:
        said = [message["content"] for message in messages[first : first + 2 * origin["history"]]]
        record["history"] = [list(pair) for pair in zip(said[::2], said[1::2], strict=True)]
        first += len(said)
    asked = _side(origin["side"], messages[first:end], shapes[first:end])
    added = ""
    if "lines" in origin:
        lines = asked.split("\n")
        if len(lines) <= origin["lines"] + 1:
            return None
        cut = origin["lines"] + 1
        asked, added = "\n".join(lines[:cut]), "\n".join(lines[cut:])
    return {**record, origin["ask"]: asked} | ({origin["extra"]: added} if origin["extra"] else {})


def _instructed(talk: Talk, shapes: list[Shape], _: list[Shape]) -> dict[str, Any] | None:
    answered = talk.origin.get("answered")
    end = len(talk.messages) - (answered["count"] if answered else 0)
    record = _asked(talk, shapes, end)
    if record is not None and answered:
        record[talk.origin["answer"]] = _side(answered, talk.messages[end:], shapes[end:])
    return record


def _seed_task(talk: Talk, shapes: list[Shape], worse: list[Shape]) -> dict[str, Any] | None:
    """Of a task of several instances each is a record of its own."""
    record = _instructed(talk, shapes, worse)
    if record is None:
        return None
    instruction = record.pop("instruction")
    return {"instruction": instruction, "instances": [{**record, **talk.fields.get("instance", {})}]}


def _as_pairs(talk: Talk, shapes: list[Shape], worse: list[Shape]) -> dict[str, Any] | None:
    origin, messages = talk.origin, talk.messages
    if talk.rejected is None or len(talk.rejected) != origin["rejected"]["count"] - origin["shared"]:
        return None
    end = len(messages) - origin["chosen"]["count"]
    record = _asked(talk, shapes, end) if "ask" in origin else _start(talk, shapes, end)
    if record is None:
        return None
    shared = slice(end, end + origin["shared"])
    record["chosen"] = _side(origin["chosen"], messages[end:], shapes[end:])
    record["rejected"] = _side(origin["rejected"], [*messages[shared], *talk.rejected], [*shapes[shared], *worse])
    return record


def _questions(talk: Talk, shapes: list[Shape], _: list[Shape]) -> dict[str, Any]:
    made = iter(zip(talk.messages, shapes, strict=True))
    style = style_of(*talk.origin["keys"])
    rounds = [
        [turn for _ in range(count) for turn in write_turn(*next(made), style)] for count in talk.origin["rounds"]
    ]
    return {"question": rounds}


def _text(talk: Talk, shapes: list[Shape], _: list[Shape]) -> dict[str, Any]:
    return {"text": _side(talk.origin["text"], talk.messages, shapes)}


_AS_READ: dict[str, Callable[[Talk, list[Shape], list[Shape]], dict[str, Any] | None]] = {
    **dict.fromkeys(("sharegpt", "messages", "dialogue"), _listed),
    **dict.fromkeys(("alpaca", "prompt_response"), _instructed),
    "seed_task": _seed_task,
    "pairs": _as_pairs,
    "questions": _questions,
    "text": _text,
}

# ---------------------------------------------------------------------------------------------- in another form


def _plain(talk: Talk, shapes: list[Shape], style: Style, lost: list[str] | None = None) -> dict[str, Any]:
    """ShareGPT or OpenAI messages; the rejected turns stand beside them."""
    key = "conversations" if style is SHAREGPT else "messages"
    record: dict[str, Any] = {key: _written(talk.messages, shapes, style)}
    if talk.rejected is not None:
        record["rejected"] = _written(talk.rejected, [{}] * len(talk.rejected), style)
    if talk.tools is not None:
        record["tools"] = talk.tools if style is SHAREGPT else _parsed(talk.tools)
    return _with_fields(record, talk, lost or [])


def _pair(talk: Talk, shapes: list[Shape]) -> dict[str, Any]:
    """Prompt, chosen and rejected turns, as TRL has them; prompt and completion where nothing was rejected."""
    messages = talk.messages
    end = next((at for at in range(len(messages), 0, -1) if messages[at - 1]["role"] != "assistant"), 0)
    record: dict[str, Any] = {"prompt": _written(messages[:end], shapes[:end], MESSAGES)}
    record["completion" if talk.rejected is None else "chosen"] = _written(messages[end:], shapes[end:], MESSAGES)
    if talk.rejected is not None:
        record["rejected"] = _written(talk.rejected, [{}] * len(talk.rejected), MESSAGES)
    if talk.tools is not None:
        record["tools"] = _parsed(talk.tools)
    return _with_fields(record, talk, [])


def _alpaca(talk: Talk, shapes: list[Shape]) -> dict[str, Any]:
    """System, history and one more exchange; a talk that is not so, in `messages`, and says that it is."""
    messages = talk.messages
    first = int(bool(messages) and messages[0]["role"] == "system")
    said = messages[first:]
    turns = [message["role"] for message in said]
    if not said or turns != ["user", "assistant"] * (len(said) // 2) or any(one["content"] is None for one in messages):
        return _plain(talk, shapes, MESSAGES, ["messages"])
    texts = [message["content"] for message in said]
    record: dict[str, Any] = {"instruction": texts[-2], "input": "", "output": texts[-1]}
    if first:
        record["system"] = messages[0]["content"]
    if len(texts) > 2:
        record["history"] = [list(pair) for pair in zip(texts[:-2:2], texts[1:-2:2], strict=True)]
    return _with_fields(record, talk, list(dict.fromkeys(_lost(talk, shapes))))


def _with_fields(record: dict[str, Any], talk: Talk, lost: list[str]) -> dict[str, Any]:
    """The record with the talk's other fields; one whose name the form itself uses is lost, and named with `lost`."""
    lost = [*lost, *(name for name in talk.fields if name in record)]
    lost += [NOT_HELD] if lost and NOT_HELD in talk.fields else []
    others = {name: value for name, value in talk.fields.items() if name not in record}
    return {**record, **others, **({NOT_HELD: lost} if lost else {})}


def _lost(talk: Talk, shapes: list[Shape]) -> Iterator[str]:
    """What a talk has besides texts."""
    for message, shape in zip(talk.messages, shapes, strict=True):
        yield from (name for name, value in message.items() if name not in {"role", "content"} and value is not None)
        yield from shape.get("rest", {})
    yield from (name for name in ("rejected", "tools") if getattr(talk, name) is not None)
