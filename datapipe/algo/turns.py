"""The messages of a batch of conversations as arrays: who says what where, and conversations made of them again.

Everything here is numpy over Arrow's arrays of all messages; no message becomes a Python object.
Costs the views of a batch's columns; `replaced` and `talks_of` copy what they put together.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.schema import COLUMNS, MESSAGE
from datapipe.stage import Mask
from datapipe.text import hash_slices, view_bytes
from datapipe.text.jit import Int64s

__all__ = [
    "ASSISTANT",
    "ROLES",
    "SYSTEM",
    "TOOL",
    "UNKNOWN",
    "USER",
    "Turns",
    "question_hashes",
    "replaced",
    "talks_of",
    "turns_of",
]

ROLES = ("system", "user", "assistant", "tool")
SYSTEM, USER, ASSISTANT, TOOL = range(4)
UNKNOWN = -1
# What does not tell questions apart; numbers do ("What is 2 + 3?"), and signs of mathematics.
BETWEEN = r"[^\p{L}\p{M}\p{N}\p{Sm}*/%]+"


class Turns(NamedTuple):
    """All messages of a batch, in order: the document and the role of each, its text, and whether it calls tools.

    `first` (int64) is where each document's messages begin; it has one entry more than there are documents.
    """

    document: Int64s
    role: npt.NDArray[np.int8]
    content: Any
    calls: Mask
    first: Int64s
    flat: Any

    def per_document(self, of: Any) -> Int64s:
        """How much of something each document has: a count of a mask, or a sum of numbers."""
        summed: Int64s = np.bincount(self.document, of, len(self.first) - 1).astype(np.int64)
        return summed

    def last(self, role: int) -> Int64s:
        """Where the last message of a role stands in each document; -1 where there is none."""
        at: Int64s = np.full(len(self.first) - 1, -1)
        mine = np.flatnonzero(self.role == role)
        np.maximum.at(at, self.document[mine], mine)
        return at

    def opening(self, role: int) -> Int64s:
        """Where the first message of a role stands in each document; -1 where there is none."""
        at: Int64s = np.full(len(self.first) - 1, len(self.role))
        mine = np.flatnonzero(self.role == role)
        np.minimum.at(at, self.document[mine], mine)
        return np.where(at == len(self.role), -1, at)

    def exchanges(self) -> Mask:
        """Which documents are one question and one answer in words, after a system prompt or none."""
        asked, answered = self.opening(USER), self.last(ASSISTANT)
        counts = [self.per_document(self.role == role) for role in (USER, ASSISTANT)]
        others = self.per_document(np.isin(self.role, (TOOL, UNKNOWN)) | self.calls)
        is_one: Mask = (counts[0] == 1) & (counts[1] == 1) & (others == 0) & (asked < answered)
        says = np.concatenate([self.said(), [False]])  # the last entry stands for -1
        both: Mask = is_one & says[asked] & says[answered]
        return both

    def said(self) -> Mask:
        """Which messages have a text that is more than blanks."""
        sizes: Any = pc.utf8_length(pc.utf8_trim_whitespace(self.content))
        spoken: Mask = sizes.fill_null(0).to_numpy() > 0
        return spoken


def question_hashes(turns: Turns) -> Any:
    """XXH64 of the first thing that each user says, by its letters, numbers and signs, whatever their case (uint64).

    Null where no user says anything.
    """
    asked = turns.opening(USER)
    spoken = np.append(turns.said(), np.zeros(1, np.bool_))[asked]
    texts = turns.content.take(pa.array(asked, mask=~spoken))
    plain = pc.utf8_lower(pc.utf8_normalize(texts, "NFKC"))  # type: ignore[attr-defined] # the stubs lack it
    bare: Any = pc.utf8_trim_whitespace(pc.replace_substring_regex(plain, BETWEEN, " "))
    wordless: Any = pc.equal(bare, pa.scalar("", pa.large_string()))
    return pa.array(hash_slices(view_bytes(pc.if_else(wordless, texts, bare))), mask=~spoken)


def turns_of(talks: Any) -> Turns:
    """The messages of a column of conversations."""
    counts: Any = pc.fill_null(pc.list_value_length(talks), 0)
    lengths = counts.to_numpy().astype(np.int64)
    flat = talks.flatten()
    codes: Any = pc.index_in(flat.field("role"), value_set=pa.array(ROLES, pa.string()))
    calls: Any = pc.fill_null(pc.list_value_length(flat.field("tool_calls")), 0)
    return Turns(
        document=np.repeat(np.arange(len(talks)), lengths),
        role=codes.fill_null(UNKNOWN).to_numpy().astype(np.int8),
        content=flat.field("content").cast(pa.large_string()),
        calls=calls.to_numpy() > 0,
        first=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        flat=flat,
    )


def replaced(messages: Any, name: str, at: Int64s, values: Any) -> Any:
    """Messages with one field of those `at` replaced; `values` has one for each of them."""
    old = messages.field(name)
    places = np.arange(len(messages))
    places[at] = len(messages) + np.arange(len(at))
    new = pa.concat_arrays([old, values.cast(old.type)]).take(pa.array(places))
    fields: Any = [new if field.name == name else messages.field(field.name) for field in MESSAGE]
    return pa.StructArray.from_arrays(fields, fields=list(MESSAGE))


def talks_of(messages: Any, counts: Any, missing: Any) -> Any:
    """A column of conversations: so many of the messages each; null where `missing` (a bool array) says so."""
    offsets: Any = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
    return pa.LargeListArray.from_arrays(offsets, messages, type=COLUMNS["messages"], mask=missing)
