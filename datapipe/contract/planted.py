"""What an audit needs of a stage: cases that depend on their document and its chance alone, and a say on each.

Costs as many calls of `plant` as the checks of other functions that look at each document by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.contract.finding import Trial
from datapipe.contract.rowwise import Rowwise, check_rowwise
from datapipe.schema import COLUMNS
from datapipe.stage import Group, IndexedConfig
from datapipe.text import hash_slices, view_bytes

__all__ = ["check_planting"]

OWN = {"parent_row": pa.uint32(), "case": pa.string(), "hidden": pa.string()}


def check_planting(trial: Trial) -> None:
    """Whether cases can be planted, and judged, as `Planting` says."""
    stage, config, found = trial.stage, trial.config, trial.found
    planting = stage.audit
    if isinstance(stage, Group) and not isinstance(config, IndexedConfig):
        found.add("audit", "a Group judges cases against the finished run: its config must be an IndexedConfig")
        return
    changes = planting.changes_for(config)
    if unknown := sorted(set(changes) - COLUMNS.keys()):
        found.add("audit", f"cases change {', '.join(unknown)}, which the schema does not know")
        return
    if taken := sorted({"case", "hidden", "reason"} & set(trial.adds.names)):
        found.add("audit", f"{', '.join(taken)} is what cases are told by: give that measure another name")
        return
    reads = list(dict.fromkeys(("id", *planting.reads_for(config))))

    def plant(batch: pa.RecordBatch) -> Any:
        seeds = hash_slices(view_bytes(batch["id"]))
        return planting.plant(batch.select(reads), config, trial.resource, seeds)

    columns: Any = {**OWN, **{name: COLUMNS[name] for name in changes}}.items()
    cases = Rowwise("plant", plant, pa.schema(list(columns)), index="parent_row", ordered=True)
    whole = check_rowwise(cases, trial.samples, found)
    if whole is not None:
        _check_found(trial, plant(whole))


def _check_found(trial: Trial, cases: pa.RecordBatch) -> None:
    """Of cases that the stage says nothing of, each is found or not."""
    names = [field.name for field in trial.adds]
    told: list[Any] = [cases["case"], cases["hidden"], pa.nulls(len(cases), pa.string())]
    told += [pa.nulls(len(cases), field.type) for field in trial.adds]
    batch = pa.RecordBatch.from_arrays(told, names=["case", "hidden", "reason", *names])
    said = trial.found.attempt("audit", "found of cases without measures", trial.stage.audit.found, batch, trial.config)
    if said is not None and not (
        isinstance(said, np.ndarray) and said.dtype == np.bool_ and said.shape == (len(batch),)
    ):
        trial.found.add("audit", "found does not give one bool a case")
