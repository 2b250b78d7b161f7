"""Conversations for tests: made by hand, and read from the real ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from datapipe.schema import COLUMNS, MESSAGE

ROLES = {"human": "user", "gpt": "assistant", "observation": "tool", "function_call": "assistant"}
NAMES = [field.name for field in MESSAGE]


def message(role: str, content: str = "", **more: Any) -> dict[str, Any]:
    return {**dict.fromkeys(NAMES), "role": role, "content": content, **more}


def call(name: str, arguments: str) -> dict[str, str]:
    return {"id": "call00001", "name": name, "arguments": arguments}


def batch_of(
    talks: Sequence[tuple[list[dict[str, Any]] | None, str | None]], text: str | None = None
) -> pa.RecordBatch:
    """Conversations with their tools."""
    return pa.RecordBatch.from_arrays(
        [
            pa.array([text] * len(talks), COLUMNS["text"]),
            pa.array([messages for messages, _ in talks], COLUMNS["messages"]),
            pa.array([tools for _, tools in talks], COLUMNS["tools"]),
        ],
        names=["text", "messages", "tools"],
    )


def batch_of_texts(texts: list[str | None]) -> pa.RecordBatch:
    nothing: list[Any] = [pa.array([None] * len(texts), COLUMNS[name]) for name in ("messages", "tools")]
    return pa.RecordBatch.from_arrays([pa.array(texts, COLUMNS["text"]), *nothing], names=["text", "messages", "tools"])


# ---------------------------------------------------------------------------------------------- real ones


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _spoken(turn: dict[str, str]) -> dict[str, Any]:
    role, said = ROLES.get(turn["from"], turn["from"]), turn["value"]
    if turn["from"] != "function_call":
        return message(role, said)
    made = json.loads(said)
    return message(role, tool_calls=[call(made["name"], json.dumps(made["arguments"], ensure_ascii=False))])


def _parted(turn: dict[str, Any]) -> dict[str, Any]:
    """A message whose content is a list of parts."""
    parts: dict[str, list[str]] = {}
    for part in turn["content"]:
        parts.setdefault(part["type"], []).append(part["value"])
    made = message(turn["role"], "\n".join(parts.get("text", []) + parts.get("tool_result", [])))
    made["reasoning"] = "\n".join(parts.get("reasoning", [])) or None
    calls = [json.loads(each) for each in parts.get("tool_call", [])]
    made["tool_calls"] = [call(each["name"], json.dumps(each["arguments"])) for each in calls] or None
    return made


def _alternating(turns: list[str]) -> list[dict[str, Any]]:
    return [message("assistant" if at % 2 else "user", said) for at, said in enumerate(turns)]


def real(folder: Path) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
    """Conversations of some forms, with system messages, tools and reasoning, each with its tools."""
    demos = folder / "sft" / "llamafactory"
    for row in _lines(demos / "reason_tool_use_demo_50.jsonl.gz"):
        yield [_parted(turn) for turn in row["messages"]], row["tools"]
    for name in ("glaive_toolcall_en_demo", "glaive_toolcall_zh_demo"):
        for row in _lines(demos / f"{name}.jsonl.gz"):
            yield [_spoken(turn) for turn in row["conversations"]], row["tools"]
    for row in _lines(folder / "sft" / "fastchat_dummy_conversation.jsonl.gz"):
        yield [_spoken(turn) for turn in row["conversations"]], None
    for row in _lines(demos / "v1_sft_demo.jsonl.gz"):
        yield [_parted(turn) for turn in row["messages"]], None
    for name in ("alpaca_en_demo", "alpaca_zh_demo"):
        for row in _lines(demos / f"{name}.jsonl.gz"):
            asked = "\n".join(part for part in (row["instruction"], row["input"]) if part)
            yield [message("user", asked), message("assistant", row["output"])], None
    for name in ("film", "music", "travel"):
        for row in _lines(folder / "sft" / f"kdconv_{name}_test.jsonl.gz"):
            yield _alternating([turn["message"] for turn in row["messages"]]), None
