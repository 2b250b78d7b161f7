"""What documents answer when a round of a Group asks about them: measured once, sent on by key.

A round that compares documents more closely needs more of them than their keys, but of few of them: those that
resemble another. Their columns are made from the text when they are first asked for, and stored under
`exchange/measured`; a run with `index` makes them of all documents, so that later runs can ask too.
Memory: what is asked of some documents (see `questions`), a batch of documents, and a run of answers before it is
sorted and written. A document answers each that asks, so batches are cut by the bytes of their answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from datapipe.corpus.layer import Rows, TableFile, row_bytes
from datapipe.corpus.record import Part
from datapipe.corpus.store import Store
from datapipe.engine.calling import called
from datapipe.engine.columns import Columns
from datapipe.engine.part import PartWriter
from datapipe.engine.questions import Questions
from datapipe.engine.reasons import kept_rows
from datapipe.engine.recalling import Recalled
from datapipe.engine.resolve import Resolved, file_order, finished, folder, record, write_runs
from datapipe.engine.shards import batches_of, sizes_of
from datapipe.engine.task import AnswerTask
from datapipe.errors import CorruptData, InputError, StageError
from datapipe.stage import MAX_BATCH_BYTES, MAX_BATCH_ROWS
from datapipe.text import forget

__all__ = ["Measured", "is_measured", "measured_of", "run_answer"]


class Measured(BaseModel):
    """Which documents of a shard are measured, with what values."""

    model_config = ConfigDict(frozen=True)

    values: str
    base: str
    part: Part


def measured_of(store: Store, stage: str, shard: str) -> Measured | None:
    """What is measured of a shard's documents; None where nothing is, or it cannot be read."""
    name = f"{stage}/exchange/measured/{shard}.json"
    if not store.exists(name):
        return None
    try:
        return Measured.model_validate_json(store.read(name))
    except ValidationError:
        return None


def is_measured(store: Store, stage: str, shard: str) -> bool:
    """Whether what is measured of a shard's documents stands; who damages or loses it has it made anew."""
    found = measured_of(store, stage, shard)
    return found is not None and (not found.part.rows or store.exists(found.part.path))


def run_answer(task: AnswerTask) -> Resolved:
    """Measure the documents that are asked for, where they are not yet, and write their answers."""
    store = Store(task.run)
    done = finished(store, folder(task), task.name, task.fingerprint)
    if done is not None and (not task.everything or is_measured(store, task.call.name, task.name)):
        return done
    asked = Questions(store, task.asked)
    recalled = Recalled(store, task)
    documents = (recalled.beside(batch) for batch in _documents(store, task, asked.documents()))
    order = file_order(task.call.stage.rounds[task.round])
    return record(store, task, list(write_runs(store, task, _answers(task, documents, asked), order)))


