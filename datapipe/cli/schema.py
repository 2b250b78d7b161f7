"""`datapipe schema`: the JSON Schema of recipes, of plans and of reports, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from datapipe.cli.options import STAGES_OPTION

__all__ = ["schema"]


@click.command("schema")
@click.option("--report", is_flag=True, help="Of report.json instead.")
@STAGES_OPTION
@click.option("--plan", is_flag=True, help="Of plans for `datapipe train` instead.")
def schema(stages_dir: Path | None, *, plan: bool, report: bool) -> None:
    """Print the JSON Schema of recipes, of plans of training, or of reports.

    Editors complete stages and options by it; of a report it says what each number means, and in what unit.

    \b
    Example, for VS Code with the YAML extension:
      datapipe schema > recipe.schema.json
      # first line of recipe.yaml:
      # yaml-language-server: $schema=recipe.schema.json
    """
    import json

    if plan and report:
        raise click.UsageError("--plan and --report are two schemas; give one of them")
    made = _plan() if plan else _report() if report else _recipe(stages_dir)
    click.echo(json.dumps(made, indent=2, ensure_ascii=False))


def _recipe(stages_dir: Path | None) -> dict[str, Any]:
    from datapipe.recipe import recipe_schema
    from datapipe.registry import Registry

    return recipe_schema(Registry(stages_dir))


def _plan() -> dict[str, Any]:
    from datapipe.train.plan import Plan

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Plan.model_json_schema()}


def _report() -> dict[str, Any]:
    from datapipe.report import Report

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Report.model_json_schema()}
