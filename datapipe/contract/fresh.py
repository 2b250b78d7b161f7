"""Runs a stage in a new process, where sets have another order and nothing is left over from earlier calls.

`python -m datapipe.contract.fresh` is that process: it reads one order from its input and prints one digest.
Costs starting an interpreter and importing the stage: a second or two.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

from datapipe.contract.finding import Findings, Trial
from datapipe.contract.outcome import outcome
from datapipe.registry import Registry

__all__ = ["check_fresh"]

_SECONDS = 120


def check_fresh(trial: Trial, registry: Registry) -> None:
    """Compare what the stage makes here with what it makes in a new process, loaded by its name."""
    found = trial.found
    here = found.attempt("fresh process", "the stage", outcome, trial)
    if here is None:
        return
    order = pickle.dumps((registry, trial.stage.name, trial.config.model_dump_json(), trial.samples, trial.resource))
    command = [sys.executable, "-m", "datapipe.contract.fresh"]
    environment = {**os.environ, "PYTHONHASHSEED": "20"}
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, input=order, env=environment, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        found.add("fresh process", f"the stage did not finish within {_SECONDS} seconds")
        return
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        found.add("fresh process", f"the stage broke down: {lines[-1]}")
    elif done.stdout.decode().split()[-1:] != [here]:
        found.add("determinism", "the stage gives something else in a new process with another PYTHONHASHSEED")


def _main() -> None:
    registry, name, config, samples, resource = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by check_fresh
    stage = registry.load(name)
    trial = Trial(stage, stage.config.model_validate_json(config), samples, resource, Findings())
    sys.stdout.write(outcome(trial) + "\n")


if __name__ == "__main__":
    _main()
