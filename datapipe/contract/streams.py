"""Sources and Sinks: what they read from any cursor on, gather, and write from any stream."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.contract.compare import concatenated, cuts, difference, groups
from datapipe.contract.finding import Trial
from datapipe.contract.rowwise import Rowwise, check_rowwise
from datapipe.schema import FRAMEWORK_REASONS
from datapipe.stage import MAX_BATCH_BYTES, MAX_BATCH_ROWS, Above, Split

__all__ = ["check_sink", "check_source", "run_sink", "run_source", "sink_rows"]

_PLACED: dict[str, Any] = {
    "record": pa.int64(),
    "cursor": pa.int64(),
    "bytes": pa.int64(),
    "file": pa.string(),
    "reason": pa.string(),
}
_CURSORS = 12

# ---------------------------------------------------------------------------------------------- Source


def run_source(trial: Trial) -> Iterator[pa.RecordBatch]:
    """Everything that a source reads."""
    for split in trial.stage.splits(trial.config):
        yield from trial.stage.read(split, trial.config, 0)


def check_source(trial: Trial) -> None:
    """Try the splits of a source, and reading from many cursors."""
    found = trial.found
    undeclared = sorted(set(trial.stage.transient) - set(trial.adds.names))
    if undeclared:
        found.add("columns", f"transient columns are not declared: {', '.join(undeclared)}")
    splits = found.attempt("splits", "splits", _splits, trial)
    if splits is None:
        return
    if splits != _splits(trial):
        found.add("determinism", "splits, called again, are not the same")
    if len({split.name for split in splits}) != len(splits):
        found.add("splits", "two splits have one name")
    if not splits:
        found.add("splits", "not tried: the config finds no input", fault=False)
    for split in splits:
        _check_split(trial, split)


def _splits(trial: Trial) -> list[Split]:
    return list(trial.stage.splits(trial.config))


def _read(trial: Trial, split: Split, cursor: int) -> list[pa.RecordBatch]:
    return list(trial.stage.read(split, trial.config, cursor))


def _check_split(trial: Trial, split: Split) -> None:
    found = trial.found
    batches = found.attempt("runs", f"read of {split.name}", _read, trial, split, 0)
    if not batches or not min([_check_batch(trial, split, batch) for batch in batches]):
        return
    whole = concatenated(batches)
    expected = groups(whole, None, len(whole))
    cursors: list[Any] = whole.column("cursor").to_pylist()
    if cursors != sorted(cursors):
        found.add("cursor", f"{split.name}: cursors do not grow from record to record")
    chosen = random.Random(0).sample(range(len(whole)), min(_CURSORS, len(whole)))  # noqa: S311 - always the same
    for row in sorted({0, len(whole) - 1, *chosen} if len(whole) else set()):
        first = cursors.index(cursors[row])
        what = f"read of {split.name} from the cursor of record {first}"
        rest = found.attempt("cursor", what, _read, trial, split, cursors[row])
        if rest is not None:
            got = [line for batch in rest for line in groups(batch, None, len(batch))]
            differs = difference(expected[first:], got)
            if differs:
                found.add("cursor", f"{what} is not the rest: {differs}")


def _check_batch(trial: Trial, split: Split, batch: pa.RecordBatch) -> bool:
    if not _columns_fit(trial, batch):
        return False
    found = trial.found
    if len(batch) > MAX_BATCH_ROWS or (len(batch) > 1 and batch.nbytes > MAX_BATCH_BYTES):
        found.add("rows", f"read gives a batch of {len(batch)} rows and {batch.nbytes} bytes, which is over the limit")
    for name in ("record", "cursor", "bytes", "file"):
        if batch.column(name).null_count:
            found.add("nulls", f"read leaves {name} null")
    reasons = {reason for reason in batch.column("reason").to_pylist() if reason is not None}
    for reason in sorted(map(str, reasons - {*trial.stage.reasons, *FRAMEWORK_REASONS})):
        found.add("reasons", f"read gives {reason!r}, which is not declared")
    for name in sorted(map(str, set(batch.column("file").to_pylist()) - {file.name for file in split.files})):
        found.add("splits", f"read gives file {name!r}, which is not in the split")
    return True


def _columns_fit(trial: Trial, batch: pa.RecordBatch) -> bool:
    got: dict[str, Any] = dict(zip(batch.schema.names, batch.schema.types, strict=True))
    identity: dict[str, Any] = {"id": pa.string()} if "id" in got else {"digest": pa.binary(16)}
    wanted = {**_PLACED, **identity, **dict(zip(trial.adds.names, trial.adds.types, strict=True))}
    wrong = [
        f"{name} is {got.get(name, 'missing')}, not {kind}" for name, kind in wanted.items() if got.get(name) != kind
    ]
    wrong += [f"{name} is not declared" for name in got if name not in wanted]
    for fault in wrong:
        trial.found.add("columns", f"read: {fault}")
    return not wrong


# ---------------------------------------------------------------------------------------------- Sink


def run_sink(trial: Trial, batches: list[pa.RecordBatch]) -> bytes:
    """The file that a sink makes of a stream."""
    target = io.BytesIO()
    trial.stage.write(iter(batches), target, trial.config)
    return target.getvalue()


def sink_rows(trial: Trial) -> pa.RecordBatch:
    """What the only file of a sink holds: the sample documents, or what it gathers of those that fit together."""
    stage = trial.stage
    whole = concatenated(list(trial.samples.values()))
    chosen = list(stage.select(tuple(whole.schema.names), trial.config))
    if stage.gather is None:
        return whole.select(chosen)
    return gathered(trial, trial.samples["typical"].select(chosen))


def gathered(trial: Trial, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows that a sink gathers of one shard, as its file gets them."""
    rows = pa.Table.from_batches([trial.stage.gather.emit(batch, trial.config)])
    rows = rows.append_column("shard", pa.array(np.zeros(len(rows), np.uint32)))
    order = ["key", *trial.stage.gather.sort, "row"]
    (made,) = rows.sort_by([(name, "ascending") for name in order]).combine_chunks().to_batches()
    return made


