"""Records of conversations as talks: which form a record is in, and what its turns are.

What is no turn, no list of tools and no preference is kept in `fields`. `origin` says in which form the record was,
by names of keys and numbers alone: what `datapipe.algo.conversations.writing` needs to write it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from datapipe.algo.conversations.trees import TOO_LARGE, paths_of
from datapipe.algo.conversations.turns import (
    BAD_CALL,
    DIALOGUE,
    MESSAGES,
    NOT_TEXT,
    SHAREGPT,
    TREE,
    UNKNOWN_ROLE,
    Message,
    Shape,
    Style,
    Unfit,
    json_text,
    read_turn,
    text_of,
)

__all__ = ["NO_ANSWER", "NO_TURNS", "SAYS", "TOO_LARGE", "UNKNOWN_FORM", "Talk", "form_of", "read_talks", "style_of"]

UNKNOWN_FORM, NO_TURNS, NO_ANSWER = "unknown_form", "no_turns", "no_answer"
SAYS = {
    UNKNOWN_FORM: "the record is in no form of a conversation that is known, or not in the one that `form` names",
    NO_TURNS: "the record has no turn",
    UNKNOWN_ROLE: "a turn has no role, or one that neither is known nor stands in `roles`",
    NOT_TEXT: "a turn is no text: binary, an image, a number",
    BAD_CALL: "a call of a tool, or the list of tools, is not the JSON that it should be",
    NO_ANSWER: "the tree of messages holds nothing by the assistant",
    TOO_LARGE: "the record, or all paths of a tree together, have more bytes than max_record_bytes",
}

Record: TypeAlias = dict[str, Any]
Turns: TypeAlias = tuple[list[Message], list[Shape]]
Roles: TypeAlias = Mapping[str, str]

LISTS = ("messages", "conversations", "conversation", "dialog", "dialogue", "turns")
SYSTEMS = ("system", "system_prompt")
ASKS = ("instruction", "prompt", "question", "query", "input")
EXTRAS = ("input", "context")
ANSWERS = ("output", "response", "completion", "answer")
TOOLS = ("tools", "functions", "function")
_CONTENTS = ("content", "value", "text", "message", "utterance")
# Transcripts in one text: of the HH-RLHF data, and of OpenAssistant-Guanaco.
TRANSCRIPTS = {"\n\nHuman:": "\n\n{}: {}", "### Human:": "### {}: {}"}
_SPEAKERS = {"Human": "user", "Assistant": "assistant"}


class Talk(NamedTuple):
    """A conversation; `rejected`: what its last turns were preferred to; `tools`: a JSON array of definitions.

    `fields` has no place elsewhere; `origin` tells how the record was written; of several talks of one record
    `root` says what all begin with, `key` tells them from each other.
    """

    messages: list[Message]
    fields: Record
    origin: Record
    rejected: list[Message] | None = None
    tools: str | None = None
    root: str = ""
    key: str = ""


def read_talks(record: Record, form: str, roles: Roles, limit: int) -> Iterator[Talk]:
    """The talks of a record, in this form or, where it is `auto`, in the first that fits; several of a tree.

    `roles`: what each word for a role means; `limit`: bytes of text that the paths of a tree may hold together.
    Raises Unfit where the record is no conversation.
    """
    found = form_of(record) if form == "auto" else form
    if found is None or not _FITS[found](record):
        raise Unfit(UNKNOWN_FORM)
    rest = dict(record)
    tools, told = _tools(rest)
    for talk in _MANY[found](rest, roles, limit) if found in _MANY else _READERS[found](rest, roles):
        if not talk.messages:
            raise Unfit(NO_TURNS)
        yield talk._replace(tools=tools, origin={"form": found, "count": len(talk.messages), **told, **talk.origin})


def form_of(record: Record) -> str | None:
    """The first form that a record fits."""
    return next((form for form, fits in _FITS.items() if fits(record)), None)


def style_of(role: str | None, content: str) -> Style:
    """The style of turns with these keys."""
    if role is None:
        return Style(None, content)
    base = SHAREGPT if role == "from" else TREE if (role, content) == ("role", "text") else MESSAGES
    return Style(role, content, base.words, base.flat, base.parsed)


# ---------------------------------------------------------------------------------------------- which form


def _first(record: Record, names: Iterable[str]) -> str | None:
    return next((name for name in names if record.get(name) is not None), None)


def _list_key(record: Record) -> str | None:
    return next((name for name in LISTS if isinstance(record.get(name), list)), None)


def _role_key(turns: list[Any]) -> str | None:
    first = next((turn for turn in turns if isinstance(turn, dict)), {})
    return next((key for key in ("role", "from", "speaker") if key in first), None)


def _has_list(record: Record, *roles: str | None) -> bool:
    key = _list_key(record)
    return key is not None and _role_key(record[key]) in roles


def _is_tree(record: Record) -> bool:
    root = record.get("prompt", record)
    return isinstance(root, dict) and isinstance(root.get("replies"), list)


def _has_questions(record: Record) -> bool:
    asked = record.get("question")
    return isinstance(asked, list) and bool(asked) and all(isinstance(turns, list) for turns in asked)


_FITS: dict[str, Callable[[Record], bool]] = {
    "pairs": lambda record: record.get("chosen") is not None and record.get("rejected") is not None,
    "tree": _is_tree,
    "sharegpt": lambda record: _has_list(record, "from"),
    "messages": lambda record: _has_list(record, "role", "speaker"),
    "dialogue": lambda record: _has_list(record, None),
    "questions": _has_questions,
    "seed_task": lambda record: isinstance(record.get("instances"), list) and "instruction" in record,
    "alpaca": lambda record: record.get("instruction") is not None,
    "prompt_response": lambda record: _first(record, ASKS) is not None,
    "text": lambda record: record.get("text") is not None,
}

# ---------------------------------------------------------------------------------------------- parts of records


def _tools(rest: Record) -> tuple[str | None, Record]:
    """What the assistant may call, as JSON, taken out of the record; and under which key it stood, as what."""
    for key in TOOLS:
        value = rest.get(key)
        if isinstance(value, list):
            return json_text(rest.pop(key)), {"tools": [key, "list"]}
        if isinstance(value, str) and value.strip() and key != "function":
            try:
                listed = isinstance(json.loads(value), list)
            except (ValueError, RecursionError):
                listed = False
            if not listed:
                raise Unfit(BAD_CALL)
            return rest.pop(key), {"tools": [key, "text"]}
    return None, {}


def _of_role(role: str, text: Any) -> tuple[Message, Shape]:
    return read_turn({"role": role, "content": text_of(text)}, MESSAGES, {role: role})


def _system(rest: Record) -> tuple[Turns, Record]:
    """What stands beside the turns for the assistant to go by."""
    key = next((key for key in SYSTEMS if isinstance(rest.get(key), str) and rest[key]), None)
    if key is None:
        return ([], []), {}
    message, shape = _of_role("system", rest.pop(key))
    return ([message], [shape]), {"system": key}


def _turns(given: list[Any], roles: Roles) -> tuple[Turns, list[str | None]]:
    """The turns of a list, and the keys of role and content."""
    role = _role_key(given)
    first = next((turn for turn in given if isinstance(turn, dict)), {})
    usual = SHAREGPT.content if role == "from" else MESSAGES.content if role else DIALOGUE.content
    content = next((key for key in (usual, *_CONTENTS) if key in first), usual)
    style = style_of(role, content)
    made = [
        read_turn(turn, style, roles, speaker=("user", "assistant")[number % 2]) for number, turn in enumerate(given)
    ]
    return ([message for message, _ in made], [shape for _, shape in made]), [role, content]


def _side(value: Any, role: str, roles: Roles) -> tuple[Turns, Record]:
    """One side of a record: a text of this role, a turn, or a list of turns; and which of them it was."""
    if isinstance(value, str):
        message, shape = _of_role(role, value)
        return ([message], [shape]), {"as": "text", "count": 1}
    given = value if isinstance(value, list) else [value]
    if not given:
        raise Unfit(NO_TURNS)
    if _role_key(given) is None:  # a number, or a list of answers to choose from
        raise Unfit(NOT_TEXT)
    turns, keys = _turns(given, roles)
    kind = "turns" if isinstance(value, list) else "turn"
    return turns, {"as": kind, "count": len(turns[0]), "keys": keys}


def folded(name: str, shapes: list[Shape]) -> Record:
    """The shapes of turns, once where all are the same."""
    if not any(shapes):
        return {}
    return {name: shapes[0]} if all(shape == shapes[0] for shape in shapes) else {name: shapes}


def _joined(*parts: Turns) -> Turns:
    return [m for messages, _ in parts for m in messages], [s for _, shapes in parts for s in shapes]


# ---------------------------------------------------------------------------------------------- forms


def _listed(rest: Record, roles: Roles) -> Iterator[Talk]:
    """ShareGPT, OpenAI messages, and dialogues whose turns alternate without a role."""
    key = _list_key(rest)
    assert key is not None
    before, told = _system(rest)
    turns, keys = _turns(rest.pop(key), roles)
    if not turns[0]:
        raise Unfit(NO_TURNS)
    messages, shapes = _joined(before, turns)
    yield Talk(messages, rest, {"list": key, "keys": keys, **told, **folded("turns", shapes)})


def _asked(rest: Record, roles: Roles) -> tuple[Turns, Record]:
    """The turns before an answer: system, history, and a prompt of one or two texts."""
    before, told = _system(rest)
    key = _first(rest, ASKS)
    assert key is not None
    past = _history(rest, told)
    asked = rest.pop(key)
    extra = next((name for name in EXTRAS if name != key and isinstance(rest.get(name), str)), None)
    added = rest.pop(extra) if extra else ""
    if isinstance(asked, str) and added:
        told["lines"] = asked.count("\n") if asked else -1
        asked = f"{asked}\n{added}" if asked else added
    elif added and extra:
        rest[extra] = added  # beside a prompt of several turns it is something else
        extra = None
    turns, side = _side(asked, "user", roles)
    return _joined(before, past, turns), {"ask": key, "extra": extra, "side": side, **told}


def _history(rest: Record, told: Record) -> Turns:
    """Earlier turns, as Alpaca has them in LLaMA-Factory: pairs of prompt and response."""
    if not isinstance(rest.get("history"), list):
        return [], []
    given = rest.pop("history")
    told["history"] = len(given)
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in given):
        raise Unfit(UNKNOWN_FORM)
    made = [_of_role(role, text) for pair in given for role, text in zip(("user", "assistant"), pair, strict=True)]
    return [message for message, _ in made], [shape for _, shape in made]


def _instructed(rest: Record, roles: Roles) -> Iterator[Talk]:
    """Alpaca, and whatever else is a prompt and a response."""
    turns, told = _asked(rest, roles)
    key = _first(rest, ANSWERS)
    if key is not None:
        answer, side = _side(rest.pop(key), "assistant", roles)
        turns, told = _joined(turns, answer), {**told, "answer": key, "answered": side}
    messages, shapes = turns
    yield Talk(messages, rest, {**told, **folded("turns", shapes)})


def _seed_task(rest: Record, roles: Roles, limit: int) -> Iterator[Talk]:
    """Tasks of self-instruct: one instruction, several instances of input and output."""
    instances, asked = rest.pop("instances"), rest.pop("instruction")
    if not instances:
        raise Unfit(NO_TURNS)
    if len(instances) > 1 and len(instances) * len(text_of(asked)) > limit:
        raise Unfit(TOO_LARGE)
    for number, instance in enumerate(instances):
        if not isinstance(instance, dict):
            raise Unfit(UNKNOWN_FORM)
        (talk,) = _instructed({"instruction": asked, **instance}, roles)
        fields = rest | ({"instance": talk.fields} if talk.fields else {})
        key = json_text([message["content"] for message in talk.messages])
        origin = {**talk.origin, "instance": [number, len(instances)]}
        yield talk._replace(fields=fields, origin=origin, root=text_of(asked), key=key)


def _pairs(rest: Record, roles: Roles) -> Iterator[Talk]:
    """Preferences: a history, what was chosen and what was rejected, of one turn each or of several."""
    (chosen, better), (rejected, worse) = (
        _preferred(rest.pop(name), roles) for name in ("chosen", "rejected")
    )  # fmt: skip
    before, told = _before(rest, roles, whole=_is_whole(chosen))
    shared = 0
    if _is_whole(chosen):
        pairs = zip(chosen[0][:-1], rejected[0][:-1], strict=False)
        shared = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(chosen[0]), len(rejected[0])) - 1)
    messages, shapes = _joined(before, chosen)
    told |= {"chosen": better, "rejected": worse, "shared": shared}
    left = rejected[1][shared:]
    yield Talk(
        messages,
        rest,
        {**told, **folded("turns", shapes), **folded("rejected_turns", left)},
        rejected=rejected[0][shared:],
    )


def _is_whole(turns: Turns) -> bool:
    """Whether what was chosen is a conversation from its start, not an answer."""
    return bool(turns[0]) and turns[0][0]["role"] in {"system", "user"}


def _preferred(value: Any, roles: Roles) -> tuple[Turns, Record]:
    mark = next((mark for mark in TRANSCRIPTS if isinstance(value, str) and value.startswith(mark)), None)
    if mark is not None:
        return _transcript(value, mark)
    return _side(value, "assistant", roles)


def _before(rest: Record, roles: Roles, *, whole: bool) -> tuple[Turns, Record]:
    """What stands before an answer that is no conversation of its own."""
    if whole:
        return ([], []), {}
    key = _list_key(rest)
    if key is None:
        if _first(rest, ASKS) is None:
            raise Unfit(NO_TURNS)
        return _asked(rest, roles)
    before, told = _system(rest)
    turns, keys = _turns(rest.pop(key), roles)
    return _joined(before, turns), {"list": key, "keys": keys, **told}


def _transcript(text: str, mark: str) -> tuple[Turns, Record]:
    head = re.escape(mark.removesuffix("Human:"))
    pieces = re.split(f"{head}(Human|Assistant): ?", text_of(text))
    made = [_of_role(_SPEAKERS[who], said) for who, said in zip(pieces[1::2], pieces[2::2], strict=True)]
    return ([m for m, _ in made], [s for _, s in made]), {"as": "transcript", "count": len(made), "mark": mark}


def _questions(rest: Record, roles: Roles) -> Iterator[Talk]:
    """Prompts with tools to call (BFCL): rounds of turns; what they ought to be answered with stays in `fields`."""
    rounds = rest.pop("question")
    turns, keys = _turns([turn for group in rounds for turn in group], roles)
    messages, shapes = turns
    yield Talk(messages, rest, {"keys": keys, "rounds": [len(group) for group in rounds], **folded("turns", shapes)})


def _text(rest: Record, roles: Roles) -> Iterator[Talk]:
    """Plain text: a transcript of turns, or else all of it the assistant's."""
    text = text_of(rest.pop("text"))
    mark = next((mark for mark in TRANSCRIPTS if text.startswith(mark)), None)
    (messages, _), told = _side(text, "assistant", roles) if mark is None else _transcript(text, mark)
    yield Talk(messages, rest, {"text": told})


def _tree(rest: Record, roles: Roles, limit: int) -> Iterator[Talk]:
    """Trees of messages (OpenAssistant): every way from the root to an answer that nothing more is said to."""
    root = rest.pop("prompt") if "prompt" in rest else {name: rest.pop(name) for name in list(rest)}
    found = 0
    for nodes in paths_of(root, lambda node: read_turn(node, TREE, roles), limit):
        found += 1
        shapes = [shape for _, shape in nodes]
        said = [[shape.get("rest", {}).get("message_id"), message["content"]] for message, shape in nodes]
        messages = [message for message, _ in nodes]
        yield Talk(messages, rest, folded("turns", shapes), root=json_text(said[0]), key=json_text(said))
    if not found:
        raise Unfit(NO_ANSWER)


_READERS: dict[str, Callable[[Record, Roles], Iterator[Talk]]] = {
    **dict.fromkeys(("sharegpt", "messages", "dialogue"), _listed),
    **dict.fromkeys(("alpaca", "prompt_response"), _instructed),
    "pairs": _pairs,
    "questions": _questions,
    "text": _text,
}
_MANY = {"tree": _tree, "seed_task": _seed_task}  # forms of which a record holds several talks
