"""Sources, Sinks and Plans: what they read from any cursor on, write from any stream, and order."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa

from datapipe.contract.compare import concatenated, cuts, difference, groups
from datapipe.contract.finding import Trial
from datapipe.contract.rowwise import Rowwise, check_rowwise
from datapipe.schema import FRAMEWORK_REASONS
from datapipe.stage import MAX_BATCH_BYTES, MAX_BATCH_ROWS, Split

__all__ = ["check_plan", "check_sink", "check_source", "run_plan", "run_sink", "run_source"]

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
        return
    for label, batch in trial.samples.items():
        check = {"odd": "odd text", "nulls": "nulls"}.get(label, "runs")
        found.attempt(check, f"write of {label} documents", run_sink, trial, [batch.select(list(chosen))])
    mine = whole.select(list(chosen))
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


# ---------------------------------------------------------------------------------------------- Plan


def run_plan(trial: Trial, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The sort keys of a batch."""
    counts = {"web": sum(map(len, trial.samples.values()))}
    keys: pa.RecordBatch = trial.stage.order(batch.select(trial.reads), trial.config, counts)
    return keys


def check_plan(trial: Trial) -> None:
    """Try the sort keys of a plan, and its blocks on streams cut in many ways."""
    found = trial.found
    keys = pa.schema([("row", pa.uint32()), ("key", pa.uint64())])
    function = Rowwise("order", partial(run_plan, trial), keys, index="row", exact=False)
    whole = check_rowwise(function, trial.samples, found)
    if whole is None:
        return
    expected = found.attempt("runs", "block", _blocks, trial, [whole])
    if expected is None:
        return
    for label, parts in cuts(whole):
        got = found.attempt("cuts", f"block of a stream, {label},", _blocks, trial, parts)
        differs = difference(expected, got) if got is not None else None
        if differs:
            found.add("cuts", f"block of a stream, {label}: {differs}")


def _blocks(trial: Trial, batches: list[pa.RecordBatch]) -> list[tuple[str, ...]]:
    out = list(trial.stage.block(iter(batches), trial.config))
    return [line for batch in out for line in groups(batch, None, len(batch))]
