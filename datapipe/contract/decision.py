"""`decide`: only declared reasons, from the measured columns alone, and nothing leaves when every limit is off."""

from __future__ import annotations

import types
import typing
from typing import Any

import pyarrow as pa

from datapipe.contract.compare import cuts, permutation
from datapipe.contract.finding import Trial
from datapipe.stage import StageConfig

__all__ = ["check_decision"]


def check_decision(trial: Trial, batch: pa.RecordBatch, out: pa.RecordBatch) -> None:
    """Try `decide` on what the stage has measured of a batch."""
    if trial.stage.decide is None:
        return
    names = trial.stage.decides_for(trial.config)
    arrays = []
    for name in names:
        source = out if name in out.schema.names else batch
        if name not in source.schema.names:
            trial.found.add("decide", f"not tried: there is no sample of the column {name}", fault=False)
            return
        arrays.append(source.column(name))
    measured = pa.RecordBatch.from_arrays(arrays, names=list(names))
    reasons = _reasons(trial, trial.config, measured)
    if reasons is None:
        return
    _check_parts(trial, measured, reasons)
    _check_nulls(trial, measured)
    _check_all_off(trial, measured, reasons)


def _reasons(trial: Trial, config: StageConfig, measured: pa.RecordBatch, what: str = "decide") -> list[Any] | None:
    found = trial.found
    reasons: Any = found.attempt("decide", what, trial.stage.decide, measured, config)
    if reasons is None:
        return None
    if not isinstance(reasons, pa.Array) or reasons.type != pa.string():
        kind = reasons.type if isinstance(reasons, pa.Array) else type(reasons).__name__
        found.add("decide", f"{what} returns {kind}, not an array of string")
        return None
    if len(reasons) != len(measured):
        found.add("rows", f"{what} gives {len(reasons)} reasons for {len(measured)} rows")
        return None
    given: list[Any] = reasons.to_pylist()
    for reason in sorted({reason for reason in given if reason is not None} - set(trial.stage.reasons)):
        found.add("reasons", f"decide gives {reason!r}, which is not declared")
    return given


def _check_parts(trial: Trial, measured: pa.RecordBatch, expected: list[Any]) -> None:
    if _reasons(trial, trial.config, measured) != expected:
        trial.found.add("determinism", "decide, called again, is not the same")
    for label, parts in cuts(measured):
        answers = [_reasons(trial, trial.config, part, f"decide of {len(part)} rows") or [] for part in parts]
        if [reason for answer in answers for reason in answer] != expected:
            trial.found.add("cuts", f"decide, {label}, is not the same")
    order = permutation(len(measured))
    moved = _reasons(trial, trial.config, measured.take(pa.array(order, pa.int64())))
    if moved != [expected[row] for row in order]:
        trial.found.add("permuted", "decide, rows in another order, is not the same")
    _reasons(trial, trial.config, measured.slice(0, 0), "decide of an empty batch")


def _check_nulls(trial: Trial, measured: pa.RecordBatch) -> None:
    """Rows that the stage was not applied to, or could not measure, hold nulls."""
    nothing: Any = [pa.array([None, None], kind) for kind in measured.schema.types]
    unknown = pa.RecordBatch.from_arrays(nothing, names=measured.schema.names)
    _reasons(trial, trial.config, unknown, "decide of unmeasured rows")


def _check_all_off(trial: Trial, measured: pa.RecordBatch, usual: list[Any]) -> None:
    """With every limit off, only reasons that have no limit remain: pages without text, texts in no encoding."""
    fields = trial.stage.config.model_fields
    limits = [name for name, field in fields.items() if _role(field) == "decide"]
    if not limits or not all(_may_be_none(fields[name].annotation) for name in limits):
        return
    values = {**trial.config.model_dump(), **dict.fromkeys(limits)}
    off = trial.found.attempt("decide", "a config with every limit off", trial.stage.config.model_validate, values)
    left = _reasons(trial, off, measured) if off is not None else None
    if left is None:
        return
    if any(reason is not None and before is None for reason, before in zip(left, usual, strict=True)):
        trial.found.add("decide", "documents that are kept leave when every limit is off")
    if len(left) and all(reason is not None for reason in left):
        trial.found.add("decide", "every document leaves though every limit is off")
    for reason in sorted({reason for reason in left if reason in trial.stage.reasons}):
        words = trial.stage.reasons[reason].replace("`", " ").replace(",", " ").split()
        named = [name for name in limits if name in words]
        if named:
            trial.found.add("decide", f"{reason} ({trial.stage.reasons[reason]}) is given though {named[0]} is off")


def _role(field: Any) -> str:
    extra = field.json_schema_extra
    return str(extra.get("role")) if isinstance(extra, dict) else ""


def _may_be_none(annotation: Any) -> bool:
    union = typing.get_origin(annotation) in {typing.Union, types.UnionType}
    return union and type(None) in typing.get_args(annotation)
