"""`datapipe status`: how far a run is, stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from datapipe.cli.masked import masked
from datapipe.cli.options import STAGES_OPTION, console, table

__all__ = ["status"]

REASONS = 3  # that are listed for a stage


@click.command("status")
@click.argument("run")
@STAGES_OPTION
def status(run: str, stages_dir: Path | None) -> None:
    """Tell of each stage of a run: done, partly done or stale and why, who works on it, and what came of it.

    Can be called from any shell while a run goes on; it reads records alone. What stages that compare documents keep
    for that (keys, rounds, and with `index` what later runs need) is told apart as exchange. Where the recipe asks for
    an `audit`, what each stage found of the cases planted for it follows; then what stages warn of.

    \b
    Example:
      datapipe status runs/quickstart
    """
    from datapipe.cli.audited import print_audit
    from datapipe.cli.funnel import notices
    from datapipe.cli.telling import open_run
    from datapipe.run.audit import audit_result
    from datapipe.run.standing import stage_states
    from datapipe.units import say_bytes, say_seconds

    made = table("stage", "state", "in", "kept", "share", "top reasons", "on disk", "of it exchange", "task time")
    for column in ("in", "kept", "share", "on disk", "of it exchange", "task time"):
        next(each for each in made.columns if each.header == column).justify = "right"
    context = open_run(run, stages_dir)
    states = stage_states(context)
    for state in states:
        sums = state.totals
        came, kept = sums["documents_in"], sums["documents_kept"]
        cells = [f"{came:,}", f"{kept:,}", f"{kept / came:.1%}" if came else "·", _reasons(sums)]
        exchange = say_bytes(state.exchange_bytes) if state.exchange_bytes else "·"
        disk, seconds = say_bytes(state.bytes), say_seconds(state.seconds)
        made.add_row(state.name, masked(state.text), *(cells if sums["shards"] else ["·"] * 4), disk, exchange, seconds)
    out = console()
    out.print(made)
    if context.recipe.audited:
        print_audit(audit_result(context.store), out)
    for line in notices(context.recipe, {state.name: state.totals for state in states}):
        click.echo(f"warning: {masked(line)}", err=True)


def _reasons(sums: dict[str, Any]) -> str:
    dropped = list(sums["dropped"].items())
    shown = [f"{reason} {count:,}" for reason, count in dropped[:REASONS]]
    more = [f"{len(dropped) - REASONS} more"] if len(dropped) > REASONS else []
    return ", ".join([*shown, *more])
