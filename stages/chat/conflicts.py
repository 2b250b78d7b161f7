"""Count the different short answers that one prompt is given.

What: conversations are put together by all that stands before their last answer, roles, system prompt and tools
included, in normal form but with their numbers; of those whose answer is short, `answers` says how many different ones
there are to that prompt, without case, space around and final punctuation, and `asked` how many conversations ask so.
An answer of more than max_words words is no label: two ways to say the same at length are no conflict.
Why: labels that contradict each other teach noise; from 2 on somebody should look. Nothing leaves unless
`max_answers` is set, and then all sides of a conflict leave, for nobody knows which is right.
Costs: a hash of all that is said before the answer, in normal form; 28 bytes a conversation in the exchange; memory:
one batch (tests/benchmarks/prompts.py).
Source: one of the checks that curators of instruction data name; see `chat.validate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.keyed import verdict_of_rows
from datapipe.algo.nodes import firsts
from datapipe.algo.prompts import joined, numbers_of
from datapipe.algo.survivors import scoped
from datapipe.stage import Group, Mask, Round, Scratch, StageConfig, above, decide, first_of, measure, schema
from datapipe.text import Pieces, hash128, normalised_hash, pieces, segment

CONFLICT = "conflicting_answers"
ASSISTANT = "assistant"
FINAL = " \t\r\n.!?。！？…'\"“”「」"  # around an answer, says nothing

KEYS = schema(row=pa.uint32(), key=pa.uint64(), low=pa.uint64(), answer=pa.uint64())
VERDICTS = schema(shard=pa.uint32(), row=pa.uint32(), answers=pa.int32(), asked=pa.int32())
COUNTED = pa.schema([*VERDICTS, *schema(key=pa.uint64(), low=pa.uint64(), head=pa.uint8())])
ADDS = schema(answers=pa.int32(), asked=pa.int32())
COUNT, MEMBER = 0, 1  # in the order in which the rows of a prompt stand


class Config(StageConfig):
    """Which answers are compared, and how many there may be."""

    max_words: int = measure(5, "words of an answer that is compared; a character in scripts without spaces", ge=1)
    within: tuple[str, ...] = measure((), "columns such as [source]: prompts are compared only with those of the same")
    max_answers: int | None = decide(
        None, "different short answers to one prompt; of more all leave as conflicting_answers", ge=1
    )


def _reads(config: Config) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("messages", "tools", *config.within)))


def _last(found: Pieces, talks: Any) -> Any:
    """Where the answer that ends each document stands among the pieces; -1 where none does, or where it calls tools."""
    counts: Any = pc.fill_null(pc.list_value_length(talks), 0)
    ends = np.cumsum(counts.to_numpy(zero_copy_only=False).astype(np.int64)) - 1  # among all messages
    calls: Any = pc.fill_null(pc.list_value_length(talks.flatten().field("tool_calls")), 0)
    called = np.append(calls.to_numpy(zero_copy_only=False) > 0, False)[np.maximum(ends, -1)]
    spoken: Any = pc.equal(found.role, pa.scalar(ASSISTANT))
    is_answer = np.array(pc.fill_null(spoken, False))
    is_answer &= found.message == counts.to_numpy(zero_copy_only=False)[found.document] - 1
    last = np.full(len(talks), -1)
    last[found.document[is_answer]] = np.flatnonzero(is_answer)
    last[called] = -1
    return last


def answers_of(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """What counts as one answer: composed, without case, final punctuation and the space around."""
    plain: Any = pc.utf8_lower(pc.utf8_normalize(texts, "NFC"))  # type: ignore[attr-defined]
    spaced: Any = pc.replace_substring_regex(plain, r"\s+", " ")
    return pc.utf8_trim(spaced, FINAL)  # type: ignore[no-any-return]


def _before(found: Pieces, last: Any, rows: int) -> tuple[pa.LargeStringArray, Mask]:
    """All that stands before the last answer, each message after its role, and whether anything does."""
    prior = np.arange(len(found.document)) < last[found.document]
    roles: Any = found.role.cast(pa.large_string())
    named: list[Any] = [roles.fill_null(""), found.texts, pa.scalar("\n", pa.large_string())]
    texts: Any = pc.binary_join_element_wise(*named)
    said = joined(Pieces(texts, found.document, found.message, found.role), prior, rows)
    return said, np.asarray(said.is_valid())


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The hash of the prompt of each conversation with a short answer, and that of the answer."""
    found = pieces(batch.select(["messages"]))
    last = _last(found, batch["messages"])
    said, has_prompt = _before(found, last, len(batch))
    texts: Any = found.texts.take(pa.array(np.maximum(last, 0), mask=last < 0))
    answers = answers_of(texts)
    words = segment(answers).words_per_document()
    says: Any = pc.not_equal(answers, pa.scalar("", answers.type))
    short = has_prompt & np.asarray(pc.fill_null(says, False)) & (words <= config.max_words)
    scopes = batch.select([*config.within]).append_column("tools of a prompt", batch["tools"])
    high, low = scoped(normalised_hash(said), scopes.append_column("numbers of a prompt", numbers_of(said)))
    some = np.flatnonzero(short)
    columns = (some.astype(np.uint32), high[some], low[some], hash128(answers)[0][some])
    return pa.RecordBatch.from_arrays([pa.array(each) for each in columns], schema=KEYS)


