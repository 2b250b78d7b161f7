"""`datapipe run`: carry out a recipe, all of it or single stages, on this machine or on a cluster."""

from __future__ import annotations

import time
from pathlib import Path

import click

from datapipe.cli.options import RECIPE_ARGUMENT, SET_OPTION, STAGES_OPTION

__all__ = ["run"]


def _size(_context: click.Context, _option: click.Parameter, value: str) -> int:
    """A size with a unit, in bytes."""
    from pydantic import TypeAdapter, ValidationError

    from datapipe.stage import Size

    try:
        return TypeAdapter(Size).validate_python(value)
    except ValidationError as error:
        raise click.BadParameter("write a size with a unit, such as 512MiB") from error


@click.command("run")
@RECIPE_ARGUMENT
@click.argument("stages", nargs=-1, metavar="[STAGE]...")
@SET_OPTION
@STAGES_OPTION
@click.option("--workers", type=click.IntRange(1), help="Processes on this machine; default: one a core.")
@click.option("--local", is_flag=True, help="Run in this very process, one task after the other.")
@click.option("--strict", is_flag=True, help="Exit with 1 if any record was damaged, or made a stage fail.")
@click.option("--retry", is_flag=True, help="Try documents again that crashed, timed out or grew too big.")
@click.option("--limit-seconds", type=float, default=10.0, show_default=True, help="CPU seconds granted one document.")
@click.option("--limit-memory", default="2GiB", show_default=True, callback=_size, help="Memory granted one document.")
def run(  # noqa: PLR0913 - one parameter an option
    recipe: Path,
    stages: tuple[str, ...],
    settings: tuple[str, ...],
    stages_dir: Path | None,
    *,
    workers: int | None,
    local: bool,
    strict: bool,
    retry: bool,
    limit_seconds: float,
    limit_memory: int,
) -> None:
    """Carry out RECIPE: all stages, or those named.

    Only what is not done yet, or no longer right, is done: after an interruption, a changed threshold or new
    input files, run the same command again.

    \b
    Examples:
      datapipe run recipe.yaml
      datapipe run recipe.yaml quality unique        only these stages, as a batch job each
      datapipe run recipe.yaml --set quality.min_words=30
    """
    began = time.perf_counter()
    from datapipe.cli.running import Job, carry_out

    job = Job(recipe, stages, settings, stages_dir, workers, local, retry, limit_seconds, limit_memory)
    troubled = carry_out(job, began)
    if strict and troubled:
        raise SystemExit(1)
