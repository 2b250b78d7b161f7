"""One stage on one shard: measure what is lacking, decide, write its layer, keep the books.

Rows come window by window, in order. A stored layer with the same value fingerprint is kept: only the rows
it lacks are measured, and the file is then written once more with them in their places, so it has the bytes
of a fresh run. A layer of another run is not copied: the new rows go into a file of this run beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.corpus.digest import digest_rows
from datapipe.corpus.ids import Hashes, Tally, tally
from datapipe.corpus.layer import Rows, TableFile
from datapipe.corpus.record import Part, Record, Work, disown, read_record, write_record
from datapipe.corpus.store import Store
from datapipe.engine.calling import called
from datapipe.engine.columns import Columns, check_columns
from datapipe.engine.guard import guarded
from datapipe.engine.part import PartWriter
from datapipe.engine.reasons import combined, joined, kept_mask, nobody, tallies, write_reasons
from datapipe.engine.task import Limits, Step
from datapipe.engine.trail import log, mark
from datapipe.errors import StageError
from datapipe.schema import FRAMEWORK_REASONS, qualified
from datapipe.stage import Group, Map

__all__ = ["FAILURE", "StepRun", "Window", "adopted", "layer_schema", "newest"]

FAILURE = "failure"  # hidden measure of a guarded stage: why a row was set aside


class Window:
    """Some consecutive rows of the shard that are still in: their numbers, id hashes and sizes."""

    def __init__(self, rows: Rows, hashes: Hashes, sizes: Any, stop: int) -> None:
        self.rows, self.hashes, self.sizes, self.stop = rows, hashes, sizes, stop  # stop: the base row after the window

    def only(self, mask: Any) -> Window:
        """The rows where the mask is true."""
        if mask.all():
            return self
        return Window(self.rows[mask], self.hashes[mask], self.sizes[mask], self.stop)


class StepRun:
    """A Map, or the verdicts of a Group, on one shard."""

    def __init__(self, store: Store, step: Step, columns: Columns, *, shard: str, limits: Limits) -> None:
        self.step, self.name, self.shard = step, step.call.name, shard
        self.stage: Any = step.call.stage
        self.config = step.call.settings
        self._store, self._columns, self._limits = store, columns, limits
        self._schema = layer_schema(self.stage, self.config, self.name)
        self._decides: tuple[str, ...] = self.stage.decides_for(self.config)
        self._layer = PartWriter(store, f"{self.name}/{shard}.parquet", self._schema)
        self._done_rows = 0  # base rows below this are in the new layer already
        self._extends = False  # whether the layer gets new rows
        self._stored: list[TableFile] = []  # files of the layer: those of other runs, then this run's own
        self._own: list[TableFile] = []  # among whose rows new ones are written
        self._rows: list[Rows] = []
        self._reasons: list[pa.StringArray] = []
        self._kept = Tally()
        self._dropped: dict[str, Tally] = {}
        self._incoming = Tally()
        self._counts = {"processed": 0, "reread": 0, "not_applied": 0, "not_judged": 0, "bytes_in": 0, "bytes_kept": 0}
        self._sums: dict[str, int] = dict.fromkeys(self.stage.notice.sums if self.stage.notice else (), 0)
        self._seconds = 0.0
        self._old: Record | None = None
        self._events: list[dict[str, Any]] = []  # what befell documents that the guard set aside
        self.verdicts: pa.Table | None = None

    def start(self, base: str) -> None:
        """Look at what an earlier run left; `base` is the digest of the base shard's ids, or empty if new."""
        self._old = newest(self._store, self.step.old)
        old = self._old
        if old and old.values == self.step.values and old.base == base and base:
            self._stored = [TableFile(self._store, part) for part in old.layer]
            self._columns.add_layer(self.name, old)
        self._own = [file for file in self._stored if not file.part.run]

    # ------------------------------------------------------------------ one window

    def process(self, window: Window) -> Window:
        """Measure and decide the rows of a window; returns those that stay."""
        began = time.perf_counter()
        reread = self._columns.reread
        rows = window.rows
        applied = self._columns.where(self.step.where, rows, self.step.owners)
        lacking = rows[applied]
        for file in self._stored:
            lacking = lacking[file.find(lacking) < 0]
        if self._limits.retry_failed:
            lacking = self._with_failed(rows, lacking)
        if len(lacking):
            mark(self._store.url, self.name, self.shard, int(lacking[0]))
            made = self._measure(lacking)
            self._columns.put(self.name, lacking, made)
            self._extend(lacking, made, window.stop)
            self._counts["processed"] += len(lacking)
        reasons = self._decide(rows, applied)
        self._count(window, applied, reasons)
        self._counts["reread"] += self._columns.reread - reread
        self._seconds += time.perf_counter() - began
        return window.only(kept_mask(reasons))

    def _with_failed(self, rows: Rows, lacking: Rows) -> Rows:
        """Rows to measure, with those that the guard set aside earlier."""
        name = qualified(FAILURE, self.name)
        if name not in self._schema.names or not self._stored:
            return lacking
        failed = self._columns.get(name, rows, (self.name,))
        again: Rows = np.union1d(lacking, rows[pc.is_valid(failed).to_numpy(zero_copy_only=False)])
        return again

    def _measure(self, rows: Rows) -> pa.RecordBatch:
        declared = self.stage.adds_for(self.config)
        if isinstance(self.stage, Group):
            out = self._call(self.stage.apply, *self._verdicts_of(rows), self.config)
            return check_columns(out, declared, len(rows), self.name)
        batch = self._columns.batch(self.stage.reads_for(self.config), rows, self.step.owners)
        if not self.stage.guarded:
            resource = Path(self.step.resource) if self.step.resource else None
            return check_columns(
                self._call(self.stage.process, batch, self.config, resource), declared, len(rows), self.name
            )
        out, failure, details = guarded().process(self.step.call, self.step.resource, batch, self._limits)
        for at, detail in details.items():
            self._events.append(
                {"shard": self.shard, "row": int(rows[at]), "reason": failure[at].as_py(), "detail": detail}
            )
        checked = check_columns(out, declared, len(rows), self.name)
        names = [*checked.schema.names, qualified(FAILURE, self.name)]
        return pa.RecordBatch.from_arrays([*checked.columns, failure], names=names)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return called(self.step.call, self.shard, function, *arguments)

    def _verdicts_of(self, rows: Rows) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        batch = self._columns.batch(self.stage.applies_for(self.config), rows, self.step.owners)
        batch = pa.RecordBatch.from_arrays([pa.array(rows), *batch.columns], names=["row", *batch.schema.names])
        assert self.verdicts is not None
        known = self.verdicts.column("row").to_numpy()
        first, last = np.searchsorted(known, [rows[0], int(rows[-1]) + 1])
        near = first + np.flatnonzero(np.isin(known[first:last], rows))
        found = self.verdicts.take(near).combine_chunks().to_batches()
        none = pa.RecordBatch.from_arrays(
            [pa.array([], f.type) for f in self.verdicts.schema], schema=self.verdicts.schema
        )
        return batch, found[0] if found else none

    # ------------------------------------------------------------------ the layer

    def _extend(self, rows: Rows, made: pa.RecordBatch, stop: int) -> None:
        """Write new rows, with the stored ones in their places where the layer is this run's own."""
        own = pa.RecordBatch.from_arrays([pa.array(rows), *made.columns], schema=self._schema)
        if self._own:
            self._copy_stored(int(rows[0]))
            merged = pa.Table.from_batches([own, *self._stored_rows(int(rows[0]), stop, rows)]).sort_by("row")
            self._done_rows = stop
            for batch in merged.combine_chunks().to_batches():
                self._layer.write(batch)
        else:
            self._layer.write(own)
        self._extends = True

    def _copy_stored(self, stop: int) -> None:
        for low in range(self._done_rows, stop, 1024):
            for batch in self._stored_rows(low, min(low + 1024, stop), np.zeros(0, np.uint32)):
                self._layer.write(batch)
        self._done_rows = stop

    def _stored_rows(self, low: int, high: int, without: Rows) -> Iterator[pa.RecordBatch]:
        for file in self._own:
            at = np.arange(*np.searchsorted(file.rows, [low, high]))
            at = at[~np.isin(file.rows[at], without)] if len(without) else at
            if len(at):
                yield pa.RecordBatch.from_arrays(
                    [file.take(name, at) for name in self._schema.names], schema=self._schema
                )

    # ------------------------------------------------------------------ decisions

    def _full_name(self, column: str) -> str:
        return qualified(column, self.name) if column in self.stage.adds_for(self.config).names else column

    def _decide(self, rows: Rows, applied: Any) -> pa.StringArray:
        judged = rows if applied.all() else rows[applied]
        arrays = []
        for column in self._decides:
            full = self._full_name(column)
            arrays.append(self._columns.get(full, judged, self._owners(full)))
        reasons = nobody(len(judged))
        if self.stage.decide is not None and len(judged):
            measured = pa.RecordBatch.from_arrays(arrays, names=list(self._decides))
            reasons = self._call(self.stage.decide, measured, self.config)
            self._check_reasons(reasons, len(judged))
        if isinstance(self.stage, Map) and self.stage.guarded:
            failed = self._columns.get(qualified(FAILURE, self.name), judged, (self.name,))
            reasons = combined(failed, reasons)
        if "judged" in self.stage.adds_for(self.config).names:
            known = self._columns.get(f"{self.name}.judged", judged, (self.name,))
            self._counts["not_judged"] += len(judged) - int(pc.sum(known).as_py() or 0)
        if judged is rows:
            at_once: pa.StringArray = reasons
            return at_once
        at = np.cumsum(applied) - 1
        everyone: pa.StringArray = reasons.take(pa.array(at, mask=~applied))
        return everyone

    def _owners(self, column: str) -> tuple[str, ...]:
        own = (self.name,) if column in self._schema.names else ()
        return own + self.step.owners.get(column, ())

    def _check_reasons(self, reasons: Any, rows: int) -> None:
        if not isinstance(reasons, pa.StringArray):
            kind = getattr(reasons, "type", type(reasons).__name__)
            raise StageError(f"stage {self.name!r} decided with {kind}", remedy="`decide` returns a pa.StringArray")
        given = set(pc.unique(reasons).drop_null().to_pylist())
        unknown = given - set(self.stage.reasons) - set(FRAMEWORK_REASONS)
        if unknown:
            raise StageError(
                f"stage {self.name!r} gave the undeclared reason {min(map(str, unknown))!r}",
                remedy="add it to the stage's `reasons`",
            )
        if len(reasons) != rows:
            raise StageError(
                f"stage {self.name!r} decided {len(reasons)} of {rows} rows",
                remedy="`decide` gives one reason or null per row",
            )

    def _count(self, window: Window, applied: Any, reasons: pa.StringArray) -> None:
        self._rows.append(window.rows)
        self._reasons.append(reasons)
        self._incoming += tally(window.hashes)
        kept = kept_mask(reasons)
        self._kept += tally(window.hashes[kept])
        for reason, left in tallies(window.hashes, reasons).items():
            self._dropped[reason] = self._dropped.get(reason, Tally()) + left
        for column in self._sums:
            values = self._columns.get(qualified(column, self.name), window.rows[kept & applied], (self.name,))
            self._sums[column] += int(pc.sum(values).as_py() or 0)
        self._counts["not_applied"] += int((~applied).sum())
        self._counts["bytes_in"] += int(window.sizes.sum())
        self._counts["bytes_kept"] += int(window.sizes[kept].sum())

    # ------------------------------------------------------------------ the end

    def finish(self, base: str) -> Record:
        """Commit the layer, the reasons and, last, the record; nothing is written where nothing changed."""
        rows = np.concatenate([np.zeros(0, np.uint32), *self._rows])
        old = self._old
        same = old and old.values == self.step.values and old.decision == self.step.decision and old.base == base
        if same and old and old.rows_in == digest_rows(rows) and not self._extends:
            return adopted(self._store, old)
        disown(self._store, old)
        layer = self._commit_layer()
        reasons = joined(self._reasons)
        counts = dict(self._counts)
        work = Work(processed=counts["processed"], reread=counts["reread"], seconds=round(self._seconds, 3))
        record = Record(
            shard=self.shard,
            stage=self.name,
            base=base,
            values=self.step.values,
            decision=self.step.decision,
            rows_in=digest_rows(rows),
            rows_kept=digest_rows(rows[kept_mask(reasons)]),
            incoming=self._incoming,
            kept=self._kept,
            dropped=dict(sorted(self._dropped.items())),
            layer=layer,
            reasons=write_reasons(self._store, f"{self.name}/{self.shard}", rows, reasons),
            not_applied=counts["not_applied"],
            not_judged=counts["not_judged"],
            sums=self._sums,
            bytes_in=counts["bytes_in"],
            bytes_kept=counts["bytes_kept"],
            work=work,
        )
        if self._events:
            log(self._store, self.name, self.shard, self._events)
        write_record(self._store, record)
        self._columns.add_layer(self.name, record)
        return record

    def _commit_layer(self) -> tuple[Part, ...]:
        if self._stored and not self._extends:
            return tuple(file.part for file in self._stored)
        if self._own:
            self._copy_stored(1 + int(max(file.rows[-1] if len(file.rows) else 0 for file in self._own)))
        lent = (file.part for file in self._stored if file.part.run)
        return (*lent, self._layer.commit())

    def discard(self) -> None:
        """Leave nothing behind of what is not committed."""
        self._layer.discard()


def newest(store: Store, record: Record | None) -> Record | None:
    """What an earlier run left, or an earlier try of this very task whose worker died."""
    return (record and read_record(store, record.stage, record.shard)) or record


def adopted(store: Store, record: Record) -> Record:
    """A record that stands; one that was taken over from another run is written down in this one."""
    if any(part.run for part in record.layer):
        write_record(store, record)
    return record


def layer_schema(stage: Any, config: Any, name: str) -> pa.Schema:
    """Columns of a stage's layer: `row`, what it adds by full name, and why the guard set a row aside."""
    fields: list[Any] = [pa.field("row", pa.uint32())]
    fields += [pa.field(qualified(field.name, name), field.type) for field in stage.adds_for(config)]
    if isinstance(stage, Map) and stage.guarded:
        fields.append(pa.field(qualified(FAILURE, name), pa.string()))
    return pa.schema(fields)
