"""Put examples of the same task before a question (few-shot prompts), from training data alone.

What: `prepare` fills a pool with up to POOL exchanges for each value of `by`, those of least hash, one for each prompt;
a share of documents stays zero-shot, the others get 1 to `shots` of them, which ones and in which order by hash. They
stand as turns before the question, without loss, or in the question itself, in one of some layouts (`style: prompt`).
Leaks: shots come only from documents whose `part` is `train`, so none of validation or test data is in any prompt of
training data; and never from the document's own cluster, which is any document of the same prompt (by its words),
made of the same document (`id#n`), or of the same value in one of the columns `apart`: the near-duplicate clusters by
which `split.parts` was made. `apart` has no default, because without it a near copy of the question could be its own
shot. Documents of all parts get shots, as at a test.
Only a conversation of one question and one answer, without tools, gives shots or gets any; others stay as they are.
Why: models that train on zero-shot and few-shot prompts at once are better at both.
A document's shots are those in the pool that hash next to it: when documents come or go, and with them a shot of the
pool, only the prompts change that it enters or leaves.
Costs: 19,000 documents/s a core for the pool, then 24,000 with turns or 16,000 with prompts (tests/benchmarks/flan.py);
memory: the pool, POOL exchanges of max_characters for each value of `by`.
Source: Longpre et al. 2023 (The Flan Collection), section 3.3; Highest Random Weight of Thaler and Ravishankar 1998.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from datapipe.algo.chance import in_share
from datapipe.algo.nodes import mixed
from datapipe.algo.rows import rows_by_value
from datapipe.algo.templates import ANSWER, QUESTION, Pattern, parse_pattern
from datapipe.algo.turns import USER, Turns, replaced, talks_of, turns_of
from datapipe.errors import InputError
from datapipe.schema import COLUMNS
from datapipe.stage import Map, Prepare, Share, columns, decide, first_of, measure, schema
from datapipe.text.jit import Int64s
from stages.chat.shots._pool import NAME, Pool, PoolConfig, build, clusters_of, drawn, groups_of, load, merge, sketch

TOO_FEW = "too_few_shots"
LAST = np.uint64(2**64 - 1)
BETWEEN = "\n\n"  # shots in a prompt
FAR = np.int64(1 << 40)  # more messages than a conversation has
LAYOUTS: dict[str, tuple[str, ...]] = {
    "en": (
        "Q: {question}\nA: {answer}",
        "Question: {question}\nAnswer: {answer}",
        "Input: {question}\nOutput: {answer}",
        "{question}\n=> {answer}",
    ),
    "zh": ("问：{question}\n答：{answer}", "问题：{question}\n答案：{answer}", "输入：{question}\n输出：{answer}"),
}
ADDS = schema(
    messages=COLUMNS["messages"],
    shots=pa.list_(pa.string()),
    count=pa.int32(),
    wanted=pa.int32(),
    layout=pa.string(),
)


class Config(PoolConfig):
    """Where shots come from, how many a document gets, and how they are written."""

    shots: int = measure(4, "most shots of a document; as many documents get 1 as 2 and so on", ge=1, le=64)
    zero_shot: Share = measure(0.5, "share of documents without shots", ge=0, le=1)
    style: Literal["turns", "prompt"] = measure("turns", "shots are turns of their own, or stand in the question")
    layouts: dict[str, tuple[str, ...]] = measure(
        LAYOUTS, "by language: layouts of `style: prompt`, each a text with {question} and then {answer}; one by hash"
    )
    language: str = measure("en", "language of documents whose own has no layouts, or is not known")
    lacking: Literal["keep", "drop"] = decide(
        "keep", "documents for which the pool has fewer shots than wanted: with those, or too_few_shots"
    )

    @model_validator(mode="after")
    def _can_be_read(self) -> Config:
        if not self.layouts.get(self.language):
            raise ValueError(f"layouts has none of {self.language!r}, which `language` names")
        for language, text in ((language, text) for language, texts in self.layouts.items() for text in texts):
            try:
                _layout(text, language)
            except InputError as error:
                raise ValueError(str(error)) from None
        return self


@cache
def _layout(text: str, language: str) -> Pattern:
    where = f"layout of {language}"
    pattern = parse_pattern(text, (QUESTION, ANSWER), where)
    if pattern.names != (QUESTION, ANSWER):
        raise InputError(f"{where} does not hold {{{QUESTION}}} and then {{{ANSWER}}}", remedy="each once")
    return pattern


def _named(config: Config) -> tuple[str, ...]:
    return tuple(name for name in (config.part, config.by, *config.apart) if name is not None)


def reads(config: Config) -> tuple[str, ...]:
    """The conversation, and what says which shots it may get."""
    return tuple(dict.fromkeys(("id", "messages", "language", "tools", *_named(config))))


# ---------------------------------------------------------------------------------------------- choices


class _Chosen(NamedTuple):
    """Shots by document, in order: its row and the index in the pool; and how many each document wanted."""

    row: Int64s
    shot: Int64s
    wanted: Int64s  # -1: it is none that gets shots


def _choose(batch: pa.RecordBatch, turns: Turns, config: Config, pool: Pool) -> _Chosen:
    zero = in_share(drawn(batch["id"], config, "zero"), config.zero_shot)
    wanted = np.where(zero, 0, 1 + drawn(batch["id"], config, "shots") % np.uint64(config.shots)).astype(np.int64)
    wanted[~turns.exchanges()] = -1
    own, clusters = drawn(batch["id"], config, "shot"), clusters_of(batch, turns, config)
    found: list[tuple[Int64s, Int64s]] = []
    for value, listed in rows_by_value(groups_of(batch, config)).items():
        rows, shots = listed[wanted[listed] > 0], pool.rows.get(value, np.zeros(0, np.int64))
        if not len(rows) or not len(shots):
            continue
        weights = mixed(own[rows, None] ^ pool.hashes[None, shots])
        for at in range(clusters.shape[1]):
            weights[clusters[rows, at, None] == pool.clusters[None, shots, at]] = LAST
        order = np.argsort(weights, axis=1, kind="stable")[:, : config.shots]
        ranks = np.arange(order.shape[1])[None, :]
        taken = (ranks < wanted[rows, None]) & (np.take_along_axis(weights, order, axis=1) < LAST)
        found.append((np.repeat(rows, taken.sum(axis=1)), shots[order[taken]]))
    nothing = np.zeros(0, np.int64)
    row, shot = (np.concatenate([nothing, *(pair[side] for pair in found)]) for side in (0, 1))
    by_row = np.argsort(row, kind="stable")
    return _Chosen(row[by_row], shot[by_row], wanted)


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The conversations with their shots, whose these are, and how many each has and wanted (null: it gets none)."""
    assert resource is not None
    pool, turns = load(resource), turns_of(batch["messages"])
    chosen = _choose(batch, turns, config, pool)
    counts = np.bincount(chosen.row, minlength=len(batch))
    layouts: list[str | None] = [None] * len(batch)
    if config.style == "turns":
        messages = _as_turns(batch["messages"], turns, chosen, pool)
    else:
        messages, layouts = _in_prompt(batch, chosen, pool, config)
    offsets: Any = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    is_none = chosen.wanted < 0
    return columns(
        messages=messages,
        shots=pa.ListArray.from_arrays(offsets, pool.ids.take(pa.array(chosen.shot))),
        count=pa.array(counts.astype(np.int32), mask=is_none),
        wanted=pa.array(chosen.wanted.astype(np.int32), mask=is_none),
        layout=pa.array(layouts, pa.string()),
    )


