"""Ask each question in the words of a template of its task, and some the other way round (Flan).

What: a template from a pool (`configs/templates`, or files of your own) puts the first thing the user says, and fields
of the record such as options, into a prompt, and the last answer into an answer. Each document gets one by hash of its
id, or `copies` different ones; other documents and their order change no choice, and a template that is added takes its
share of the documents and leaves the rest as they are. Input inversion: a share of documents gets a template that gives
the answer and asks for the question.
A template fits where all that it names is there and its language is the document's. One that says more than the answer,
or that is inverted, fits only conversations of one question and one answer, no preferences, and, if inverted, none with
reasoning, which would lead to another answer. Documents that no template fits stay as they are, or leave (`otherwise`).
`template`, `inverted` and `copy` say what was done; `question_hash` is of the question as it was, for `chat.shots`.
Why: a model that has met a task in one wording alone knows the wording; Flan's gains came from mixed prompts, and from
tasks asked in both directions.
Costs: 35,000 documents/s a core, 21,000 with 3 copies each (tests/benchmarks/flan.py); each child's messages are stored
once more.
Source: Longpre et al. 2023 (The Flan Collection), sections 3.2 to 3.4; Min et al. 2022 for inverted inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.chance import chances, in_share
from datapipe.algo.fields import parse
from datapipe.algo.inputs import nearest_name
from datapipe.algo.templates import ANSWER, QUESTION, Pool, Template, field_text, read_pool
from datapipe.algo.turns import ASSISTANT, USER, Turns, question_hashes, replaced, talks_of, turns_of
from datapipe.errors import InputError
from datapipe.schema import COLUMNS
from datapipe.stage import Expand, Share, StageConfig, measure, place, schema
from datapipe.text.jit import Int64s, Uint64s

NAME = "chat.templates"
NONE_FITS = "no_template"
METADATA = "metadata."
LAST = np.uint64(2**64 - 1)
FIELDS = {name: name for name in ("options", "context", "source_language", "target_language")}
ADDS = schema(
    messages=COLUMNS["messages"],
    template=pa.string(),
    task=pa.string(),
    inverted=pa.bool_(),
    copy=pa.int32(),
    question_hash=pa.uint64(),
)


class Config(StageConfig):
    """Which templates there are, and which documents get how many."""

    templates: tuple[str, ...] = place(
        (), "YAML files of templates; none given: those in configs/templates; what they say counts, not their names"
    )
    by: str = measure("source", "column, or metadata.KEY, whose value names a document's task")
    tasks: dict[str, str] = measure({}, "task by value of `by`, such as {squad: qa}; a value that is a task needs none")
    task: str | None = measure(None, "task of documents whose value names none; none given: no template fits them")
    fields: dict[str, str] = measure(
        FIELDS, "key of the metadata that fills a placeholder, such as {options: choices}; a key may be a.b"
    )
    language: str = measure("en", "language of documents of which no stage above has told it")
    copies: int = measure(1, "documents made of each, with different templates; fewer where fewer fit", ge=1, le=64)
    inverted: Share = measure(
        0, "share of documents, or copies, that get a template which asks for the question, if one fits", ge=0, le=1
    )
    otherwise: Literal["keep", "drop"] = measure("keep", "documents that no template fits: as they are, or no_template")
    seed: int | None = measure(None, "of all choices; the recipe's if none is given")


def _pool(config: Config) -> Pool:
    """The templates. Raises InputError where a task of the config has none."""
    pool = read_pool(config.templates, config.fields)
    for task in (*config.tasks.values(), *(() if config.task is None else (config.task,))):
        if task not in pool.tasks:
            near = nearest_name(task, pool.tasks)
            remedy = f"did you mean {near}?" if near else f"there are {', '.join(pool.tasks)}"
            raise InputError(f"{NAME}: there is no template of a task {task!r}", remedy=remedy)
    return pool


def libraries(config: Config) -> tuple[str, ...]:
    """What tells letters, and the templates."""
    return "pyarrow", f"templates={_pool(config).digest}"


def reads(config: Config) -> tuple[str, ...]:
    """The conversation, what it is made of, and what names its task."""
    by = () if config.by.startswith(METADATA) else (config.by,)
    return tuple(dict.fromkeys(("id", "messages", "rejected", "metadata", "language", *by)))


# ---------------------------------------------------------------------------------------------- documents


class _Documents(NamedTuple):
    """A batch: its messages, where each document's question and answer stand (-1: nowhere), and its records."""

    ids: Any
    turns: Turns
    asked: Int64s
    answered: Int64s
    exchanges: Any  # may be changed in both texts
    reasoned: Any
    records: list[dict[str, Any]]

    @staticmethod
    def of(batch: pa.RecordBatch) -> _Documents:
        turns = turns_of(batch["messages"])
        asked, answered = turns.opening(USER), turns.last(ASSISTANT)
        spoken = np.append(turns.said(), False)  # the last stands for -1
        preferred = np.asarray(batch["rejected"].is_valid())
        thoughts = np.append(np.asarray(turns.flat.field("reasoning").is_valid()), False)
        return _Documents(
            ids=batch["id"],
            turns=turns,
            asked=np.where(spoken[asked], asked, -1),
            answered=answered,
            exchanges=turns.exchanges() & ~preferred,
            reasoned=thoughts[answered],
            records=[parse(text.encode()) or {} if text else {} for text in batch["metadata"].to_pylist()],
        )

    def texts(self, at: Int64s) -> list[Any]:
        """The contents of one message of each document."""
        found: list[Any] = self.turns.content.take(pa.array(at, mask=at < 0)).to_pylist()
        return found


