"""`datapipe prune`: remove from a run what its recipe no longer needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datapipe.cli.options import STAGES_OPTION

if TYPE_CHECKING:
    from datapipe.run.prune import Surplus

__all__ = ["prune"]

CAUTION = "Other runs that reuse this one may need these files; that cannot be seen from here."


@click.command("prune")
@click.argument("run")
@STAGES_OPTION
@click.option("--dry-run", is_flag=True, help="List what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(run: str, stages_dir: Path | None, *, dry_run: bool, yes: bool) -> None:
    """Remove what the recipe in RUN no longer needs, so that RUN holds what a fresh run would.

    That is: folders of stages that the recipe no longer has, shards that are no longer there, half-written files
    and logs of processes that are gone, and measures of documents that a tightened threshold keeps from coming in
    (loosened again, they would have to be measured again).

    Other runs that `reuse` this one name its files in their own records, which prune cannot know: do not prune a
    run that others reuse.

    \b
    Examples:
      datapipe prune runs/quickstart --dry-run
      datapipe prune runs/quickstart
    """
    from datapipe.cli.telling import open_run
    from datapipe.run.prune import prune as remove
    from datapipe.run.prune import surplus

    context = open_run(run, stages_dir)
    if dry_run:
        _list(surplus(context), "would be freed, about")
        return

    def agree(found: list[Surplus]) -> bool:
        if not yes:
            _list(found, "to free, about")
            click.confirm(f"{CAUTION} Remove all this?", abort=True)
        return True

    _list(remove(context, agree), "freed")


def _list(found: list[Surplus], ending: str) -> None:
    from datapipe.units import say_bytes

    if not found:
        click.echo("nothing to remove")
        return
    for each in found:
        click.echo(f"{each.path}: {each.what}, {say_bytes(each.bytes)}")
    click.echo(f"{len(found)} in all; {ending} {say_bytes(sum(each.bytes for each in found))}")
