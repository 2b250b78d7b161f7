"""`datapipe similar`: the documents of a run that are most like a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datapipe.cli.options import STAGES_OPTION, console, table

if TYPE_CHECKING:
    from datapipe.lineage import Alike, Found

__all__ = ["similar"]


@click.command("similar")
@click.argument("run")
@click.option("--text", required=True, metavar="FILE|ID", help="A file of text, or the id or URL of a document.")
@click.option("--stage", metavar="STAGE", help="The stage that compares, where there are several.")
@click.option("-n", "--limit", default=10, show_default=True, type=click.IntRange(min=1), help="How many documents.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Least similarity; default: that of the stage.")
@STAGES_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def similar(
    run: str,
    stages_dir: Path | None,
    *,
    text: str,
    stage: str | None,
    limit: int,
    threshold: float | None,
    as_json: bool,
) -> None:
    """Show the documents of a run that are most like a text, whether they stayed or not.

    They are found by the keys that a stage dedup.minhash keeps, so in moments in a run of any size, and compared
    shingle by shingle: exactly. What shares no band of its signature is not found; how likely that is at the
    threshold is told. With `index: true` on the stage no text is read. The text is taken as it stands: give it as
    the stage would meet it, after extraction and masking. Personal data in what is shown is masked.

    \b
    Examples:
      datapipe similar runs/quickstart --text page.txt
      datapipe similar runs/quickstart --text 3e6ec0a1… --threshold 0.5 -n 20
    """
    import json

    from datapipe.cli.telling import open_run
    from datapipe.lineage import similar as like

    found = like(open_run(run, stages_dir), text, stage, limit=limit, threshold=threshold)
    if as_json:
        for each in found.alike:
            click.echo(json.dumps(_plain(each)))
        return
    _print(found)


def _plain(each: Alike) -> dict[str, object]:
    from datapipe.lineage import mask_url

    place = each.place
    return {
        "id": mask_url(place.id),
        "similarity": each.similarity,
        "url": mask_url(place.url) if place.url else None,
        "source": mask_url(each.source) if each.source else None,
        "shard": place.shard.name,
        "row": place.row,
        "survivor": mask_url(each.survivor) if each.survivor else None,
    }


def _print(found: Found) -> None:
    out = console()
    if found.alike:
        made = table("similarity", "id", "URL or file", "source", "shard", "row", "survivor")
        for each in found.alike:
            told = {name: "·" if value is None else str(value) for name, value in _plain(each).items()}
            survivor = told["survivor"] if each.survivor else "it stays"
            cells = [told[name] for name in ("id", "url", "source", "shard", "row")]
            made.add_row(f"{each.similarity:.3f}", *cells, survivor)
        out.print(made)
    else:
        nearest = "" if found.nearest is None else f"; the nearest of those compared is {found.nearest:.3f} alike"
        out.print(f"no document is {found.threshold:g} alike or more{nearest}")
    compared = f"{found.compared:,} of {found.sharing:,}" if found.compared < found.sharing else f"{found.compared:,}"
    out.print(f"{found.stage} ({found.use}): compared {compared} documents that share a key")
    out.print(f"a document {found.threshold:g} alike shares one with probability {found.probability:.2g}")
