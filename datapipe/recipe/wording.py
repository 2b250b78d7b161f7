"""Says in plain words what pydantic found wrong with a stage's options, and what comes near.

Costs nothing: it runs on errors only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from datapipe.recipe.document import KeyPath

__all__ = ["did_you_mean", "in_words", "option_names"]

_WANTED = {  # by the beginning of pydantic's error type
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string_type": "text",
    "tuple": "a list",
    "list": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping of keys to values",
    "mapping": "a mapping of keys to values",
    "model": "a mapping of keys to values",
    "path": "a path",
}
_LIMITS = {
    "greater_than": ("gt", "must be more than {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "too_short": ("min_length", "must hold at least {} of its kind"),
    "too_long": ("max_length", "must hold at most {} of its kind"),
    "string_too_short": ("min_length", "must have at least {} characters"),
    "string_too_long": ("max_length", "must have at most {} characters"),
}
_REMEDIES = {"text": "put it in quotes", "a list": "put it in [brackets]"}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names as a remedy, or all of them if none is near."""
    names = tuple(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(names)}" if names else ""


def option_names(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys that a model takes, as written in YAML."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def in_words(
    error: ValidationError, model: type[BaseModel], values: Any, also: tuple[str, ...] = ()
) -> Iterator[tuple[KeyPath, str, str]]:
    """Key path, message and remedy of each problem; `also` are keys allowed beside the model's own.

    The branches of a union fail one by one; they come out as one message, joined by "or".
    """
    grouped: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        grouped.setdefault(_path(detail, values), []).append(detail)
    for path, details in grouped.items():
        if len(details) == 1:
            message, remedy = _one(details[0], model, path, also)
        else:
            wanted = dict.fromkeys(_wanted(detail) for detail in details)
            given = _at(values, path)
            message, remedy = f"must be {' or '.join(wanted)}, not {_shown(given)}", ""
            if "by_language" in wanted and isinstance(given, dict):
                remedy = "a number for one language stands in its file: `datapipe stages NAME --languages` says how"
        yield path, message, remedy


def _path(detail: ErrorDetails, values: Any) -> KeyPath:
    """The part of the error's location that the user wrote; what follows names a branch of a union."""
    location = detail["loc"]
    if detail["type"] in {"missing", "extra_forbidden"}:
        parent = _walk(location[:-1], values)
        return (*parent, location[-1])
    return _walk(location, values)


def _walk(location: KeyPath, values: Any) -> KeyPath:
    path: list[str | int] = []
    for part in location:
        inside = isinstance(values, dict) and part in values
        inside = inside or (isinstance(values, list) and isinstance(part, int) and part < len(values))
        if inside:
            values = values[part]
            path.append(part)
    return tuple(path)


def _at(values: Any, path: KeyPath) -> Any:
    for part in path:
        values = values[part]
    return values


def _one(detail: ErrorDetails, model: type[BaseModel], path: KeyPath, also: tuple[str, ...]) -> tuple[str, str]:
    kind = detail["type"]
    if kind == "missing":
        return "is missing", _description(model, path)
    if kind == "extra_forbidden":
        known = _model_at(model, path[:-1])
        names = (*option_names(known), *(also if len(path) == 1 else ())) if known else ()
        return "is not an option here", did_you_mean(str(path[-1]), names)
    context = detail.get("ctx", {})
    if kind in _LIMITS:
        key, text = _LIMITS[kind]
        return f"{text.format(context[key])}, not {_shown(detail['input'])}", ""
    if kind in {"literal_error", "enum"}:
        expected = str(context["expected"]).replace("'", "")
        names = tuple(expected.replace(" or ", ", ").split(", "))
        return f"must be {expected}, not {_shown(detail['input'])}", _near(str(detail["input"]), names)
    if kind == "value_error":
        return str(context.get("error", detail["msg"])), ""
    wanted = _wanted(detail)
    return f"must be {wanted}, not {_shown(detail['input'])}", _REMEDIES.get(wanted, "")


def _near(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else ""


def _wanted(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "none_required":
        return "null"
    if kind in {"literal_error", "enum"}:
        return str(detail["ctx"]["expected"]).replace("'", "")
    for prefix, words in _WANTED.items():
        if kind == prefix or kind.startswith(f"{prefix}_"):
            return words
    text = detail["msg"]
    return text.removeprefix("Value error, ").removeprefix("Input should be ")


def _shown(value: Any) -> str:
    text = {"True": "true", "False": "false", "None": "null"}.get(repr(value), repr(value))
    return text if len(text) <= 60 else f"{text[:60]}…"


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model of a nested mapping, where a field's type names exactly one."""
    for part in path:
        field = model.model_fields.get(str(part))
        inner = _models_in(field.annotation) if field else []
        if len(inner) != 1:
            return None
        model = inner[0]
    return model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def _description(model: type[BaseModel], path: KeyPath) -> str:
    owner = _model_at(model, path[:-1])
    field = owner.model_fields.get(str(path[-1])) if owner else None
    return field.description or "" if field else ""
