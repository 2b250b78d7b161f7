"""Conversations in memory, as the stages that compare them get them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from datapipe.schema import COLUMNS, MESSAGE

EMPTY = dict.fromkeys((field.name for field in MESSAGE), None)

Turn = tuple[str, str | None]


def message(role: str, content: str | None, **more: Any) -> dict[str, Any]:
    """One message; what is not given is null."""
    return {**EMPTY, "role": role, "content": content, **more}


def talk(*turns: Turn | str) -> list[dict[str, Any]]:
    """A conversation: turns with their roles, or texts that user and assistant say in turn."""
    named = [
        turn if isinstance(turn, tuple) else (("user", "assistant")[at % 2], turn) for at, turn in enumerate(turns)
    ]
    return [message(role, content) for role, content in named]


def talks(
    given: Sequence[list[dict[str, Any]] | None], more: Mapping[str, Sequence[Any]] | None = None, *, name: str = "d"
) -> pa.RecordBatch:
    """A shard of conversations with ids d000, d001, …; `more` are further columns."""
    columns: dict[str, Sequence[Any]] = {"id": [f"{name}{at:03d}" for at in range(len(given))], "messages": given}
    columns |= {each: [None] * len(given) for each in ("rejected", "tools", "text")} | dict(more or {})
    arrays = {each: pa.array(values, COLUMNS.get(each)) for each, values in columns.items()}
    return pa.record_batch(arrays)