def _value(record: Mapping[str, Any], key: str) -> Any:
    """A value of a record by its key, or by keys within keys."""
    if key in record:
        return record[key]
    head, _, rest = key.partition(".")
    inner = record.get(head)
    return _value(inner, rest) if rest and isinstance(inner, dict) else None


def _tasks(batch: pa.RecordBatch, documents: _Documents, config: Config, pool: Pool) -> list[str | None]:
    """The task of each document, if it has one."""
    if config.by.startswith(METADATA):
        key = config.by.removeprefix(METADATA)
        values = [_value(record, key) for record in documents.records]
    else:
        values = batch[config.by].to_pylist()
    known = {**{task: task for task in pool.tasks}, **config.tasks}
    return [known.get(str(value), config.task) for value in values]


# ---------------------------------------------------------------------------------------------- choices


class _Choice(NamedTuple):
    """A child: the row of its parent, its number among the children, and its template (None: as it is)."""

    row: int
    copy: int
    template: Template | None


def _choices(documents: _Documents, groups: Mapping[Any, list[int]], config: Config, pool: Pool) -> list[_Choice]:
    """The children of each document, in order."""
    found: list[list[Template]] = [[] for _ in documents.records]
    drawn = [_drawn(documents.ids, config, "inverted", copy) for copy in range(config.copies)]
    wants = in_share(np.stack(drawn, axis=1), config.inverted)
    for (task, language), listed in groups.items():
        templates, rows = pool.of(task, language), np.array(listed)
        if templates:
            ids = documents.ids.take(pa.array(rows))
            ranks = np.stack([_drawn(ids, config, "template", each.name) for each in templates], axis=1)
            ranks[~_fits(documents, rows, templates, config)] = LAST
            for row, chosen in zip(listed, _taken(ranks, templates, wants[rows]), strict=True):
                found[row] = [templates[at] for at in chosen if at >= 0]
    unfit: list[Template | None] = [None] if config.otherwise == "keep" else []
    return [_Choice(row, copy, each) for row, own in enumerate(found) for copy, each in enumerate(own or unfit)]


def _drawn(ids: Any, config: Config, *purpose: str | int) -> Uint64s:
    return chances(ids, config.seed or 0, NAME, *purpose)


def _fits(documents: _Documents, rows: Int64s, templates: Sequence[Template], config: Config) -> Any:
    """Which templates can be filled in for which documents; bool (rows, templates)."""
    filled = {
        name: np.array([_field(documents, row, name, config) is not None for row in rows], np.bool_)
        for name in sorted(frozenset[str]().union(*(each.fields for each in templates)))
    }
    fits = np.repeat(documents.asked[rows, None] >= 0, len(templates), axis=1)
    for at, template in enumerate(templates):
        for name in template.fields:
            fits[:, at] &= filled[name]
        if not template.plain:
            fits[:, at] &= documents.exchanges[rows]
        if template.inverted:
            fits[:, at] &= ~documents.reasoned[rows]
    return fits


