"""The page of one stage: what it says of itself, its options, columns, reasons and libraries.

Costs importing the stage.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from datapipe.cli.options import console, table
from datapipe.errors import InputError
from datapipe.schema import FRAMEWORK_REASONS, qualified
from datapipe.stage import Group, Map, Stage, StageConfig
from datapipe.text.thresholds import is_by_language_option

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from rich.table import Table

    from datapipe.registry import Registry

__all__ = ["print_page", "type_words"]

_ROLES = {"measure": "shapes the columns", "decide": "decides only", "place": "where things are"}
_ROLES_MEAN = {
    "measure": "shapes the columns: a change of it measures all documents anew",
    "decide": "decides only: a change re-decides from what was measured; datapipe what-if tells the effect beforehand",
    "place": "where things are: files count by what they hold, not by their path",
}
_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", type(None): "null"}


def print_page(registry: Registry, name: str) -> None:
    """Print everything that a user of the stage needs to know."""
    stage = registry.load(name)
    out = console()
    out.print(f"{name}  ({stage.kind}, version {stage.version}, {registry.origin(name)})\n", style="bold")
    out.print(inspect.cleandoc(_docstring(stage)) or "(it says nothing of itself)")
    out.print(f"\nin a recipe   {_recipe_line(stage, name)}\n", highlight=False)
    if stage.config.model_fields:
        out.print(_options(stage))
        roles = {_role(field) for field in stage.config.model_fields.values()}
        out.print("\n".join(meaning for role, meaning in _ROLES_MEAN.items() if role in roles) + "\n")
    config = _example(stage)
    out.print(f"reads   {_reads(stage, config)}")
    out.print(f"adds    {_adds(stage, config)}")
    if libraries := _libraries(stage, config):
        out.print(f"shaped by {libraries}")
    if stage.languages and config:
        out.print(f"knows the languages {', '.join(stage.languages(config))}")
    if any(is_by_language_option(stage.config, option) for option in stage.config.model_fields):
        out.print(f"by_language: datapipe stages {name} --languages lists the thresholds of each")
    out.print()
    if stage.reasons:
        made = table("reason", "what it says of the document")
        for reason, meaning in stage.reasons.items():
            made.add_row(reason, meaning)
        out.print(made)
    if isinstance(stage, Map | Group):
        out.print("also takes: from, where" + (", resource" if stage.prepare else ""))
        out.print(f"besides, as any stage: {', '.join(FRAMEWORK_REASONS)}")


def _docstring(stage: Stage) -> str:
    """Of the module that binds the stage; what it shares with others lies elsewhere."""
    modules = [value.__module__ for value in (*vars(stage).values(), stage.config) if hasattr(value, "__module__")]
    binding = (name for name in modules if getattr(sys.modules.get(name), "STAGE", None) is stage)
    return sys.modules[next(binding, stage.config.__module__)].__doc__ or ""


def _options(stage: Stage) -> Table:
    made = table("option", "type", "default", "", "what it is")
    for name, field in stage.config.model_fields.items():
        role = _ROLES.get(_role(field), "")
        default = "(needed)" if field.is_required() else _shown(field.get_default(call_default_factory=False))
        made.add_row(name, _field_type(field), default, role, field.description or "")
    return made


def _role(field: FieldInfo) -> str:
    return str(field.json_schema_extra.get("role", "")) if isinstance(field.json_schema_extra, dict) else ""


def _recipe_line(stage: Stage, name: str) -> str:
    """How a recipe names the stage, with the options that it needs."""
    needed = [
        f"{option}: {'[…]' if type_words(field.annotation).startswith('list') else '…'}"
        for option, field in stage.config.model_fields.items()
        if field.is_required()
    ]
    return f"{name.rpartition('.')[2]}: {{{', '.join([f'use: {name}', *needed])}}}"


def _field_type(field: FieldInfo) -> str:
    return type_words(field.annotation)


def type_words(annotation: Any) -> str:
    """A Python type as a writer of recipes would say it."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in _WORDS:
        return _WORDS[annotation]
    if origin is Annotated:
        return type_words(parts[0])
    if origin is Literal:
        return " | ".join(map(str, parts))
    if origin in {Union, types.UnionType}:
        return " | ".join(dict.fromkeys(type_words(part) for part in parts))
    if origin in {tuple, list, set, frozenset}:
        return f"list of {type_words(parts[0])}" if parts else "list"
    if origin is dict:
        return f"mapping of {type_words(parts[0])} to {type_words(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"mapping of {', '.join(annotation.model_fields)}"
    return getattr(annotation, "__name__", str(annotation))


def _shown(value: Any) -> str:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    if isinstance(plain, tuple | frozenset | set):
        plain = list(plain)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _example(stage: Stage) -> StageConfig | None:
    """A config with all defaults; needed options get a stand-in where one fits."""
    stand_ins: tuple[Any, ...] = ("…", ["…"], 1, {})
    for stand_in in stand_ins:
        given = {name: stand_in for name, field in stage.config.model_fields.items() if field.is_required()}
        given |= {name: ["…"] for name in given if name == "paths"}
        try:
            return stage.config.model_validate(given)
        except ValidationError:
            continue
    return None


def _libraries(stage: Stage, config: StageConfig | None) -> str:
    """What its output depends on; files that the user has to name are not there to be asked."""
    if callable(stage.libraries) and config is None:
        return ""
    try:
        found = stage.libraries(config) if callable(stage.libraries) else stage.libraries
    except InputError:
        return "the files that its options name, and what reads them"
    return f"the versions of {', '.join(found)}" if found else ""


def _reads(stage: Stage, config: StageConfig | None) -> str:
    if callable(stage.reads) and config is None:
        return "what its options say"
    reads = stage.reads(config) if callable(stage.reads) else stage.reads
    text = ", ".join(f"{name} (if there)" if name in stage.optional else name for name in reads) or "·"
    return f"{text} (by default)" if callable(stage.reads) else text


def _adds(stage: Stage, config: StageConfig | None) -> str:
    if callable(stage.adds) and config is None:
        return "what its options say"
    schema = stage.adds(config) if callable(stage.adds) else stage.adds
    text = ", ".join(f"{qualified(field.name, 'STAGE')} ({field.type})" for field in schema) or "·"
    text += "; STAGE is its name in the recipe" if "STAGE." in text else ""
    return f"{text} (by default)" if callable(stage.adds) else text
