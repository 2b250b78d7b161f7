"""`datapipe try`: one document through the stages of a recipe, to see what each makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datapipe.cli.options import RECIPE_ARGUMENT, SET_OPTION, STAGES_OPTION

if TYPE_CHECKING:
    from datapipe.lineage import Trial

__all__ = ["try_"]


@click.command("try")
@RECIPE_ARGUMENT
@click.argument("document", metavar="FILE|URL|-")
@SET_OPTION
@STAGES_OPTION
def try_(recipe: Path, document: str, settings: tuple[str, ...], stages_dir: Path | None) -> None:
    """Pass one document (HTML, PDF or text) through the recipe's stages in this process; touches no run.

    Each measure stands beside its threshold; then why the document leaves, or its text at the end. Stages that
    compare, order or write documents, and those that prepare something from all of them first, are skipped.

    \b
    Examples:
      datapipe try recipe.yaml page.html
      datapipe try recipe.yaml https://example.org/ --set quality.min_words=20
      curl -s https://example.org/ | datapipe try recipe.yaml -
    """
    from datapipe.lineage import read_document, try_out
    from datapipe.recipe import load_recipe
    from datapipe.registry import Registry

    loaded = load_recipe(recipe, Registry(stages_dir), settings)
    read = read_document(document)
    _print(try_out(loaded, read, str(stages_dir.resolve()) if stages_dir else None))


def _print(trial: Trial) -> None:
    from datapipe.cli.telling import tell
    from datapipe.lineage import mask_url, safe

    click.echo(f"{mask_url(trial.document.name)}: {len(trial.document.data):,} bytes of {trial.document.kind}\n")
    for number, chapter in enumerate(trial.chapters, 1):
        click.echo("\n".join(tell(number, chapter)))
    if trial.skipped:
        skipped = "; ".join(f"{name} ({why})" for name, why in trial.skipped.items())
        click.echo(f"\nskipped: {skipped}")
    if trial.left:
        last = next(chapter for chapter in trial.chapters if chapter.outcome == "left")
        click.echo(f"\nIt leaves at {last.stage}: {last.reason}.")
    else:
        click.echo("\nIt stays.")
    if trial.text is not None:
        click.echo(f"Its text, {len(trial.text):,} characters:\n\n{safe(trial.text)}")
