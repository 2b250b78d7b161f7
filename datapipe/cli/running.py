"""What `datapipe run` does once its heavy parts are imported: start an engine, run, print the funnel."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import Path

import click

from datapipe.cli.audited import print_audit
from datapipe.cli.funnel import empty_sources, heavy_losses, idle_stages, notices, print_funnel, troubles
from datapipe.cli.gated import print_gates, require_gates
from datapipe.cli.masked import masked
from datapipe.cli.options import console
from datapipe.cli.progress import ConsoleProgress
from datapipe.engine.local import Engine, LocalEngine
from datapipe.engine.task import Limits
from datapipe.recipe import Recipe, check_files, load_recipe
from datapipe.registry import Registry
from datapipe.report.gating import opener, settle
from datapipe.run.audit import audit_result
from datapipe.run.context import Context
from datapipe.run.driver import open_run, run_recipe
from datapipe.run.releasing import waits
from datapipe.run.reopen import reopen
from datapipe.run.standing import stage_states
from datapipe.run.state import totals
from datapipe.units import say_seconds

__all__ = ["Job", "carry_out"]


@dataclass(frozen=True)
class Job:
    """The arguments of `datapipe run`."""

    recipe: Path
    stages: tuple[str, ...]
    settings: tuple[str, ...]
    stages_dir: Path | None
    workers: int | None
    local: bool
    retry: bool
    limit_seconds: float
    limit_memory: int


def carry_out(job: Job, began: float) -> int:
    """Run a job; returns how many documents were damaged, or set aside because a stage failed on them."""
    recipe = load_recipe(job.recipe, Registry(job.stages_dir), job.settings)
    check_files(recipe)
    limits = Limits(job.limit_seconds, job.limit_memory, job.retry)
    engine = _engine(recipe, job, time.perf_counter() - began)
    working = time.perf_counter()
    try:
        directory = str(job.stages_dir.resolve()) if job.stages_dir else None
        context = open_run(recipe, engine, ConsoleProgress(), stages_dir=directory, limits=limits)
        run_recipe(context, job.stages)
    finally:
        engine.close()
    out = console()
    print_funnel(context, out)
    if recipe.audited:
        print_audit(audit_result(context.store), out)
    loading = context.loading_seconds
    seconds = say_seconds(time.perf_counter() - working - loading)
    run = shlex.quote(recipe.run)
    done = (
        f"{context.tasks} task{'' if context.tasks == 1 else 's'}" if context.tasks else "all was done already: 0 tasks"
    )
    out.print(
        f"{done} in {seconds} (starting workers and loading stages: {say_seconds(loading)}); the run is in {recipe.run}"
    )
    out.print(f"Next: datapipe show {run} · datapipe explain {run} URL · datapipe status {run}")
    found = troubles(context)
    for reason, count in found.items():
        what = "damaged record" if reason == "damaged_input" else f"document set aside as {reason}"
        told = (
            f"{count:,} {what}"
            if count == 1
            else f"{count:,} {what.replace(' ', 's ', 1) if ' set' in what else what + 's'}"
        )
        click.echo(f"warning: {told}; see: datapipe show {run} --reason {reason}", err=True)
    sums = {name: totals(list(records.values())) for name, records in context.records.items()}
    for line in [*empty_sources(context), *idle_stages(context), *heavy_losses(context), *notices(recipe, sums)]:
        click.echo(f"warning: {masked(line)}", err=True)
    _settle(job, context)
    return sum(found.values())


def _settle(job: Job, context: Context) -> None:
    """Judge the gates once all is done; let out what waits, or raise GateNotMet."""
    recipe = context.recipe
    if not recipe.head.gates and not waits(context):
        return
    stages_dir = str(job.stages_dir.resolve()) if job.stages_dir else None
    registry = Registry(job.stages_dir)
    done = reopen(recipe.run, registry, stages_dir)
    if any(state.state != "done" for state in stage_states(done)):
        click.echo("note: gates are judged once all stages are done", err=True)
        return
    gates = settle(done, opener(registry, stages_dir))
    if gates:
        print_gates(gates, console())
        require_gates(gates, recipe.run)


def _engine(recipe: Recipe, job: Job, imports: float) -> Engine:
    """The engine that the recipe asks for; its workers start when there is something to do."""
    if job.local or recipe.cluster.kind == "inprocess":
        return LocalEngine()
    from datapipe.engine.cluster import DaskEngine

    def announce(workers: float, kernels: float) -> None:
        parts = f"imports {say_seconds(imports)}, workers {say_seconds(workers)}, kernels {say_seconds(kernels)}"
        click.echo(f"started in {say_seconds(imports + workers)}: {parts}", err=True)

    cluster = recipe.cluster
    return DaskEngine(
        workers=job.workers or cluster.workers, address=cluster.address, run=recipe.run, announce=announce
    )
