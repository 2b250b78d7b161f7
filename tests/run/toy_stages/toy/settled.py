"""Group for tests that settles: of equal texts the one of the smallest id stays, and each learns of all pairs.

The number of pairs of equal texts in the whole corpus is known only to who sees all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import xxhash

from datapipe.stage import Group, Mask, Round, Scratch, StageConfig, columns, first_of, schema

COPY = "copy"
KEYS = schema(shard=pa.uint32(), row=pa.uint32(), key=pa.uint64(), id=pa.string())
VERDICTS = schema(shard=pa.uint32(), row=pa.uint32(), survivor=pa.string(), pairs=pa.int64())


class Config(StageConfig):
    """No options."""


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """One key a document: the hash of its text."""
    keys = [xxhash.xxh3_64_intdigest((text or "").encode()) for text in batch.column("text").to_pylist()]
    return columns(row=pa.array(range(len(batch)), pa.uint32()), key=pa.array(keys, pa.uint64()), id=batch.column("id"))


def resolve(stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """The keys as they are."""
    for batch in stream:
        yield batch.select(KEYS.names).cast(KEYS)


def settle(stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """The survivor of each text, and the pairs of all texts."""
    rows = (row for batch in stream for row in batch.to_pylist())
    groups = [list(group) for _, group in groupby(rows, key=lambda row: row["key"])]
    pairs = sum(len(group) * (len(group) - 1) // 2 for group in groups)
    for group in groups:
        first = min(row["id"] for row in group)
        made = [
            {
                "shard": row["shard"],
                "row": row["row"],
                "survivor": None if row["id"] == first else first,
                "pairs": pairs,
            }
            for row in group
        ]
        yield pa.RecordBatch.from_pylist(made, schema=VERDICTS)


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """What is known of each document."""
    found = {row["row"]: row for row in verdicts.to_pylist()}
    mine = [found.get(row, {}) for row in batch.column("row").to_pylist()]
    return columns(
        survivor=pa.array([row.get("survivor") for row in mine], pa.string()),
        pairs=pa.array([row.get("pairs") for row in mine], pa.int64()),
    )


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Copies leave."""
    copies: Mask = measured.column("survivor").is_valid().to_numpy(zero_copy_only=False)
    return first_of((copies, COPY))


STAGE = Group(
    name="toy.settled",
    version=1,
    config=Config,
    reads=("text", "id"),
    adds=schema(survivor=pa.string(), pairs=pa.int64()),
    reasons={COPY: "an equal text stays in its place"},
    rounds=(Round(emit=emit, resolve=resolve), Round(resolve=settle, whole=True)),
    apply=apply,
    decide=decide_reasons,
)
