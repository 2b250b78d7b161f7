"""`datapipe check`: every problem of a recipe at once, or the graph that it makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datapipe.cli.options import RECIPE_ARGUMENT, SET_OPTION, STAGES_OPTION, console, table

if TYPE_CHECKING:
    from datapipe.recipe import Node, Recipe

__all__ = ["check", "run_state"]


@click.command("check")
@RECIPE_ARGUMENT
@SET_OPTION
@STAGES_OPTION
@click.option("--resolved", is_flag=True, help="Print the recipe with every default written out, as YAML.")
def check(recipe: Path, settings: tuple[str, ...], stages_dir: Path | None, *, resolved: bool) -> None:
    """Check a recipe and show its stages.

    Reads no document and writes nothing; models and lists that options name must be there and fit. Every problem is
    listed with its line. Exit code 2 if there is one.

    \b
    Example:
      datapipe check recipe.yaml --set quality.min_words=20
    """
    from datapipe.recipe import check_files, load_recipe
    from datapipe.registry import Registry

    loaded = load_recipe(recipe, Registry(stages_dir), settings)
    if resolved:
        click.echo(loaded.resolved_yaml(), nl=False)
        return
    check_files(loaded)
    _print(loaded)


def run_state(recipe: Recipe) -> dict[str, str]:
    """What the run folder holds of each stage, by name of stage; nothing for a run that has not begun."""
    from datapipe.run.standing import run_state as standing

    states = standing(recipe)
    return {state.name: state.text for state in states} if any(state.text != "not started" for state in states) else {}


def _print(recipe: Recipe) -> None:
    state = run_state(recipe)
    made = table("stage", "use", "kind", "from", "reads → adds", *(["state"] if state else []))
    for node in recipe.nodes.values():
        cells = [node.name, node.use, node.stage.kind, ", ".join(node.parents) or "·", _flow(node)]
        made.add_row(*cells, *([state.get(node.name, "")] if state else []))
    out = console()
    out.print(made)
    plural = "" if len(recipe.nodes) == 1 else "s"
    out.print(f"{recipe.path}: {len(recipe.nodes)} stage{plural}, no problems; run {recipe.run}, seed {recipe.seed}")


def _flow(node: Node) -> str:
    from datapipe.schema import qualified

    if node.stage.kind == "Sink":
        return "all columns → files"
    reads = ", ".join(node.stage.reads_for(node.config))
    adds = ", ".join(qualified(name, node.name) for name in node.stage.adds_for(node.config).names)
    where = f"  where {node.where.text}" if node.where else ""
    return f"{reads or '·'} → {adds or '·'}{where}"