def check_sink(trial: Trial) -> None:
    """Try a sink on streams cut in many ways; the file must be the same, byte for byte."""
    whole, found = concatenated(list(trial.samples.values())), trial.found
    suffix = found.attempt("suffix", "suffix", trial.stage.suffix, trial.config)
    if suffix is not None and not suffix.startswith("."):
        found.add("suffix", f"{suffix!r} does not begin with a dot")
    available = tuple(whole.schema.names)
    chosen = found.attempt("columns", "select", trial.stage.select, available, trial.config)
    if chosen is None:
        return
    strange = sorted(set(chosen) - set(available))
    if strange:
        found.add("columns", f"select asks for {', '.join(strange)}, which is not there")
    elif trial.stage.gather is not None:
        if _check_gather(trial, chosen):
            _check_write(trial, sink_rows(trial))
    else:
        for label, batch in trial.samples.items():
            check = {"odd": "odd text", "nulls": "nulls"}.get(label, "runs")
            found.attempt(check, f"write of {label} documents", run_sink, trial, [batch.select(list(chosen))])
        _check_write(trial, whole.select(list(chosen)))
        if trial.stage.finish is not None:
            _check_finish(trial, whole.select(list(chosen)))


def _check_write(trial: Trial, mine: pa.RecordBatch) -> None:
    found = trial.found
    expected = found.attempt("runs", "write", run_sink, trial, [mine])
    if expected is None:
        return
    if run_sink(trial, [mine]) != expected:
        found.add("determinism", "write, called again, gives other bytes")
    for label, parts in cuts(mine):
        got = found.attempt("cuts", f"write of a stream, {label},", run_sink, trial, parts)
        if got is not None and got != expected:
            found.add("cuts", f"write of a stream, {label}, gives other bytes")
    found.attempt("empty", "write of an empty batch", run_sink, trial, [mine.slice(0, 0)])
    found.attempt("empty", "write of no batch", run_sink, trial, [])


def _check_gather(trial: Trial, chosen: tuple[str, ...]) -> bool:
    """Try what a sink gathers, how many files it wants, and what it puts beside them."""
    gather, found = trial.stage.gather, trial.found

    def emit(batch: pa.RecordBatch) -> Any:
        return gather.emit(batch.select(list(chosen)), trial.config)

    samples = {"typical": trial.samples["typical"]}
    rows = pa.schema([("row", pa.uint32()), ("key", pa.uint64()), ("weight", pa.int64())])
    if check_rowwise(Rowwise("emit", emit, rows, index="row", exact=False), samples, found) is None:
        return False
    for weight in (0, 1, 10**15):
        count = found.attempt("files", "files", gather.files, weight, trial.config)
        if count is not None and count < 1:
            found.add("files", f"files gives {count} for a weight of {weight}")
    settled = trial.config
    if gather.settle is not None:
        settled = found.attempt("settle", "settle", gather.settle, trial.config, {}) or settled
        if not isinstance(settled, type(trial.config)) or gather.settle(settled, {}) != settled:
            found.add("settle", "settle gives no config, or another one for its own")
    written = trial.stage.write(
        iter([gathered(trial, samples["typical"].select(list(chosen)))]), io.BytesIO(), trial.config
    )
    beside = found.attempt("finish", "finish", lambda: list(gather.finish({"data": written.facts}, Above(), settled)))
    return beside is not None and _check_beside(trial, beside)


def _check_beside(trial: Trial, files: list[tuple[str, bytes]]) -> bool:
    """Look at the small files that a sink puts beside the others."""
    for name, content in files:
        if name.startswith(("/", ".")) or not isinstance(content, bytes):
            trial.found.add("finish", f"{name!r} is no name below the folder, or has no bytes")
    return True


def _check_finish(trial: Trial, mine: pa.RecordBatch) -> None:
    """Try what a sink that gathers nothing puts beside its files."""
    stage, found = trial.stage, trial.found
    written = stage.write(iter([mine]), io.BytesIO(), trial.config)
    facts = {"documents": len(mine), "bytes": 1, **(written.facts if written is not None else {})}
    name = f"0123456789-0000{stage.suffix(trial.config)}"
    files = found.attempt("finish", "finish", lambda: list(stage.finish({name: facts}, Above(), trial.config)))
    found.attempt("finish", "finish of no file", lambda: list(stage.finish({}, Above(), trial.config)))
    if files is not None:
        _check_beside(trial, files)
