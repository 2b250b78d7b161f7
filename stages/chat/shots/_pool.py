"""The pool of shots: which exchanges are in it, and what sets each apart from documents that must not get it.

A reservoir by hash: of each group the POOL prompts of least hash, so that it is the same however the corpus is cut, and
a document that comes or goes changes one place in it.
Costs: memory for POOL exchanges a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datapipe.algo.chance import chances
from datapipe.algo.descent import roots_of
from datapipe.algo.resource import loaded_once
from datapipe.algo.rows import rows_by_value
from datapipe.algo.turns import ASSISTANT, USER, Turns, question_hashes, replaced, talks_of, turns_of
from datapipe.errors import InputError
from datapipe.schema import COLUMNS
from datapipe.stage import SUMMARY, StageConfig, measure, schema
from datapipe.text import hash_slices, view_bytes
from datapipe.text.jit import Int64s, Uint64s

NAME = "chat.shots"
POOL = 512  # shots kept for each value of `by`
MOST_VALUES = 2000
FILE = "shots.parquet"
POOLED = schema(
    group=pa.string(),
    chance=pa.uint64(),
    id=pa.string(),
    clusters=pa.list_(pa.uint64()),  # the prompt first; see `clusters_of`
    messages=COLUMNS["messages"],
)


class PoolConfig(StageConfig):
    """Which documents shots come from, and which they may go to."""

    part: str | None = measure(
        description="column that says which part a document is in, as of `split.parts`; null: all are training data"
    )
    train: str = measure("train", "value of `part` of the documents that shots may come from")
    apart: tuple[str, ...] = measure(
        description="columns of which no shot shares a value with its document: the near-duplicate clusters of "
        "split.parts or chat.dedup, as in [parts.cluster], templates.question_hash; [] says that none are near copies"
    )
    by: str | None = measure("source", "column of few values: shots are of the document's own; null: of any")
    max_characters: int = measure(2000, "characters of question, answer and reasoning; longer ones are no shots", ge=1)
    seed: int | None = measure(None, "of all choices; the recipe's if none is given")


def drawn(ids: Any, config: PoolConfig, *purpose: str | int) -> Uint64s:
    """A number for each document, by hash."""
    return chances(ids, config.seed or 0, NAME, *purpose)


# ---------------------------------------------------------------------------------------------- clusters


def _strings(column: Any) -> Any:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def clusters_of(batch: pa.RecordBatch, turns: Turns, config: PoolConfig) -> Uint64s:
    """What no shot may share with its document: prompt, family, values of `apart`; uint64 (documents, clusters).

    A document without a value stands for itself.
    """
    prompt = question_hashes(turns)
    own = hash_slices(view_bytes(batch["id"]), 1)
    made = [
        np.where(np.asarray(prompt.is_null()), own, prompt.fill_null(0).to_numpy()),
        hash_slices(view_bytes(roots_of(batch["id"]))),
    ]
    for name in config.apart:
        values = _strings(batch[name])
        made.append(np.where(np.asarray(values.is_null()), own, hash_slices(view_bytes(values))))
    return np.stack(made, axis=1)


def groups_of(batch: pa.RecordBatch, config: PoolConfig) -> Any:
    """Of what group each document is; strings."""
    return pa.nulls(len(batch), pa.string()) if config.by is None else _strings(batch[config.by])


# ---------------------------------------------------------------------------------------------- the pool


def sketch(batch: pa.RecordBatch, config: PoolConfig) -> pa.Table:
    """Exchanges of training data that may be shots (see POOLED), at most POOL of each group."""
    turns = turns_of(batch["messages"])
    rows = np.flatnonzero(turns.exchanges() & _trains(batch, config) & _fits(batch, turns, config))
    asked, answered = turns.opening(USER)[rows], turns.last(ASSISTANT)[rows]
    at: Int64s = np.stack([asked, answered], axis=1).ravel()
    counts = np.full(len(rows), 2)
    lists = clusters_of(batch, turns, config)[rows]
    offsets: Any = np.arange(len(rows) + 1, dtype=np.int32) * lists.shape[1]
    taken: Any = pa.array(rows)
    arrays: list[Any] = [
        groups_of(batch, config).take(taken),
        pa.array(drawn(batch["id"], config, "pool")[rows]),
        batch["id"].take(taken),
        pa.ListArray.from_arrays(offsets, pa.array(lists.ravel())),
        talks_of(_silent(turns.flat.take(pa.array(at))), counts, None),
    ]
    return merge([pa.Table.from_arrays(arrays, schema=POOLED)])


def _trains(batch: pa.RecordBatch, config: PoolConfig) -> Any:
    """Which documents are training data."""
    if config.part is None:
        return np.ones(len(batch), np.bool_)
    train: Any = pa.scalar(config.train)
    is_train: Any = pc.fill_null(pc.equal(_strings(batch[config.part]), train), False)
    return is_train.to_numpy(zero_copy_only=False)


def _fits(batch: pa.RecordBatch, turns: Turns, config: PoolConfig) -> Any:
    """Which documents are short enough, and need no tools."""
    sizes = [pc.fill_null(pc.utf8_length(turns.flat.field(name)), 0) for name in ("content", "reasoning")]
    characters: Any = pc.add(*sizes)
    spoken = turns.per_document(np.where(np.isin(turns.role, (USER, ASSISTANT)), characters.to_numpy(), 0))
    return (spoken <= config.max_characters) & np.asarray(batch["tools"].is_null())


def _silent(messages: Any) -> Any:
    """Messages that carry no loss."""
    everywhere = np.arange(len(messages))
    quiet: Any = pa.array(np.zeros(len(messages), np.bool_))
    unweighted = pa.nulls(len(messages), pa.float32())
    return replaced(replaced(messages, "train", everywhere, quiet), "weight", everywhere, unweighted)


def merge(tables: Sequence[pa.Table]) -> pa.Table:
    """Of each group the POOL prompts of least hash. Raises InputError for more groups than memory should hold."""
    whole = pa.concat_tables(tables) if tables else POOLED.empty_table()
    order: Any = [(name, "ascending") for name in ("group", "chance", "id")]
    at: Any = pc.sort_indices(whole.select(["group", "chance", "id"]), order)
    codes: Any = whole["group"].combine_chunks().dictionary_encode(null_encoding="encode").indices
    group, prompt = codes.to_numpy()[at], _first_cluster(whole)[at]
    _, firsts = np.unique(np.stack([group.astype(np.uint64), prompt]), axis=1, return_index=True)
    kept = np.sort(firsts)
    starts = np.flatnonzero(np.diff(group[kept], prepend=-1))
    if len(starts) > MOST_VALUES:
        raise InputError(
            f"{NAME}: `by` has more than {MOST_VALUES:,} values, which is no list of tasks",
            remedy="set `by` to a column of fewer, or to null",
        )
    rank = np.arange(len(kept)) - np.repeat(starts, np.diff(np.append(starts, len(kept))))
    return whole.take(at.take(pa.array(kept[rank < POOL])))


def _first_cluster(table: pa.Table) -> Uint64s:
    lists: Any = table["clusters"].combine_chunks()
    flat: Uint64s = lists.flatten().to_numpy()
    return flat.reshape(len(table), -1)[:, 0] if len(table) else np.zeros(0, np.uint64)


def build(table: pa.Table, config: PoolConfig, folder: Path) -> None:
    """The pool, and how many shots of how many groups are in it."""
    groups: Any = pc.count_distinct(table["group"], "all")
    whose = "all documents" if config.part is None else f"documents of which {config.part} is {config.train!r}"
    told = f"{len(table):,} shots of {groups.as_py():,} groups, from {whose}\n"
    (folder / SUMMARY).write_text(told, encoding="utf-8")
    pq.write_table(table.replace_schema_metadata(None), folder / FILE)


class Pool(NamedTuple):
    """The shots: their group, hash, clusters, id, and two messages of each, one after the other."""

    rows: dict[str | None, Int64s]
    hashes: Uint64s
    clusters: Uint64s
    ids: Any
    messages: Any


@loaded_once(FILE)
def load(folder: Path) -> Pool:
    """From the folder that `build` filled."""
    table = pq.read_table(folder / FILE, schema=POOLED).combine_chunks()
    ids, groups, lists, talks = (_whole(table[name]) for name in ("id", "group", "clusters", "messages"))
    clusters = lists.flatten().to_numpy().reshape(len(table), -1) if len(table) else np.zeros((0, 0), np.uint64)
    return Pool(rows_by_value(groups), hash_slices(view_bytes(ids)), clusters, ids, talks.flatten())


def _whole(column: Any) -> Any:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
