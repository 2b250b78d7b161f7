"""Group for tests: of documents with equal text the first in order of id stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import xxhash

from datapipe.stage import Group, Mask, Round, Scratch, StageConfig, columns, first_of, schema

COPY = "copy"


class Config(StageConfig):
    """No options."""


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """One key a document: the hash of its text."""
    keys = [xxhash.xxh3_64_intdigest((text or "").encode()) for text in batch.column("text").to_pylist()]
    return columns(row=pa.array(range(len(batch)), pa.uint32()), key=pa.array(keys, pa.uint64()), id=batch.column("id"))


def resolve(stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """The first of each key survives."""
    key, survivor = None, None
    for batch in stream:
        rows = []
        for row in batch.to_pylist():
            if row["key"] != key:
                key, survivor = row["key"], row["id"]
            else:
                rows.append({"shard": row["shard"], "row": row["row"], "survivor": survivor})
        kind = schema(shard=pa.uint32(), row=pa.uint32(), survivor=pa.string())
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=kind)


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """The survivor of each copy."""
    found = {}
    if "survivor" in verdicts.schema.names:
        found = dict(zip(verdicts.column("row").to_pylist(), verdicts.column("survivor").to_pylist(), strict=True))
    return columns(survivor=pa.array([found.get(row) for row in batch.column("row").to_pylist()], pa.string()))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Copies leave."""
    copies: Mask = measured.column("survivor").is_valid().to_numpy(zero_copy_only=False)
    return first_of((copies, COPY))


STAGE = Group(
    name="toy.unique",
    version=1,
    config=Config,
    reads=("text", "id"),
    adds=schema(survivor=pa.string()),
    reasons={COPY: "an equal text stays in its place"},
    rounds=(Round(emit=emit, resolve=resolve, sort=("id",)),),
    apply=apply,
    decide=decide_reasons,
)
