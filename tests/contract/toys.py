"""A good toy stage of each kind, for the suite to find nothing in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from datapipe.stage import (
    TEXT,
    Expand,
    File,
    Group,
    Map,
    Prepare,
    Round,
    Scratch,
    Sink,
    Source,
    SourceConfig,
    Split,
    StageConfig,
    below,
    columns,
    decide,
    first_of,
    schema,
)


class NoConfig(StageConfig):
    """Nothing to set."""


class LengthConfig(StageConfig):
    """A bound on length."""

    least: int | None = decide(10, "characters; fewer leave as too_short")


def texts(batch: pa.RecordBatch) -> list[str]:
    return ["" if text is None else text for text in batch.column("text").to_pylist()]


def batch_of(fields: pa.Schema, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    arrays: list[Any] = [pa.array([row[field.name] for row in rows], field.type) for field in fields]
    return pa.RecordBatch.from_arrays(arrays, schema=fields)


# ---------------------------------------------------------------------------------------------- Map


def process(batch: pa.RecordBatch, config: LengthConfig, resource: Path | None) -> pa.RecordBatch:
    return columns(characters=np.array([len(text) for text in texts(batch)], np.int32))


def decide_reasons(measured: pa.RecordBatch, config: LengthConfig) -> pa.StringArray:
    return first_of((below(measured.column("characters"), config.least), "too_short"))


MAP = Map(
    name="toy.length",
    version=1,
    config=LengthConfig,
    reads=TEXT,
    adds=schema(characters=pa.int32()),
    reasons={"too_short": "fewer characters than least"},
    process=process,
    decide=decide_reasons,
)

# ---------------------------------------------------------------------------------------------- Map with a resource


def sketch(batch: pa.RecordBatch, config: NoConfig) -> pa.Table:
    return pa.table({"longest": pa.array([max(map(len, texts(batch)), default=0)], pa.int64())})


def merge(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables)


def build(table: pa.Table, config: NoConfig, folder: Path) -> None:
    folder.joinpath("longest").write_text(str(max(table.column("longest").to_numpy())))


def compare(batch: pa.RecordBatch, config: NoConfig, resource: Path | None) -> pa.RecordBatch:
    assert resource is not None
    longest = int(resource.joinpath("longest").read_text())
    return columns(share=np.array([len(text) / longest for text in texts(batch)], np.float64))


PREPARED = Map(
    name="toy.share",
    version=1,
    config=NoConfig,
    reads=TEXT,
    adds=schema(share=pa.float64()),
    prepare=Prepare(build=build, sketch=sketch, merge=merge, reads=TEXT),
    process=compare,
)

# ---------------------------------------------------------------------------------------------- Expand

CHILD = schema(parent_row=pa.uint32(), text=pa.large_string())


def expand(batch: pa.RecordBatch, config: NoConfig, resource: Path | None) -> pa.RecordBatch:
    rows = [
        {"parent_row": row, "text": line}
        for row, text in enumerate(texts(batch))
        for line in text.split("\n")
        if line.strip()
    ]
    return batch_of(CHILD, rows)


EXPAND = Expand(
    name="toy.lines",
    version=1,
    config=NoConfig,
    reads=TEXT,
    adds=schema(text=pa.large_string()),
    reasons={"no_lines": "there is no line with anything on it"},
    expand=expand,
    childless="no_lines",
)

# ---------------------------------------------------------------------------------------------- Group

KEY = schema(row=pa.uint32(), key=pa.uint64())
VERDICT = schema(shard=pa.uint32(), row=pa.uint32(), first=pa.bool_())


def emit(batch: pa.RecordBatch, config: NoConfig, resource: Path | None) -> pa.RecordBatch:
    keys = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts(batch)]
    return batch_of(KEY, [{"row": row, "key": int.from_bytes(key)} for row, key in enumerate(keys)])


def resolve(stream: Iterator[pa.RecordBatch], config: NoConfig, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    last = None
    for batch in stream:
        rows = []
        for one in batch.to_pylist():
            rows.append({"shard": one["shard"], "row": one["row"], "first": one["key"] != last})
            last = one["key"]
        yield batch_of(VERDICT, rows)


def apply(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: NoConfig) -> pa.RecordBatch:
    known = {one["row"]: one["first"] for one in verdicts.to_pylist()}
    return columns(copy=np.array([not known.get(row, True) for row in batch.column("row").to_numpy()], np.bool_))


def decide_copies(measured: pa.RecordBatch, config: NoConfig) -> pa.StringArray:
    copies = np.array([bool(copy) for copy in measured.column("copy").to_pylist()], np.bool_)
    return first_of((copies, "copy"))


GROUP = Group(
    name="toy.exact",
    version=1,
    config=NoConfig,
    reads=TEXT,
    adds=schema(copy=pa.bool_()),
    reasons={"copy": "an earlier document has the same text"},
    rounds=(Round(emit=emit, resolve=resolve),),
    apply=apply,
    decide=decide_copies,
)

# ---------------------------------------------------------------------------------------------- Source

READ = schema(
    record=pa.int64(),
    cursor=pa.int64(),
    bytes=pa.int64(),
    file=pa.string(),
    reason=pa.string(),
    digest=pa.binary(16),
    text=pa.large_string(),
)


def splits(config: SourceConfig) -> list[Split]:
    return [Split(name, (File(name, name, 100, ""),)) for name in config.paths]


def read(split: Split, config: SourceConfig, cursor: int) -> Iterator[pa.RecordBatch]:
    for record in range(cursor // 10, 5):
        text = f"{split.name}, record {record}"
        row = {
            "record": record,
            "cursor": record * 10,
            "bytes": len(text),
            "file": split.name,
            "reason": "damaged_input" if record == 3 else None,
            "digest": hashlib.md5(text.encode()).digest(),
            "text": text,
        }
        yield batch_of(READ, [row])


SOURCE = Source(
    name="toy.read",
    version=1,
    config=SourceConfig,
    adds=schema(text=pa.large_string()),
    splits=splits,
    read=read,
)
SOURCE_CONFIG = SourceConfig(paths=("one", "two"), source="toy")

# ---------------------------------------------------------------------------------------------- Sink


def select(available: tuple[str, ...], config: NoConfig) -> tuple[str, ...]:
    return tuple(name for name in available if name in {"id", "text"})


def write(stream: Iterator[pa.RecordBatch], target: BinaryIO, config: NoConfig) -> None:
    for batch in stream:
        target.writelines(json.dumps(row).encode() + b"\n" for row in batch.to_pylist())


def suffix(config: NoConfig) -> str:
    return ".jsonl"


SINK = Sink(name="toy.write", version=1, config=NoConfig, select=select, write=write, suffix=suffix)

GOOD = (MAP, PREPARED, EXPAND, GROUP, SINK)
