"""The words of a document to read: its text, or of a conversation a line for each message.

Costs one row group of each of the columns that hold them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datapipe.engine.columns import Columns
from datapipe.errors import InputError

__all__ = ["turns_of", "value_of", "words_of"]


def words_of(columns: Columns, row: Any, owners: Mapping[str, tuple[str, ...]]) -> str | None:
    """The text of one row, or its messages; None where it has neither, or the input is not at hand."""
    text: str | None = value_of(columns, "text", row, owners)
    return "\n".join(turns_of(columns, row, owners)) or None if text is None else text


def turns_of(columns: Columns, row: Any, owners: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """`role: content` of each message of one row, with what is called; then what was rejected; unmasked."""
    lead = {"messages": "", "rejected": "rejected "}
    turns = {name: value_of(columns, name, row, owners) or () for name in lead}
    return tuple(line for name, before in lead.items() for turn in turns[name] for line in _lines(before, turn))


def value_of(columns: Columns, name: str, row: Any, owners: Mapping[str, tuple[str, ...]]) -> Any:
    """A column of one row as it was before or after a stage; None where the input that holds it is not at hand."""
    try:
        return columns.get(name, row, owners.get(name, ()))[0].as_py()
    except InputError:
        return None


def _lines(before: str, turn: dict[str, Any]) -> Iterator[str]:
    role = f"{before}{turn['role']}"
    if turn.get("reasoning"):
        yield f"{role} (reasoning): {turn['reasoning']}"
    if turn.get("content") is not None:
        yield f"{role}: {turn['content']}"
    for each in turn.get("tool_calls") or ():
        yield f"{role} calls {each['name']}: {each['arguments']}"
