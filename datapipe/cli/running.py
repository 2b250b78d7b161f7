"""What `datapipe run` does once its heavy parts are imported: start an engine, run, print the funnel."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic import TypeAdapter

from datapipe.cli.funnel import print_funnel, troubles
from datapipe.cli.options import console
from datapipe.cli.progress import ConsoleProgress, say_seconds
from datapipe.engine.local import Engine, LocalEngine
from datapipe.engine.task import Limits
from datapipe.recipe import Recipe, load_recipe
from datapipe.registry import Registry
from datapipe.run.driver import open_run, run_recipe
from datapipe.stage import Size
from datapipe.text import warm_up

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
    limit_memory: str


def carry_out(job: Job, began: float) -> int:
    """Run a job; returns how many documents were damaged, or set aside because a stage failed on them."""
    recipe = load_recipe(job.recipe, Registry(job.stages_dir), job.settings)
    limits = Limits(job.limit_seconds, TypeAdapter(Size).validate_python(job.limit_memory), job.retry)
    engine = _start(recipe, job, began)
    working = time.perf_counter()
    try:
        directory = str(job.stages_dir.resolve()) if job.stages_dir else None
        context = open_run(recipe, engine, ConsoleProgress(), stages_dir=directory, limits=limits)
        run_recipe(context, job.stages)
    finally:
        engine.close()
    out = console()
    print_funnel(context, out)
    seconds = say_seconds(time.perf_counter() - working)
    out.print(f"{context.tasks} tasks in {seconds}; the run is in {recipe.run}")
    out.print(f"Next: datapipe show {recipe.run} · datapipe explain {recipe.run} URL · datapipe status {recipe.run}")
    found = troubles(context)
    for reason, count in found.items():
        what = "damaged records" if reason == "damaged_input" else f"documents set aside as {reason}"
        click.echo(f"warning: {count:,} {what}; see: datapipe show {recipe.run} --reason {reason}", err=True)
    return sum(found.values())


def _start(recipe: Recipe, job: Job, began: float) -> Engine:
    """The engine that the recipe asks for; kernels are compiled while its workers start."""
    loaded = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        compiling = pool.submit(warm_up)
        engine = _engine(recipe, job)
        compiled = compiling.result()
    ready = time.perf_counter()
    parts = f"imports {say_seconds(loaded - began)}, workers {say_seconds(ready - loaded)}"
    click.echo(
        f"started in {say_seconds(ready - began)}: {parts}, kernels {say_seconds(compiled)}",
        err=True,
    )
    return engine


def _engine(recipe: Recipe, job: Job) -> Engine:
    if job.local or recipe.cluster.kind == "inprocess":
        return LocalEngine()
    from datapipe.engine.cluster import DaskEngine

    return DaskEngine(workers=job.workers or recipe.cluster.workers, address=recipe.cluster.address, run=recipe.run)