def _documents(store: Store, task: AnswerTask, wanted: Rows) -> Iterator[pa.RecordBatch]:
    """The documents asked for, in batches of bounded size: `row`, and what is measured of them, or what is read."""
    if task.base is not None and task.call.stage.measure is None:
        columns = Columns(store, task.base.source.name, task.base)
        for rows in batches_of(wanted, sizes_of(task.base, columns)):
            columns.start_window()
            batch = columns.batch(task.call.stage.reads_for(task.call.settings), rows, task.owners)
            yield _with_rows(rows, batch)
            forget()
        return
    part = task.measured if task.base is None else _Measuring(store, task).extend(wanted)
    assert part is not None
    if not len(wanted):
        return
    file = TableFile(store, part)
    places = file.find(wanted)
    if (places < 0).any():
        raise InputError(
            f"the run at {part.run} did not keep what {task.call.name!r} asks of its documents",
            remedy="run it once more with `index: true` on that stage",
        )
    size = max(1, min(MAX_BATCH_ROWS, MAX_BATCH_BYTES // file.row_bytes))
    for start in range(0, len(wanted), size):
        at = places[start : start + size]
        yield pa.RecordBatch.from_arrays([file.take(name, at) for name in file.columns], names=file.columns)


def _answers(task: AnswerTask, documents: Iterator[pa.RecordBatch], asked: Questions) -> Iterator[pa.RecordBatch]:
    answer = task.call.stage.rounds[task.round].answer
    for batch in documents:
        questions = asked.on(batch.column("row").to_numpy())
        rows = questions.column("row").to_numpy()
        firsts = np.searchsorted(rows, batch.column("row").to_numpy(), side="left")
        lasts = np.searchsorted(rows, batch.column("row").to_numpy(), side="right")
        for start, stop in _cuts(row_bytes(batch) * (lasts - firsts), task.memory_bytes // 8):
            some = batch.slice(start, stop - start)
            first, last = int(firsts[start]), int(lasts[stop - 1])
            mine = questions.slice(first, last - first)
            given = called(task.call, task.name, answer, some, mine, task.call.settings)
            _check(task, given, some.column("row").to_numpy())
            yield given


def _cuts(sizes: np.ndarray[Any, np.dtype[np.int64]], most: int) -> Iterator[tuple[int, int]]:
    """Ranges of documents whose answers, one for each that asks, are of bounded size together, or one document."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield start, stop
        start = stop


def _with_rows(rows: Rows, batch: pa.RecordBatch) -> pa.RecordBatch:
    names = ["row", *batch.schema.names]
    return pa.RecordBatch.from_arrays([pa.array(rows, pa.uint32()), *batch.columns], names=names)


def _check(task: AnswerTask, given: pa.RecordBatch, rows: Rows) -> None:
    names = given.schema.names
    sound = all(name in names for name in ("row", "key")) and given.schema.field("key").type == pa.uint64()
    if not sound or not np.isin(given.column("row").to_numpy(), rows).all():
        raise StageError(
            f"stage {task.call.name!r} answered round {task.round} without a proper `row` or `key`",
            remedy="`row` is that of the document asked for, `key` a uint64",
        )


class _Measuring:
    """The measured documents of one shard of this run: a file sorted by row, extended by those it lacks."""

    def __init__(self, store: Store, task: AnswerTask) -> None:
        assert task.base is not None
        self._store, self._task, self._base = store, task, task.base
        self._path = f"{task.call.name}/exchange/measured/{self._base.shard}"
        old = measured_of(store, task.call.name, self._base.shard)
        same = old is not None and (old.values, old.base) == (task.values, self._base.record.base)
        self._old = self._opened(old.part) if old is not None and same else None

    def _opened(self, part: Part) -> TableFile | None:
        """A file that is damaged is made anew."""
        try:
            return TableFile(self._store, part)
        except CorruptData:
            return None

    def extend(self, wanted: Rows) -> Part:
        """Measure what is lacking; returns the file."""
        columns = Columns(self._store, self._base.source.name, self._base)
        if self._task.everything:
            wanted = self._everything(columns, wanted)
        stored = self._old.rows if self._old is not None else wanted[:0]
        if self._old is not None and np.isin(wanted, stored).all():
            return self._old.part
        rows = np.union1d(wanted, stored).astype(np.uint32)
        writer = None
        for mine in batches_of(rows, sizes_of(self._base, columns)):
            made = self._batch(columns, mine, stored)
            writer = writer or PartWriter(self._store, f"{self._path}.parquet", made.schema, sliced=True)
            writer.write(made)
        part = writer.commit() if writer else Part(path=f"{self._path}.parquet", rows=0, bytes=0, digests={})
        found = Measured(values=self._task.values, base=self._base.record.base, part=part)
        self._store.write(f"{self._path}.json", found.model_dump_json().encode())
        return part

    def _everything(self, columns: Columns, wanted: Rows) -> Rows:
        before = self._base.layers.get(self._base.previous, self._base.record)
        rows = kept_rows(self._store, before.reasons)
        rows = rows[columns.where(self._task.where, rows, self._task.owners)] if len(rows) else rows
        return np.union1d(rows, wanted).astype(np.uint32)

    def _batch(self, columns: Columns, rows: Rows, stored: Rows) -> pa.RecordBatch:
        """Some rows: those that are stored as they stand, the others measured."""
        parts = []
        known = np.isin(rows, stored)
        if self._old is not None and known.any():
            at = self._old.find(rows[known])
            names = self._old.columns
            parts.append(pa.RecordBatch.from_arrays([self._old.take(name, at) for name in names], names=names))
        if not known.all():
            parts.append(self._measure(columns, rows[~known]))
        if len(parts) == 1:
            return parts[0]
        together = pa.Table.from_batches([part.select(parts[0].schema.names) for part in parts]).sort_by("row")
        return together.combine_chunks().to_batches()[0]

    def _measure(self, columns: Columns, rows: Rows) -> pa.RecordBatch:
        task, stage = self._task, self._task.call.stage
        columns.start_window()
        batch = columns.batch(stage.reads_for(task.call.settings), rows, task.owners)
        resource = Path(task.resource) if task.resource else None
        made = called(task.call, self._base.shard, stage.measure, batch, task.call.settings, resource)
        forget()
        if len(made) != len(rows) or "row" in made.schema.names:
            raise StageError(
                f"stage {task.call.name!r} measured {len(made)} of {len(rows)} rows",
                remedy="`measure` gives one row per row, and no column `row`",
            )
        return _with_rows(rows, made)
