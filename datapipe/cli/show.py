"""`datapipe show`: a sample of a run's documents, kept or dropped, to read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datapipe.cli.options import STAGES_OPTION

if TYPE_CHECKING:
    from datapipe.lineage import Sampled

__all__ = ["show"]

EXCERPT = 600  # characters


@click.command("show")
@click.argument("run")
@click.option("--stage", metavar="STAGE", help="Show what this stage kept; default: the last one.")
@click.option("--reason", metavar="REASON", help="Show what left for this reason instead.")
@click.option("--where", metavar="EXPR", help="Only documents of which this holds, such as 'spam.density > 4'.")
@click.option("-n", "--number", default=5, show_default=True, type=click.IntRange(min=1), help="How many documents.")
@click.option("--seed", default=0, show_default=True, help="Chooses other documents.")
@click.option("--full", is_flag=True, help="Whole texts instead of their beginnings.")
@STAGES_OPTION
def show(
    run: str,
    stage: str | None,
    reason: str | None,
    stages_dir: Path | None,
    *,
    where: str | None,
    number: int,
    seed: int,
    full: bool,
) -> None:
    """Show some documents of a run as they were after a stage, with what it measured. Personal data is masked.

    The same seed shows the same documents. --where takes what `where` in a recipe takes, over all columns that the
    documents have after the stage: what a mark tells of can be read before anything drops it.

    \b
    Examples:
      datapipe show runs/quickstart
      datapipe show runs/quickstart --stage quality --reason too_few_words -n 20
      datapipe show runs/quickstart --stage spam --where "spam.gambling >= 3 and spam.density >= 6"
    """
    from datapipe.cli.telling import open_run
    from datapipe.lineage import sample

    found = sample(open_run(run, stages_dir), stage, reason, where=where, number=number, seed=seed)
    if not found:
        click.echo("no documents")
    for place, each in enumerate(found):
        click.echo(("\n" if place else "") + "\n".join(_lines(each, full=full)))


def _lines(each: Sampled, *, full: bool) -> list[str]:
    from datapipe.cli.telling import headline, measure_lines
    from datapipe.lineage import excerpt, mask_url, safe

    what = f"dropped by {each.stage}: {each.reason}" if each.reason else f"kept by {each.stage}"
    lines = [headline(each.place.url, each.place.id), f"id {mask_url(each.place.id)}, {what}"]
    if each.title:
        lines.append(f"title: {safe(each.title, lines=False)}")
    lines += measure_lines(each.measures)
    if each.text is None:
        lines.append("     (no text is stored for it here)")
    else:
        shown = safe(each.text)
        lines += [f"  | {line}" for line in (shown if full else excerpt(shown, EXCERPT)).splitlines() or [""]]
    return lines
