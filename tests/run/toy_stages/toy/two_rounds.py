"""Group of two rounds for tests: of each text its copies, then each document's place among those of as many words.

The second round numbers its rows as they come, so it is right only if they come in the order that it asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import xxhash

from datapipe.stage import Group, Round, Scratch, StageConfig, columns, schema

TEXTS = schema(shard=pa.uint32(), row=pa.uint32(), key=pa.uint64(), words=pa.int32(), id=pa.string(), copies=pa.int32())
PLACES = schema(shard=pa.uint32(), row=pa.uint32(), copies=pa.int32(), place=pa.int32())


class Config(StageConfig):
    """No options."""


def emit(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The hash of each text, and how many words it has."""
    texts = [text or "" for text in batch.column("text").to_pylist()]
    return columns(
        row=pa.array(range(len(batch)), pa.uint32()),
        key=pa.array([xxhash.xxh3_64_intdigest(text.encode()) for text in texts], pa.uint64()),
        words=pa.array([len(text.split()) for text in texts], pa.int32()),
        id=batch.column("id"),
    )


def _by_key(stream: Iterator[pa.RecordBatch]) -> Iterator[list[dict[str, Any]]]:
    rows = (row for batch in stream for row in batch.to_pylist())
    for _, group in groupby(rows, key=lambda row: row["key"]):
        yield list(group)


def count(stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """How often each text stands there; the next key is the hash of the number of words."""
    for group in _by_key(stream):
        made = [
            {**row, "copies": len(group), "key": xxhash.xxh3_64_intdigest(str(row["words"]).encode())} for row in group
        ]
        yield pa.RecordBatch.from_pylist(made, schema=TEXTS)


def number(stream: Iterator[pa.RecordBatch], config: Config, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """The place of each document, in the order in which the rows come."""
    for group in _by_key(stream):
        if any(one["id"] > other["id"] for one, other in pairwise(group)):
            raise ValueError("the rows of a key do not come in order of id")
        made = [{**row, "place": place} for place, row in enumerate(group)]
        yield pa.RecordBatch.from_pylist([{name: row[name] for name in PLACES.names} for row in made], schema=PLACES)


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """What the rounds found for each document."""
    found = {row["row"]: row for row in verdicts.to_pylist()}
    mine = [found.get(row, {}) for row in batch.column("row").to_pylist()]
    return columns(
        copies=pa.array([row.get("copies") for row in mine], pa.int32()),
        place=pa.array([row.get("place") for row in mine], pa.int32()),
    )


STAGE = Group(
    name="toy.two_rounds",
    version=1,
    config=Config,
    reads=("text", "id"),
    adds=schema(copies=pa.int32(), place=pa.int32()),
    rounds=(Round(emit=emit, resolve=count), Round(resolve=number, sort=("id",))),
    apply=apply,
)
