"""Writes the kept documents of one shard through a Sink: one output file a shard, one read of its columns."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import xxhash

from datapipe.corpus.digest import digest_rows
from datapipe.corpus.ids import Tally, tally
from datapipe.corpus.record import Part, Record, Work, write_record
from datapipe.corpus.store import Store
from datapipe.engine.columns import Columns
from datapipe.engine.shards import windows
from datapipe.engine.step import Window
from datapipe.engine.task import SinkTask
from datapipe.errors import StageError

__all__ = ["run_sink", "stands"]


def run_sink(task: SinkTask) -> list[Record]:
    """Write one shard's documents; returns its record, done now or before."""
    store = Store(task.run)
    base = task.base
    columns = Columns(store, base.source.name, base)
    name = f"{task.call.name}/{base.shard}{task.call.stage.suffix(task.call.settings)}"
    began = time.perf_counter()
    seen = list(windows(store, base, columns))
    rows = [window.rows for window in seen]
    digest = digest_rows(np.concatenate([np.zeros(0, np.uint32), *rows]))
    old = task.old
    if (
        old
        and old.values == task.values
        and old.rows_in == digest
        and old.base == base.record.base
        and stands(store, old)
    ):
        return [old]
    documents = sum((tally(window.hashes) for window in seen), Tally())
    taken: list[Tally] = []
    with store.commit(name) as target:
        task.call.stage.write(_stream(task, columns, seen, taken), target, task.call.settings)
        if sum(taken, Tally()) != documents:
            raise StageError(
                f"stage {task.call.name!r} stopped writing before the end of shard {base.shard}",
                remedy="`write` takes its whole stream",
            )
    size = sum(int(window.sizes.sum()) for window in seen)
    record = Record(
        shard=base.shard,
        stage=task.call.name,
        base=base.record.base,
        values=task.values,
        decision="",
        rows_in=digest,
        rows_kept=digest,
        incoming=documents,
        kept=documents,
        bytes_in=size,
        bytes_kept=size,
        layer=(
            Part(
                path=name,
                rows=documents.documents,
                bytes=store.size(name),
                digests={"file": [_file_digest(store, name)]},
            ),
        ),
        work=Work(processed=documents.documents, reread=columns.reread, seconds=round(time.perf_counter() - began, 3)),
    )
    write_record(store, record)
    for part in old.layer if old else ():
        if part.path != name and not part.run:  # another file type: a reader of the folder must not see both
            store.remove(part.path)
    return [record]


def stands(store: Store, record: Record) -> bool:
    """Whether a sink's file is there, with the size that it had."""
    part = record.layer[0]
    return store.exists(part.path) and store.size(part.path) == part.bytes


def _stream(task: SinkTask, columns: Columns, seen: list[Window], taken: list[Tally]) -> Iterator[pa.RecordBatch]:
    """The documents, batch by batch; `taken` gets the tally of each batch that the sink asks to go beyond."""
    if not seen:  # a file without documents has columns all the same
        yield columns.batch(task.columns, np.zeros(0, np.uint32), task.owners)
    for window in seen:
        columns.start_window()
        yield columns.batch(task.columns, window.rows, task.owners)
        taken.append(tally(window.hashes))


def _file_digest(store: Store, name: str) -> str:
    hasher = xxhash.xxh3_128()
    with store.open(name) as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()
