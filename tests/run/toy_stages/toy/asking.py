"""Group for tests that asks: among documents of as many words, those of the same letters as one before leave.

Letters are measured only of documents that share their number of words with another. What is measured is written
into the file `journal`, a line a document.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import xxhash

from datapipe.stage import Group, IndexedConfig, Mask, Round, Scratch, columns, first_of, place, schema

SAME = "same_letters"
ASKED = schema(shard=pa.uint32(), row=pa.uint32(), words=pa.uint64())
VERDICTS = schema(shard=pa.uint32(), row=pa.uint32(), survivor=pa.string())


class Config(IndexedConfig):
    """Where to write what is measured."""

    journal: str | None = place(None, "file that gets a line for each document that is measured")


def _hash(*values: object) -> int:
    return xxhash.xxh3_64_intdigest(repr(values).encode())


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The number of words."""
    keys = [_hash(len((text or "").split())) for text in batch.column("text").to_pylist()]
    return columns(row=pa.array(range(len(batch)), pa.uint32()), key=pa.array(keys, pa.uint64()))


def ask(stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """All documents that are not alone."""
    rows = (row for batch in stream for row in batch.to_pylist())
    for key, group in groupby(rows, key=lambda row: row["key"]):
        members = list(group)
        if len(members) > 1:
            made = [{"shard": row["shard"], "row": row["row"], "words": key} for row in members]
            yield pa.RecordBatch.from_pylist(made, schema=ASKED)


def measure(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The letters of each document, and its id."""
    texts = [text or "" for text in batch.column("text").to_pylist()]
    if config.journal:
        with Path(config.journal).open("a", encoding="utf-8") as file:
            file.writelines(f"{text}\n" for text in texts)
    letters = ["".join(sorted(set(text))) for text in texts]
    return columns(letters=pa.array(letters, pa.string()), id=batch.column("id"))


def answer(measured: pa.RecordBatch, asked: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """The letters as key."""
    known = {row["row"]: row for row in measured.to_pylist()}
    rows = asked.to_pylist()
    return columns(
        row=asked.column("row"),
        key=pa.array([_hash(row["words"], known[row["row"]]["letters"]) for row in rows], pa.uint64()),
        id=pa.array([known[row["row"]]["id"] for row in rows], pa.string()),
    )


def judge(stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """The first of each key stays, of an earlier run before those of this one."""
    rows = (row for batch in stream for row in batch.to_pylist())
    for _, group in groupby(rows, key=lambda row: row["key"]):
        first, *others = group
        made = [{"shard": row["shard"], "row": row["row"], "survivor": first["id"]} for row in others]
        yield pa.RecordBatch.from_pylist(made, schema=VERDICTS)


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """Who stays in a document's place."""
    found = {row["row"]: row["survivor"] for row in verdicts.to_pylist()}
    return columns(survivor=pa.array([found.get(row) for row in batch.column("row").to_pylist()], pa.string()))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Those with a survivor leave."""
    copies: Mask = measured.column("survivor").is_valid().to_numpy(zero_copy_only=False)
    return first_of((copies, SAME))


STAGE = Group(
    name="toy.asking",
    version=1,
    config=Config,
    reads=("text", "id"),
    adds=schema(survivor=pa.string()),
    reasons={SAME: "a document of as many words and the same letters stays"},
    rounds=(Round(emit=emit, resolve=ask), Round(answer=answer, resolve=judge, sort=("run", "id"))),
    measure=measure,
    apply=apply,
    decide=decide_reasons,
)
