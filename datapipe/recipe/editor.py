"""The JSON Schema of recipes, from which editors complete stages and options and show what each means.

Costs importing every stage; one that cannot be imported is offered by name only.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from datapipe.errors import DatapipeError
from datapipe.recipe.model import Head
from datapipe.registry import Registry
from datapipe.stage import Stage

__all__ = ["recipe_schema"]

_FROM = {
    "description": "stages to read from; default: the stage above",
    "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "uniqueItems": True}],
}
_WHERE = {"description": "which documents the stage is for, such as: kind != 'code'", "type": "string"}
_RESOURCE = {"description": "another run whose prepared resource is used", "type": "string"}


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """JSON Schema (2020-12) of a recipe with the stages of this registry."""
    stages, absent = _usable(registry)
    models: dict[str, type[BaseModel]] = {"": Head, **{name: stage.config for name, stage in stages.items()}}
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in models.values()]
    references, shared = models_json_schema(wanted, ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = shared.get("$defs", {})

    def body(model: type[BaseModel]) -> dict[str, Any]:
        return dict(definitions[references[model, "validation"]["$ref"].rpartition("/")[2]])

    head = body(Head)
    choices = [_choice(name, stage, body(stage.config)) for name, stage in stages.items()]
    choices += [{"title": name, "required": ["use"], "properties": {"use": {"const": name}}} for name in absent]
    head["properties"]["stages"] = {
        "type": "object",
        "description": "stages by name, from top to bottom",
        "minProperties": 1,
        "propertyNames": {"pattern": "^[a-z][a-z0-9_]*$"},
        "additionalProperties": {"oneOf": choices},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **head,
        "title": "datapipe recipe",
        "required": [*head.get("required", []), "stages"],
        "$defs": definitions,
    }


def _usable(registry: Registry) -> tuple[dict[str, Stage], list[str]]:
    stages: dict[str, Stage] = {}
    absent: list[str] = []
    for name in registry.names():
        try:
            stages[name] = registry.load(name)
        except DatapipeError:
            absent.append(name)
    return stages, absent


def _choice(name: str, stage: Stage, model: dict[str, Any]) -> dict[str, Any]:
    options = {
        key: {part: kept for part, kept in value.items() if part != "role"}
        for key, value in model.get("properties", {}).items()
    }
    common: dict[str, Any] = {"use": {"const": name, "description": f"{stage.kind}"}, "from": _FROM}
    if stage.kind in {"Map", "Group"}:
        common["where"] = _WHERE
    if stage.prepare is not None:
        common["resource"] = _RESOURCE
    return {
        "title": name,
        "type": "object",
        "properties": {**common, **options},
        "required": ["use", *model.get("required", [])],
        "additionalProperties": False,
    }
