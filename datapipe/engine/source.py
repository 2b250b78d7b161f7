"""A source: cuts a split into base shards, and hands its documents to the stages that follow as they pass.

Base shards hold where each document is and what is not transient; a shard ends with the document that fills
it. A task that is done again (its worker died) goes on behind the last shard that is whole with its layers.
Costs one more read of local input, for the digest that tells a touched file from a changed one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import xxhash

from datapipe.corpus.digest import digest_rows
from datapipe.corpus.ids import Tally, document_ids, hash_ids, shard_name, tally
from datapipe.corpus.record import FileSeen, Record, SplitSeen, Work, disown, read_record, write_record
from datapipe.corpus.store import Store
from datapipe.engine.calling import streamed
from datapipe.engine.columns import Columns
from datapipe.engine.part import PartWriter
from datapipe.engine.reasons import combined, joined, kept_mask, tallies, write_reasons
from datapipe.engine.shards import Chain
from datapipe.engine.step import Window
from datapipe.engine.task import SourceTask
from datapipe.errors import InputError
from datapipe.schema import PLACE, qualified
from datapipe.stage import Split

__all__ = ["base_schema", "content_digest", "not_sampled", "run_source", "sampled"]

CHUNK = 8 << 20


def base_schema(source: Any, config: Any, name: str) -> pa.Schema:
    """Columns of a source's base shards: where each document comes from, and what is not transient."""
    fields: list[Any] = [pa.field(column, kind) for column, kind in PLACE.items()]
    stored = (f for f in source.adds_for(config) if f.name not in source.transient or f.name in config.keep)
    return pa.schema([*fields, *(pa.field(qualified(f.name, name), f.type) for f in stored)])


def sampled(hashes: Any, share: float | None) -> Any:
    """Which documents belong to a sample: by hash of id, so that the 1% is part of the 10%."""
    if share is None:
        return np.ones(len(hashes), np.bool_)
    return hashes[:, 0] < np.uint64(min(int(share * 2**64), 2**64 - 1))


def not_sampled(hashes: Any, share: float | None) -> Any:
    """The reason of documents outside a sample, null for those inside."""
    outside = ~sampled(hashes, share)
    return pa.array(np.full(len(hashes), "not_sampled"), pa.string(), mask=~outside)


def run_source(task: SourceTask) -> list[list[Record]]:
    """Cut a split into shards from `task.number` on; returns per shard the records of source and stages.

    A shard ends with the document that fills it; whether another follows depends on the split alone.
    """
    store = Store(task.run)
    digest = task.digest or content_digest(task.split)
    done = _finished(store, task, digest)
    cursor = _next_cursor(done) if done else task.cursor
    if cursor is None:
        return done
    shard = _SourceShard(store, task, digest=digest, number=task.number + len(done), cursor=cursor)
    try:
        for batch in _read(task, cursor, sum(records[0].incoming.documents for records in done)):
            rest = batch
            while len(rest):
                if shard.full:
                    following = int(rest.column("cursor")[0].as_py())
                    done.append(shard.finish(following))
                    number = task.number + len(done)
                    shard = _SourceShard(store, task, digest=digest, number=number, cursor=following)
                room = shard.room(rest)
                shard.take(rest.slice(0, room))
                rest = rest.slice(room)
        done.append(shard.finish(None))
    except BaseException:
        shard.discard()
        raise
    return done


def content_digest(split: Split) -> str:
    """Digest of a split's files, in order of name: of their bytes, or of the tag that an object store keeps of them."""
    hasher = xxhash.xxh3_128()
    for file in sorted(split.files, key=lambda file: file.name):
        if "://" in file.path and file.modified:  # fetched once, for their documents
            hasher.update(f"{file.name}\n{file.size}\n{file.modified}\n".encode())
            continue
        try:
            with fsspec.open(file.path, "rb") as stream:
                while chunk := stream.read(CHUNK):
                    hasher.update(chunk)
        except OSError as error:
            raise _unreadable(file.path, error) from error
    return hasher.hexdigest()


def _unreadable(path: str, error: OSError) -> InputError:
    why = error.strerror or type(error).__name__
    return InputError(f"cannot read {path}: {why}", remedy="check the file and its permissions, then run again")


def _finished(store: Store, task: SourceTask, digest: str) -> list[list[Record]]:
    """Shards that this task wrote whole, with all their layers, before its worker died."""
    done: list[list[Record]] = []
    while True:
        shard = shard_name(task.source.settings.source, task.split.name, task.number + len(done))
        base = read_record(store, task.source.name, shard)
        if base is None or base.split is None or base.values != task.values or base.split.digest != digest:
            return done
        records = [base]
        for step in task.steps:
            name = f"{step.call.name}/exchange" if step.emits else step.call.name
            record = read_record(store, name, shard)
            before = records[-1]
            if record is None or (record.values, record.decision) != (step.values, step.decision):
                return done
            if (record.base, record.rows_in) != (base.base, before.rows_kept):
                return done
            records.append(record)
        done.append(records)
        if base.split.next_cursor is None:
            return done


def _next_cursor(done: list[list[Record]]) -> int | None:
    seen = done[-1][0].split
    assert seen is not None
    return seen.next_cursor


