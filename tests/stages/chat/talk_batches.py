"""Batches of conversations for tests of the stages that change them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from datapipe.schema import COLUMNS
from tests.stages.tokenize.talks import message

Talk = list[dict[str, Any]]


def asked(question: str, answer: str, **more: Any) -> Talk:
    """One question and one answer; `more` is of the answer."""
    return [message("user", question), message("assistant", answer, **more)]


def batch_of(talks: Sequence[Talk | None], **given: Sequence[Any]) -> pa.RecordBatch:
    """Conversations with ids d0, d1 … and what else they have; `metadata` as dicts, unknown columns as strings."""
    rows = len(talks)
    filled: dict[str, Sequence[Any]] = {
        "id": [f"d{row}" for row in range(rows)],
        **dict.fromkeys(("rejected", "metadata", "language", "tools", "source"), [None] * rows),
        **given,
        "messages": talks,
    }
    filled["metadata"] = [None if each is None else json.dumps(each) for each in filled["metadata"]]
    kinds: dict[str, Any] = {name: COLUMNS.get(name, pa.string()) for name in filled}
    arrays = [pa.array(list(values), kinds[name]) for name, values in filled.items()]
    return pa.RecordBatch.from_arrays(arrays, names=list(filled))


def told(talks: pa.Array[Any]) -> list[list[tuple[str, str]] | None]:
    """Role and content of each message."""
    found: list[Any] = talks.to_pylist()
    return [None if talk is None else [(each["role"], each["content"]) for each in talk] for talk in found]
