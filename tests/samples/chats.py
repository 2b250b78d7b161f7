"""Turn the hand-written dialogues into ShareGPT and `messages` records, and add the broken ones.

A dialogue in content/chats_*.txt opens with `= topic` and optional facts; its lines begin with S (system), U (user),
A (assistant), C (tool call: name and JSON arguments) or T (tool result). Lines without a mark continue the last.
"""

import dataclasses
import json

from tests.samples.articles import CONTENT, Item, question_text

_SHAREGPT = {"S": "system", "U": "human", "A": "gpt", "C": "function_call", "T": "observation"}
_MESSAGES = {"S": "system", "U": "user", "A": "assistant", "C": "assistant", "T": "tool"}
_BROKEN_EVERY = 9


@dataclasses.dataclass(frozen=True)
class Chat:
    """One line of a conversation file and what is known of it."""

    id: str
    form: str
    language: str
    line: str
    broken: str | None
    leaks: str
    facts: dict[str, object]


@dataclasses.dataclass
class _Dialogue:
    language: str
    fields: dict[str, str]
    turns: list[tuple[str, str]]


def read_chats(items: list[Item]) -> list[Chat]:
    """All conversations in file order; the two forms take turns, a broken record stands after every ninth."""
    dialogues = [d for language in ("en", "zh") for d in _read(language)]
    by_id = {item.id: item for item in items}
    broken = {"sharegpt": _read_broken("sharegpt"), "messages": _read_broken("messages")}
    chats: list[Chat] = []
    for number, dialogue in enumerate(dialogues):
        form = "sharegpt" if number % 2 == 0 else "messages"
        chats.append(_good(f"chat-{number + 1:03}", form, dialogue, by_id))
        if (number // 2 + 1) % _BROKEN_EVERY == 0 and broken[form]:
            chats.append(broken[form].pop(0))
    return chats + broken["sharegpt"] + broken["messages"]


def _read(language: str) -> list[_Dialogue]:
    dialogues: list[_Dialogue] = []
    for line in (CONTENT / f"chats_{language}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            fields = dict(part.strip().split("=", 1) for part in line.split(" | ")[1:])
            dialogues.append(_Dialogue(language, fields, []))
        elif line[:2] in {"S ", "U ", "A ", "C ", "T "}:
            dialogues[-1].turns.append((line[0], line[2:]))
        elif dialogues[-1].turns:
            role, text = dialogues[-1].turns[-1]
            dialogues[-1].turns[-1] = (role, f"{text}\n{line}")
    return dialogues


def _good(name: str, form: str, dialogue: _Dialogue, items: dict[str, Item]) -> Chat:
    turns = [(role, _filled(text.strip(), items)) for role, text in dialogue.turns]
    record = _sharegpt(name, turns) if form == "sharegpt" else _messages(name, turns)
    facts: dict[str, object] = {}
    if "pii" in dialogue.fields:
        pairs = [entry.split(":") for entry in dialogue.fields["pii"].split(",")]
        facts["personal_data"] = [{"type": kind, "description": text} for kind, text in pairs]
    if "toxic" in dialogue.fields:
        facts["toxic"] = True
    line = json.dumps(record, ensure_ascii=False)
    return Chat(name, form, dialogue.language, line, None, dialogue.fields.get("leaks", ""), facts)


def _filled(text: str, items: dict[str, Item]) -> str:
    for name, item in items.items():
        if f"{{q:{name}}}" in text:
            text = text.replace(f"{{q:{name}}}", question_text(item, answered=False))
        text = text.replace(f"{{a:{name}}}", item.answer)
    return text


def _sharegpt(name: str, turns: list[tuple[str, str]]) -> dict[str, object]:
    return {
        "id": name,
        "conversations": [{"from": _SHAREGPT[role], "value": _call_json(role, text)} for role, text in turns],
    }


def _call_json(role: str, text: str) -> str:
    if role != "C":
        return text
    function, arguments = text.split(" ", 1)
    return json.dumps({"name": function, "arguments": json.loads(arguments)}, ensure_ascii=False)


def _messages(name: str, turns: list[tuple[str, str]]) -> dict[str, object]:
    messages: list[dict[str, object]] = []
    for number, (role, text) in enumerate(turns):
        message: dict[str, object] = {"role": _MESSAGES[role], "content": text}
        if role == "C":
            function, arguments = text.split(" ", 1)
            call = {"id": f"call_{number}", "type": "function", "function": {"name": function, "arguments": arguments}}
            message |= {"content": None, "tool_calls": [call]}
        if role == "T":
            message["tool_call_id"] = f"call_{number - 1}"
        messages.append(message)
    return {"id": name, "messages": messages}


def _read_broken(form: str) -> list[Chat]:
    chats = []
    for number, line in enumerate((CONTENT / "chats_broken.txt").read_text(encoding="utf-8").splitlines(), 1):
        fault, its_form, language, record = line.split(" | ", 3)
        if its_form == form:
            chats.append(Chat(f"broken-{number:02}", form, language, record, fault, "", {}))
    return chats