def _as_turns(talks: Any, turns: Turns, chosen: _Chosen, pool: Pool) -> Any:
    """Each conversation with the two messages of each shot before its question."""
    size, shots = len(turns.document), len(chosen.row)
    asked = turns.opening(USER)[turns.document]
    at = np.arange(size)
    place = np.where(at < asked, at, at + FAR)  # shots stand between, in their order
    added: Int64s = size + np.repeat(2 * chosen.shot, 2) + np.tile([0, 1], shots)
    documents = np.concatenate([turns.document, np.repeat(chosen.row, 2)])
    places = np.concatenate([place, size + np.arange(2 * shots)])
    order = np.lexsort((places, documents))
    flat = pa.concat_arrays([turns.flat, pool.messages]).take(pa.array(np.concatenate([at, added])[order]))
    return talks_of(flat, np.bincount(documents, minlength=len(talks)), talks.is_null())


def _in_prompt(batch: pa.RecordBatch, chosen: _Chosen, pool: Pool, config: Config) -> tuple[Any, list[str | None]]:
    """Each conversation with its shots in its question, and the layout that they are written in."""
    turns = turns_of(batch["messages"])
    layouts: list[str | None] = [None] * len(batch)
    rows, firsts = np.unique(chosen.row, return_index=True)
    bounds = np.append(firsts, len(chosen.row))
    numbers, languages = drawn(batch["id"], config, "layout").tolist(), batch["language"].to_pylist()
    said, asked = pool.messages.field("content"), turns.opening(USER)[rows]
    questions = turns.content.take(pa.array(asked)).to_pylist()
    texts: list[str] = []
    for at, row in enumerate(rows.tolist()):
        layouts[row], pattern = _layout_of(languages[row], numbers[row], config)
        shots = chosen.shot[bounds[at] : bounds[at + 1]].tolist()
        pairs = [(said[2 * shot].as_py(), said[2 * shot + 1].as_py()) for shot in shots]
        parts = [pattern.fill({QUESTION: question, ANSWER: answer}) for question, answer in pairs]
        last = pattern.literals[0] + questions[at] + pattern.literals[1].rstrip()  # the answer is the assistant's
        texts.append(BETWEEN.join([*parts, last]))
    flat = replaced(turns.flat, "content", asked, pa.array(texts, pa.large_string()))
    return talks_of(flat, np.diff(turns.first), batch["messages"].is_null()), layouts


def _layout_of(language: str | None, number: int, config: Config) -> tuple[str, Pattern]:
    """The name and the pattern of the layout that a document in a language draws."""
    spoken = (language or "").lower().partition("-")[0]
    own = spoken if config.layouts.get(spoken) else config.language
    at = number % len(config.layouts[own])
    return f"{own}.{at}", _layout(config.layouts[own][at], own)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """A document with fewer shots than it wanted leaves where `lacking` says so."""
    counts: tuple[Any, Any] = measured["count"], measured["wanted"]
    fewer: Any = pc.fill_null(pc.less(*counts), False)
    return first_of((fewer.to_numpy(zero_copy_only=False) & (config.lacking == "drop"), TOO_FEW))


STAGE = Map(
    name=NAME,
    version=1,
    config=Config,
    reads=reads,
    optional=("language", "tools", "source"),
    adds=ADDS,
    coded=("shots", "layout"),
    reasons={TOO_FEW: "the pool has fewer shots of other clusters than it was to get, and `lacking` is drop"},
    libraries=("pyarrow",),
    prepare=Prepare(sketch=sketch, merge=merge, build=build, reads=reads),
    process=process,
    decide=decide_reasons,
)
