"""The turns of a batch of conversations: who speaks after whom, and what is called and answered.

Everything here is numpy over Arrow's arrays of all messages; no message becomes a Python object.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.stage import Mask

ROLES = ("system", "user", "assistant", "tool")
SYSTEM, USER, ASSISTANT, TOOL = range(4)
UNKNOWN = -1
START = -2  # stands before the first turn

Int64s: TypeAlias = npt.NDArray[np.int64]


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


def blank(turns: Turns) -> Mask:
    """Which messages say nothing; results of tools may, and turns that call tools."""
    said: Any = pc.utf8_length(pc.utf8_trim_whitespace(turns.content))
    nothing: Mask = said.fill_null(0).to_numpy() == 0
    silent: Mask = nothing & (turns.role != TOOL) & ~turns.calls
    return silent


def _before(turns: Turns, at: Int64s) -> tuple[npt.NDArray[np.int8], Mask]:
    """Of the messages `at` (ascending) the role of the one before in `at` and document, and whether that calls."""
    role, calls, document = turns.role[at], turns.calls[at], turns.document[at]
    previous, called = np.full(len(at), START, np.int8), np.zeros(len(at), np.bool_)
    same = np.flatnonzero(document[1:] == document[:-1]) + 1
    previous[same], called[same] = role[same - 1], calls[same - 1]
    return previous, called


def out_of_turn(turns: Turns) -> Int64s:
    """Messages of each document that are not theirs to say: see `chat.validate`."""
    at = np.flatnonzero(turns.role != SYSTEM)
    role = turns.role[at]
    previous, _ = _before(turns, at)
    fine = (role == USER) & np.isin(previous, (START, ASSISTANT))
    fine |= (role == ASSISTANT) & np.isin(previous, (USER, TOOL))
    fine |= (role == ASSISTANT) & (previous == ASSISTANT) & turns.calls[at]  # says what it will do, and does it
    fine |= (role == TOOL) | (role == UNKNOWN)  # counted by themselves
    return np.bincount(turns.document[at[~fine]], minlength=len(turns.first) - 1)


def orphan_results(turns: Turns) -> Int64s:
    """Results of tools that follow no call, or name the id of a call that the document does not make before."""
    others = np.where(turns.role == TOOL, -1, np.arange(len(turns.role)))
    opener = np.maximum.accumulate(others) if len(others) else others  # the last message that is no result
    inside = (opener >= 0) & (turns.document[opener] == turns.document)
    answered = inside & turns.calls[opener]
    orphans = (turns.role == TOOL) & (~answered | _unknown_ids(turns))
    return turns.per_document(orphans)


def _unknown_ids(turns: Turns) -> Mask:
    """Messages that answer a call by an id which no call of their document has; none where calls have no ids."""
    lists: Any = turns.flat.field("tool_calls")
    counts: Any = pc.fill_null(pc.list_value_length(lists), 0)
    owner = np.repeat(turns.document, counts.to_numpy())
    made: Any = lists.flatten().field("id")
    given: Any = turns.flat.field("tool_call_id")
    coded = pa.concat_arrays([made.cast(pa.string()), given.cast(pa.string())]).dictionary_encode().indices
    codes: Any = coded.fill_null(-1).to_numpy().astype(np.int64)
    width = int(codes.max(initial=0)) + 1
    named = codes[: len(owner)]
    calls = owner[named >= 0] * width + named[named >= 0]
    answers = codes[len(owner) :]
    with_ids = np.isin(turns.document, owner[named >= 0])
    unknown: Mask = (answers >= 0) & with_ids & ~np.isin(turns.document * width + answers, calls)
    return unknown


def unanswered_calls(turns: Turns) -> Int64s:
    """Turns that call tools and are followed by something else than a result; the last turn may call."""
    at = np.flatnonzero(turns.role != SYSTEM)
    previous, called = _before(turns, at)
    silent = called & (turns.role[at] != TOOL) & (previous == ASSISTANT)
    return np.bincount(turns.document[at[silent]], minlength=len(turns.first) - 1)


def last_roles(turns: Turns, talks: int) -> Any:
    """The role of each document's last message; null for none, or where it is unknown."""
    filled = np.diff(turns.first) > 0
    codes = np.full(talks, UNKNOWN, np.int64)
    codes[filled] = turns.role[turns.first[1:][filled] - 1]
    at: Any = pa.array(codes, mask=codes < 0)
    return pa.array(ROLES, pa.string()).take(at)
