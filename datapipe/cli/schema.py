"""`datapipe schema`: the JSON Schema of recipes, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from datapipe.cli.options import STAGES_OPTION

__all__ = ["schema"]


@click.command("schema")
@STAGES_OPTION
def schema(stages_dir: Path | None) -> None:
    """Print the JSON Schema of recipes.

    Editors complete stages and options by it.

    \b
    Example, for VS Code with the YAML extension:
      datapipe schema > recipe.schema.json
      # first line of recipe.yaml:
      # yaml-language-server: $schema=recipe.schema.json
    """
    import json

    from datapipe.recipe import recipe_schema
    from datapipe.registry import Registry

    click.echo(json.dumps(recipe_schema(Registry(stages_dir)), indent=2, ensure_ascii=False))