def count(stream: Iterator[pa.RecordBatch], _config: Config, _scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """Each conversation, and of each prompt in a batch how many conversations and how many new answers that brings."""
    last: tuple[Any, ...] = ()
    for batch in stream:
        if batch.num_rows == 0:
            continue
        key, low, answer = (batch[name].to_numpy() for name in ("key", "low", "answer"))
        begins = firsts(key) | firsts(low)
        new = begins | firsts(answer)
        new[0] = last != (key[0], low[0], answer[0])
        last = (key[-1], low[-1], answer[-1])
        starts: Any = np.flatnonzero(begins)
        counts = np.add.reduceat(new.astype(np.int32), starts), np.diff(np.append(starts, len(key))).astype(np.int32)
        yield _rows(batch.take(pa.array(starts)), COUNT, counts)
        zeros = np.zeros(len(key), np.int32)
        yield _rows(batch, MEMBER, (zeros, zeros))


def _rows(batch: pa.RecordBatch, head: int, counts: tuple[Any, Any]) -> pa.RecordBatch:
    heads = pa.array(np.full(len(batch), head, np.uint8))
    arrays: list[Any] = [batch["shard"], batch["row"], *map(pa.array, counts), batch["key"], batch["low"], heads]
    return pa.RecordBatch.from_arrays(arrays, schema=COUNTED)


def total(stream: Iterator[pa.RecordBatch], _config: Config, _scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """The counts of a prompt together, for each of its conversations; they come before these."""
    last: tuple[Any, ...] = ()
    carried: tuple[Any, ...] = (0, 0)
    for batch in stream:
        if batch.num_rows == 0:
            continue
        key, low = batch["key"].to_numpy(), batch["low"].to_numpy()
        begins = firsts(key) | firsts(low)
        starts = np.flatnonzero(begins)
        sums = [np.add.reduceat(batch[name].to_numpy(), starts) for name in ("answers", "asked")]
        for each, before in zip(sums, carried, strict=True):
            each[0] += before if last == (key[0], low[0]) else 0
        last, carried = (key[-1], low[-1]), (sums[0][-1], sums[1][-1])
        members: Any = np.flatnonzero(batch["head"].to_numpy() == MEMBER)
        of = (np.cumsum(begins) - 1)[members]
        places = batch.select(["shard", "row"]).take(pa.array(members))
        yield pa.RecordBatch.from_arrays([*places.columns, *(pa.array(each[of]) for each in sums)], schema=VERDICTS)


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, _config: Config) -> pa.RecordBatch:
    """How many short answers there are to a conversation's prompt, and how many ask so; null without one (int32)."""
    if verdicts.num_rows == 0:  # then it may have no columns either
        verdicts = pa.RecordBatch.from_pylist([], VERDICTS)
    at = verdict_of_rows(batch["row"], verdicts)
    return pa.RecordBatch.from_arrays([verdicts[name].take(at) for name in ADDS.names], schema=ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """All sides of a conflict leave, where a limit is set."""
    return first_of((above(measured["answers"], config.max_answers), CONFLICT))


STAGE = Group(
    name="chat.conflicts",
    version=1,
    config=Config,
    reads=_reads,
    optional=("tools",),
    adds=ADDS,
    reasons={CONFLICT: "its prompt is given several short answers that differ"},
    rounds=(
        Round(emit=emit, resolve=count, sort=("low", "answer")),
        Round(resolve=total, sort=("low", "head")),
    ),
    apply=apply,
    compares=("messages",),
    libraries=("datapipe.text", "pyarrow"),
    decide=decide_reasons,
)
