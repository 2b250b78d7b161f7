"""Runs a stage once over the contract's samples, so that all its kernels are compiled and its tables are loaded.

Costs a pass over sixty small documents, and what the stage's resource costs to build.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from datapipe.contract.declared import default_config
from datapipe.contract.finding import Findings, Trial
from datapipe.contract.outcome import outcome
from datapipe.contract.suite import samples_of
from datapipe.stage import Expand, Group, Map, Stage, StageConfig

__all__ = ["run_once"]


def run_once(stage: Stage) -> bool:
    """Whether it ran: a stage that must be told more than its example and its defaults say does not."""
    if not isinstance(stage, Map | Group | Expand):
        return False
    found = Findings()
    with tempfile.TemporaryDirectory(prefix="datapipe-") as folder:
        inputs, resource = Path(folder, "inputs"), Path(folder, "resource")
        inputs.mkdir()
        resource.mkdir()
        config = stage.example(inputs) if stage.example else default_config(stage, found)
        samples = samples_of(stage, config, found) if config is not None else None
        if config is None or samples is None or not _prepared(stage, config, resource):
            return False
        trial = Trial(stage, config, samples, resource if stage.prepare else None, found)
        return found.attempt("once", "the stage", outcome, trial) is not None


def _prepared(stage: Stage, config: StageConfig, folder: Path) -> bool:
    """Build the resource of a stage that has an example to build it from; that of others may need the network."""
    if stage.prepare is None:
        return True
    if stage.example is None or stage.prepare.sketch is not None:
        return False
    stage.prepare.build(config, folder)
    return True
