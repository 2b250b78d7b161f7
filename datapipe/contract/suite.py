"""One suite for every stage, built-in or a user's own: `check_stage` says what its contract forbids."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from datapipe.contract.decision import check_decision
from datapipe.contract.declared import check_declared, default_config
from datapipe.contract.finding import Finding, Findings, Trial
from datapipe.contract.fresh import check_fresh
from datapipe.contract.grouped import check_group
from datapipe.contract.planted import check_planting
from datapipe.contract.prepared import prepare_columns, prepared
from datapipe.contract.rowwise import Rowwise, check_rowwise
from datapipe.contract.sample import sample_batches, unknown_columns
from datapipe.contract.streams import check_sink, check_source
from datapipe.registry import Registry
from datapipe.schema import COLUMNS
from datapipe.stage import Expand, Group, Map, Sink, Source, Stage, StageConfig

__all__ = ["check_stage", "samples_of"]


def check_stage(
    stage: Stage,
    *,
    config: StageConfig | None = None,
    batches: dict[str, pa.RecordBatch] | None = None,
    registry: Registry | None = None,
) -> list[Finding]:
    """What is wrong with a stage; an empty list if nothing is.

    `config` is needed where some fields have no default, `batches` (name → batch of one schema) where the stage
    reads columns of other stages. With `registry` the stage also runs in a new process, loaded by its name.
    """
    found = Findings()
    if config is None:
        config = default_config(stage, found)
    check_declared(stage, config, found)
    if config is None:
        return found.listed
    samples = batches if batches is not None else samples_of(stage, config, found)
    if samples is None:
        return found.listed
    with tempfile.TemporaryDirectory(prefix="datapipe-") as folder:
        trial = Trial(stage, config, samples, None, found)
        trial = replace(trial, resource=prepared(stage, trial, Path(folder)))
        if stage.prepare is None or trial.resource is not None:
            _CHECKS[stage.kind](trial)
            if getattr(stage, "audit", None) is not None:
                check_planting(trial)
            if registry is not None and not any(finding.fault for finding in found.listed):
                check_fresh(trial, registry)
    return found.listed


def samples_of(stage: Stage, config: StageConfig, found: Findings) -> dict[str, pa.RecordBatch] | None:
    """Batches of all columns that a stage reads; None and a note where there is no sample of one."""
    names = {*stage.reads_for(config), *prepare_columns(stage, config)}
    if isinstance(stage, Map | Group):
        names |= set(stage.decides_for(config)) - set(stage.adds_for(config).names)
    if isinstance(stage, Group):
        names |= set(stage.applies_for(config))
    if isinstance(stage, Map | Group) and stage.audit is not None:
        names |= {"id", *stage.audit.reads_for(config)}
    if isinstance(stage, Sink):
        names |= set(COLUMNS)
    unknown = unknown_columns(tuple(sorted(names)))
    if unknown:
        found.add("columns", f"not tried: no sample of {', '.join(unknown)}; give batches", fault=False)
        return None
    return sample_batches(tuple(name for name in COLUMNS if name in names))


def _check_map(trial: Trial) -> None:
    def process(batch: pa.RecordBatch) -> Any:
        return trial.stage.process(batch.select(trial.reads), trial.config, trial.resource)

    whole = check_rowwise(Rowwise("process", process, trial.adds), trial.samples, trial.found)
    if whole is not None:
        check_decision(trial, whole, process(whole))


def _check_expand(trial: Trial) -> None:
    def expand(batch: pa.RecordBatch) -> Any:
        return trial.stage.expand(batch.select(trial.reads), trial.config, trial.resource)

    place = pa.field("parent_row", COLUMNS["parent_row"])
    columns = pa.schema([place, *(field for field in trial.adds if field.name != place.name)])
    check_rowwise(Rowwise("expand", expand, columns, index=place.name, ordered=True), trial.samples, trial.found)


_CHECKS: dict[str, Callable[[Trial], None]] = {
    Source.kind: check_source,
    Map.kind: _check_map,
    Expand.kind: _check_expand,
    Group.kind: check_group,
    Sink.kind: check_sink,
}
