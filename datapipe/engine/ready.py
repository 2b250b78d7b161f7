"""Makes a worker ready for stages before their first task: what it costs is start-up, once a worker, not work.

Imports the stages, loads the kernels from their cache, and starts the guard's child with the stages it guards:
one to three seconds, on all workers at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass

from datapipe.engine.guard import guarded
from datapipe.engine.heap import keep_freed_memory
from datapipe.engine.task import Call
from datapipe.text.warm import load_kernels

__all__ = ["Need", "make_ready"]


@dataclass(frozen=True)
class Need:
    """A stage that will run, and its resource."""

    call: Call
    resource: str | None


def make_ready(needs: tuple[Need, ...]) -> None:
    """Load some stages in this process, or in its guard's child."""
    keep_freed_memory()
    kernels = False
    for need in needs:
        stage = need.call.stage
        kernels |= "datapipe.text" in stage.libraries_for(need.call.settings)
        if getattr(stage, "guarded", False):
            guarded().ready(need.call, need.resource)
    if kernels:
        load_kernels()