def _field(documents: _Documents, row: int, name: str, config: Config) -> str | None:
    return field_text(_value(documents.records[row], config.fields[name]))


def _taken(ranks: Uint64s, templates: Sequence[Template], wants: Any) -> Int64s:
    """Indexes of the templates that each document's copies get; int64 (rows, copies), -1: none is left.

    A copy that wants an inverted template takes the next in rank of those; where none is left, and else, of the others.
    """
    inverted = np.array([each.inverted for each in templates])
    orders, left, taken = [], [], []
    for kind in (False, True):
        mine = np.where(inverted == kind, ranks, LAST)
        orders.append(np.argsort(mine, axis=1, kind="stable"))
        left.append((mine < LAST).sum(axis=1))
        taken.append(np.zeros(len(ranks), np.int64))
    found = np.full(wants.shape, -1)
    rows = np.arange(len(ranks))
    for copy in range(wants.shape[1]):
        backwards = wants[:, copy] & (taken[1] < left[1])
        for at, mine in enumerate((~backwards & (taken[0] < left[0]), backwards)):
            found[mine, copy] = orders[at][rows[mine], taken[at][mine]]
            taken[at] += mine
    return found


# ---------------------------------------------------------------------------------------------- children


def expand(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The conversations made of each, and with which template (null: as it was); see ADDS."""
    pool = _pool(config)
    documents = _Documents.of(batch)
    tasks = _tasks(batch, documents, config, pool)
    groups: dict[tuple[str | None, str], list[int]] = {}
    for row, (task, language) in enumerate(zip(tasks, batch["language"].to_pylist(), strict=True)):
        groups.setdefault((task, language or config.language), []).append(row)
    children = _choices(documents, groups, config, pool)
    rows = np.array([each.row for each in children], np.int64)
    names = [each.template and each.template.name for each in children]
    arrays: list[Any] = [
        pa.array(rows.astype(np.uint32)),
        _messages(batch["messages"], documents, children, config),
        pa.array(names, pa.string()),
        pa.array([each.template and each.template.task for each in children], pa.string()),
        pa.array([each.template and each.template.inverted for each in children], pa.bool_()),
        pa.array([each.copy for each in children], pa.int32()),
        question_hashes(documents.turns).take(pa.array(rows)),
    ]
    return pa.RecordBatch.from_arrays(arrays, names=["parent_row", *ADDS.names])


def _messages(talks: Any, documents: _Documents, children: Sequence[_Choice], config: Config) -> Any:
    """The messages of each child: its parent's, with what user and assistant say under the template."""
    rows = np.array([each.row for each in children], np.int64)
    first = documents.turns.first
    counts = first[rows + 1] - first[rows]
    starts = np.cumsum(counts) - counts
    flat = documents.turns.flat.take(pa.array(np.arange(counts.sum()) + np.repeat(first[rows] - starts, counts)))
    asked, answered = (starts + at[rows] - first[rows] for at in (documents.asked, documents.answered))
    at, texts = list[int](), list[str]()
    for child, template, values in _filled(documents, children, config):
        at.append(int(asked[child]))
        texts.append(template.prompt.fill(values))
        if not template.plain:
            at.append(int(answered[child]))
            texts.append(template.answer.fill(values))
    made = replaced(flat, "content", np.array(at, np.int64), pa.array(texts, pa.large_string()))
    return talks_of(made, counts, talks.is_null().take(pa.array(rows)))


def _filled(
    documents: _Documents, children: Sequence[_Choice], config: Config
) -> Iterator[tuple[int, Template, dict[str, str]]]:
    """Of each child with a template: its number, the template, and what fills it."""
    questions, answers = documents.texts(documents.asked), documents.texts(documents.answered)
    for number, (row, _, template) in enumerate(children):
        if template is not None:
            values = {QUESTION: questions[row], ANSWER: answers[row]}
            for name in template.fields:
                values[name] = _field(documents, row, name, config)
            yield number, template, values


STAGE = Expand(
    name=NAME,
    version=1,
    config=Config,
    reads=reads,
    optional=("rejected", "metadata", "language", "source"),
    adds=ADDS,
    coded=("template", "task"),
    reasons={NONE_FITS: "no template of its task and language has all that it names, and `otherwise` is drop"},
    libraries=libraries,
    expand=expand,
    childless=NONE_FITS,
)
