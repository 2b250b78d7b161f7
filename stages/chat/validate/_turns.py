"""The turns of a batch of conversations: who speaks after whom, and what is called and answered.

Everything here is numpy over Arrow's arrays of all messages; no message becomes a Python object.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.turns import ASSISTANT, ROLES, SYSTEM, TOOL, UNKNOWN, USER, Turns
from datapipe.stage import Mask
from datapipe.text.jit import Int64s

START = -2  # stands before the first turn


def blank(turns: Turns) -> Mask:
    """Which messages say nothing; results of tools may, and turns that call tools."""
    silent: Mask = ~turns.said() & (turns.role != TOOL) & ~turns.calls
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
