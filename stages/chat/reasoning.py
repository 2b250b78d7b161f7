"""Say what becomes of the reasoning before answers: it is trained on, only read, or taken out.

What: `policy` train leaves it, strip takes it out, mask keeps it as context without loss, so that the answer alone is
trained (`tokenize` heeds it: the loss begins with what stands behind the reasoning). `share` of the documents, by hash
of id, are treated so, the others train: Flan mixes answers with and without a chain of thought.
Reasoning between `tags` at the start of an answer is moved to its own place first, without the blanks around it, since
templates and checks look for it there; an answer with an open tag stays as it is.
A turn that was nothing but reasoning says nothing without it: such conversations leave, unless `max_emptied` lets them.
Why: reasoning of another model may be wrong, or too long to be learnt; without it the answer must stand by itself.
Costs: 230,000 documents/s a core (tests/benchmarks/flan.py), less where answers begin with the tag.
Source: Longpre et al. 2023 (The Flan Collection), chain-of-thought mixing; DeepSeek-R1 and Qwen3 for the tags.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from datapipe.algo.chance import chances, in_share
from datapipe.algo.turns import ASSISTANT, Turns, replaced, talks_of, turns_of
from datapipe.schema import COLUMNS
from datapipe.stage import Map, Mask, Share, StageConfig, above, columns, decide, first_of, measure, schema

NAME = "chat.reasoning"
EMPTIED = "nothing_but_reasoning"
TRAIN, MASK, STRIP = "train", "mask", "strip"
COUNTS = ("turns", "moved", "emptied")
ADDS = schema(
    messages=COLUMNS["messages"],
    rejected=COLUMNS["rejected"],
    policy=pa.string(),
    characters=pa.int64(),
    **dict.fromkeys(COUNTS, pa.int32()),
)


class Config(StageConfig):
    """What is done with reasoning, and in which documents."""

    policy: Literal["train", "mask", "strip"] = measure(
        TRAIN, "reasoning carries loss as its answer does; stays, without loss; or is taken out"
    )
    share: Share = measure(1, "share of documents that `policy` is for, by hash; the others train", ge=0, le=1)
    tags: tuple[str, str] | None = measure(
        ("<think>", "</think>"), "around reasoning at the start of an answer, which is moved to its place; null: off"
    )
    max_emptied: int | None = decide(0, "turns that say nothing without reasoning; more: nothing_but_reasoning", ge=0)
    seed: int | None = measure(None, "of the share; the recipe's if none is given")

    @field_validator("tags")
    @classmethod
    def _say_something(cls, tags: tuple[str, str] | None) -> tuple[str, str] | None:
        if tags is not None and not all(tag.strip() for tag in tags):
            raise ValueError("a tag is blank")
        return tags


class _Treated(NamedTuple):
    """A column of conversations after the policy, and what was met in each."""

    talks: Any
    turns: Any
    moved: Any
    emptied: Any
    characters: Any


def _treated(talks: Any, is_meant: Mask, config: Config) -> _Treated:
    turns = turns_of(talks)
    flat, moved = _moved(turns, config)
    sizes = _sizes(flat)
    has = (sizes > 0) & (turns.role == ASSISTANT)
    mine = has & is_meant[turns.document]
    at = np.flatnonzero(mine)
    emptied = np.zeros(len(mine), np.bool_)
    if config.policy == STRIP:
        flat = replaced(flat, "reasoning", at, pa.nulls(len(at), pa.large_string()))
        emptied = mine & ~turns._replace(content=flat.field("content")).said() & ~turns.calls
    elif config.policy == MASK:
        flat = replaced(flat, "reasoning_train", at, pa.array(np.zeros(len(at), np.bool_)))
    return _Treated(
        talks=talks_of(flat, np.diff(turns.first), talks.is_null()),
        turns=turns.per_document(has),
        moved=turns.per_document(moved),
        emptied=turns.per_document(emptied),
        characters=turns.per_document(np.where(has, sizes, 0)),
    )


def _sizes(messages: Any) -> Any:
    """Characters of reasoning of each message."""
    sizes: Any = pc.fill_null(pc.utf8_length(messages.field("reasoning")), 0)
    return sizes.to_numpy()


def _moved(turns: Turns, config: Config) -> tuple[Any, Mask]:
    """The messages with reasoning in its own place, and in which it was in the answer."""
    moved = np.zeros(len(turns.document), np.bool_)
    if config.tags is None:
        return turns.flat, moved
    start, end = (re.escape(tag) for tag in config.tags)
    begins: Any = pc.fill_null(pc.match_substring_regex(turns.content, rf"^\s*{start}"), False)
    at = np.flatnonzero((turns.role == ASSISTANT) & (_sizes(turns.flat) == 0) & np.asarray(begins))
    parts: Any = pc.extract_regex(
        turns.content.take(pa.array(at)), rf"(?s)^\s*{start}\s*(?P<said>.*?)\s*{end}\s*(?P<rest>.*)$"
    )
    found = np.asarray(parts.is_valid())
    at, parts = at[found], parts.filter(pa.array(found))
    moved[at] = True
    flat = replaced(turns.flat, "content", at, parts.field("rest"))
    return replaced(flat, "reasoning", at, parts.field("said")), moved


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The conversations under the policy, which it is (null: nothing was reasoned), and what was met in `messages`.

    Counts of both columns: turns with reasoning, those of them that had it in the answer, and those that say nothing
    without it (int32), and characters of reasoning (int64).
    """
    is_meant = in_share(chances(batch["id"], config.seed or 0, NAME), config.share)
    sides = [_treated(batch[name], is_meant, config) for name in ("messages", "rejected")]
    counts = {name: sum(getattr(side, name) for side in sides) for name in ("characters", *COUNTS)}
    policy = np.where(is_meant, config.policy, TRAIN)
    return columns(
        messages=sides[0].talks,
        rejected=sides[1].talks,
        policy=pa.array(policy.tolist(), pa.string(), mask=counts["turns"] == 0),
        characters=counts["characters"],
        **{name: counts[name].astype(np.int32) for name in COUNTS},
    )


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """A conversation with a turn that says nothing any more leaves."""
    return first_of((above(measured["emptied"], config.max_emptied), EMPTIED))


STAGE = Map(
    name=NAME,
    version=1,
    config=Config,
    reads=("id", "messages", "rejected"),
    optional=("rejected",),
    adds=ADDS,
    coded=("policy",),
    reasons={EMPTIED: "more turns than max_emptied say nothing without their reasoning"},
    libraries=("pyarrow",),
    process=process,
    decide=decide_reasons,
)
