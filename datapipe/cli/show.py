"""`datapipe show`: a sample of a run's documents, kept or dropped, or of packed sequences, to read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datapipe.cli.options import STAGES_OPTION

if TYPE_CHECKING:
    from datapipe.lineage import Sampled

__all__ = ["show"]

EXCERPT = 600  # characters
DOCUMENTS_SHOWN = 5  # where no number is given
DOCUMENTS = {"stage", "reason", "where", "full"}  # options that ask for documents
PACKED = {"sequences", "tokens", "plain"}  # and for sequences


@click.command("show")
@click.argument("run")
@click.option("--stage", metavar="STAGE", help="Show what this stage kept; default: the last one.")
@click.option("--reason", metavar="REASON", help="Show what left for this reason instead.")
@click.option("--where", metavar="EXPR", help="Only documents of which this holds, such as 'spam.density > 4'.")
@click.option("-n", "--number", type=click.IntRange(min=1), help="How many; default: 5 documents, or 1 sequence.")
@click.option("--seed", default=0, show_default=True, help="Chooses others.")
@click.option("--full", is_flag=True, help="Whole texts instead of their beginnings.")
@click.option("--sequence", "sequences", multiple=True, type=click.IntRange(min=0), help="Packed: this one.")
@click.option("--tokens", metavar="FIRST:END", help="Packed: only these tokens of a sequence.")
@click.option("--plain", is_flag=True, help="Packed: marks instead of colours, as where there is no terminal.")
@STAGES_OPTION
def show(run: str, stages_dir: Path | None, **asked: Any) -> None:
    """Show some documents of a run as they were after a stage, with what it measured. Personal data is masked.

    The same seed shows the same documents. --where takes what `where` in a recipe takes, over all columns that the
    documents have after the stage: what a mark tells of can be read before anything drops it.
    Of a folder of packed sequences, RUN/STAGE, it shows sequences token by token: which carry loss, and whose they are.

    \b
    Examples:
      datapipe show runs/quickstart
      datapipe show runs/quickstart --stage quality --reason too_few_words -n 20
      datapipe show runs/quickstart --stage spam --where "spam.gambling >= 3 and spam.density >= 6"
      datapipe show runs/sft/out --sequence 3 --tokens 0:200
    """
    given = {name for name, value in asked.items() if value not in (None, False, ())}
    if _is_packed(run) or given & PACKED:
        _refuse(given & DOCUMENTS, "documents of a run; name the run's folder")
        from datapipe.cli.show_packed import show_packed

        drawn = (asked["number"] or 1, asked["seed"])
        show_packed(run, asked["sequences"], drawn=drawn, tokens=asked["tokens"], plain=asked["plain"])
    else:
        _show_documents(run, stages_dir, asked)


def _is_packed(folder: str) -> bool:
    """Whether `write.packed` wrote it."""
    from datapipe.corpus.store import Store

    return Store(folder).exists("manifest.json")


def _refuse(options: set[str], belong: str) -> None:
    if options:
        raise click.UsageError(f"--{min(options)} is for {belong}")


def _show_documents(run: str, stages_dir: Path | None, asked: dict[str, Any]) -> None:
    from datapipe.cli.telling import open_run
    from datapipe.lineage import sample

    which = {name: asked[name] for name in ("where", "seed")}
    found = sample(
        open_run(run, stages_dir), asked["stage"], asked["reason"], number=asked["number"] or DOCUMENTS_SHOWN, **which
    )
    if not found:
        click.echo("no documents")
    for place, each in enumerate(found):
        click.echo(("\n" if place else "") + "\n".join(_lines(each, full=asked["full"])))


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
