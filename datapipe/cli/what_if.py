"""`datapipe what-if`: the effect of another threshold on a stage, before anything runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datapipe.cli.masked import masked
from datapipe.cli.options import STAGES_OPTION, console, table

if TYPE_CHECKING:
    from datapipe.run.what_if import Effect

__all__ = ["what_if"]


@click.command("what-if")
@click.argument("run")
@click.argument("stage")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE…")
@STAGES_OPTION
def what_if(run: str, stage: str, changes: tuple[str, ...], stages_dir: Path | None) -> None:
    """Decide the documents of STAGE anew with other thresholds, from what it has measured; writes nothing.

    Shows what would be kept and dropped at this stage, and how many documents later stages would have to measure.

    \b
    Example:
      datapipe what-if runs/quickstart quality min_words=30 max_bullet_lines=null
    """
    from datapipe.cli.telling import open_run
    from datapipe.registry import Registry
    from datapipe.run.what_if import what_if as effect_of

    _print(effect_of(open_run(run, stages_dir), stage, changes, Registry(stages_dir)), run, changes)


def _print(effect: Effect, run: str, changes: tuple[str, ...]) -> None:
    out = console()
    changed = masked(", ".join(effect.changes)) or "nothing changed"
    out.print(f"{effect.stage} with {changed}: {effect.documents:,} documents come in")
    if effect.shards < effect.of_shards:
        out.print(f"only {effect.shards} of {effect.of_shards} shards are done; the figures are for those")
    made = table("", "before", "after", "change")
    for column in made.columns[1:]:
        column.justify = "right"
    for name, (before, after) in {"kept": effect.kept, **effect.reasons}.items():
        style = "bold" if name == "kept" else None
        made.add_row(name, f"{before:,}", f"{after:,}", f"{after - before:+,}", style=style)
    out.print(made)
    out.print(f"newly kept {effect.newly_kept:,}, newly dropped {effect.newly_dropped:,}")
    if effect.newly_kept and effect.unmeasured:
        lacking = ", ".join(f"{name} {count:,}" for name, count in effect.unmeasured.items())
        out.print(f"of the newly kept, not yet measured by later stages (at most): {lacking}")
    if effect.changes:
        settings = masked(" ".join(f"--set {shlex.quote(f'{effect.stage}.{change}')}" for change in changes))
        out.print(f"to do it: datapipe run {shlex.quote(f'{run}/recipe.yaml')} {settings}")