def _read(task: SourceTask, cursor: int, behind: int) -> Iterator[pa.RecordBatch]:
    """Documents from a cursor on; `behind` counts those of this task that are done."""
    left = None if task.limit is None else task.limit - behind
    try:
        given = task.source.stage.read(task.split, task.source.settings, cursor)
        for batch in streamed(task.source, task.split.name, iter(given)):
            wanted = batch if left is None else batch.slice(0, left)
            yield wanted
            left = None if left is None else left - len(wanted)
            if left == 0:
                return
    except OSError as error:
        raise _unreadable(task.split.name, error) from error


def _full(column: str, name: str) -> str:
    """Full name of a column of a source's batch; `reason`, `digest` and `within` are the framework's own."""
    return column if column in ("reason", "digest", "within") else qualified(column, name)


class _SourceShard:
    """One base shard in the making, and the stages that its documents pass."""

    def __init__(self, store: Store, task: SourceTask, *, digest: str, number: int, cursor: int) -> None:
        self._store, self._task = store, task
        self._digest, self._number, self._cursor = digest, number, cursor
        self._config: Any = task.source.settings
        self._name = task.source.name
        self._shard = shard_name(self._config.source, task.split.name, number)
        self._schema = base_schema(task.source.stage, self._config, self._name)
        self._base = PartWriter(store, f"{self._name}/{self._shard}.parquet", self._schema)
        self._reasons: list[pa.StringArray] = []
        self._ids = xxhash.xxh3_128()
        self._own_ids = False
        self._rows = 0
        self._bytes = 0
        self._bytes_kept = 0
        self._incoming = self._kept = Tally()
        self._dropped: dict[str, Tally] = {}
        self._began = time.perf_counter()
        self._chain = Chain(store, task, Columns(store, self._name, None), self._shard)

    @property
    def full(self) -> bool:
        return self._bytes >= int(self._config.shard_bytes)

    def room(self, batch: pa.RecordBatch) -> int:
        """How many of these rows still belong to this shard."""
        weight = self._bytes + np.cumsum(batch.column("bytes").to_numpy())
        return min(len(batch), int(np.searchsorted(weight, self._config.shard_bytes)) + 1)

    def take(self, batch: pa.RecordBatch) -> None:
        """Add documents to the base, and pass those that are fine on."""
        ids = document_ids(self._config.source, batch)
        self._own_ids = "id" in batch.schema.names
        self._ids.update("".join(f"{value}\n" for value in ids.to_pylist()).encode())
        hashes = hash_ids(ids)
        rows = np.arange(self._rows, self._rows + len(batch), dtype=np.uint32)
        reasons = combined(batch.column("reason"), not_sampled(hashes, self._config.sample))
        given = batch if self._own_ids else batch.append_column("id", ids)
        given = given.rename_columns([_full(column, self._name) for column in given.schema.names])
        self._base.write(given.select(self._schema.names).cast(self._schema))
        sizes = batch.column("bytes").to_numpy()
        self._count(hashes, sizes, reasons)
        columns = self._chain.columns
        columns.start_window()
        columns.put(self._name, rows, given)
        self._chain.process(Window(rows, hashes, sizes, int(rows[-1]) + 1).only(kept_mask(reasons)))
        self._rows += len(batch)
        self._bytes += int(sizes.sum())

    def _count(self, hashes: Any, sizes: Any, reasons: Any) -> None:
        self._reasons.append(reasons)
        kept = kept_mask(reasons)
        self._incoming += tally(hashes)
        self._kept += tally(hashes[kept])
        self._bytes_kept += int(sizes[kept].sum())
        for reason, left in tallies(hashes, reasons).items():
            self._dropped[reason] = self._dropped.get(reason, Tally()) + left

    def finish(self, next_cursor: int | None) -> list[Record]:
        """Commit the base shard, then the layers on it, in order."""
        rows = np.arange(self._rows, dtype=np.uint32)
        reasons = joined(self._reasons)
        disown(self._store, read_record(self._store, self._name, self._shard))
        layer = self._base.commit()
        self._ids.update(json.dumps(layer.digests, sort_keys=True).encode())
        if self._own_ids:  # they say nothing of a payload that is not stored; the file's bytes do
            self._ids.update(self._digest.encode())
        seen = tuple(FileSeen(name=f.name, size=f.size, modified=f.modified) for f in self._task.split.files)
        record = Record(
            shard=self._shard,
            stage=self._name,
            base=self._ids.hexdigest(),
            values=self._task.values,
            decision=self._task.decision,
            rows_in=digest_rows(rows),
            rows_kept=digest_rows(rows[kept_mask(reasons)]),
            incoming=self._incoming,
            kept=self._kept,
            dropped=dict(sorted(self._dropped.items())),
            bytes_in=self._bytes,
            bytes_kept=self._bytes_kept,
            layer=(layer,),
            reasons=write_reasons(self._store, f"{self._name}/{self._shard}", rows, reasons),
            split=SplitSeen(
                name=self._task.split.name,
                number=self._number,
                cursor=self._cursor,
                next_cursor=next_cursor,
                files=seen,
                digest=self._digest,
            ),
            work=Work(
                processed=self._rows, bytes_read=self._bytes, seconds=round(time.perf_counter() - self._began, 3)
            ),
        )
        write_record(self._store, record)
        return [record, *self._chain.finish(record.base)]

    def discard(self) -> None:
        """Leave nothing behind of what is not committed."""
        self._base.discard()
        self._chain.discard()
