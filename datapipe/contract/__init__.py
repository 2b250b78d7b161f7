"""The contract suite: one set of checks for every stage, built-in or a user's own.

It calls a stage's functions in many ways on generated documents and lists what the contract forbids. Installed
with the package, so that `datapipe stages --test NAME` can run it; tests/contract/ runs it over every stage.
Costs some twenty passes over sixty small documents, and for a stage loaded by name one new process.
"""

from __future__ import annotations

from datapipe.contract.finding import Finding
from datapipe.contract.once import run_once
from datapipe.contract.sample import sample_batches
from datapipe.contract.suite import check_stage

__all__ = ["Finding", "check_stage", "run_once", "sample_batches"]
