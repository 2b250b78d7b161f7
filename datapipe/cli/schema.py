"""`datapipe schema`: the JSON Schema of recipes, for editors, and of reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from datapipe.cli.options import STAGES_OPTION

__all__ = ["schema"]


@click.command("schema")
@click.option("--report", is_flag=True, help="That of report.json instead.")
@STAGES_OPTION
def schema(*, report: bool, stages_dir: Path | None) -> None:
    """Print the JSON Schema of recipes, or of reports.

    Editors complete stages and options by it; of a report it says what each number means, and in what unit.

    \b
    Example, for VS Code with the YAML extension:
      datapipe schema > recipe.schema.json
      # first line of recipe.yaml:
      # yaml-language-server: $schema=recipe.schema.json
    """
    import json

    click.echo(json.dumps(_of_report() if report else _of_recipe(stages_dir), indent=2, ensure_ascii=False))


def _of_recipe(stages_dir: Path | None) -> dict[str, Any]:
    from datapipe.recipe import recipe_schema
    from datapipe.registry import Registry

    return recipe_schema(Registry(stages_dir))


def _of_report() -> dict[str, Any]:
    from datapipe.report import Report

    return Report.model_json_schema()
