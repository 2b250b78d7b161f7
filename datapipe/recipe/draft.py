"""From values to drafts of stages: which stage, which options, which parents; each problem with its place.

A draft may be incomplete (unknown stage, bad options); later checks skip what they cannot know, so that one
mistake is told once. Costs importing the stages that the recipe uses.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from datapipe.errors import DatapipeError
from datapipe.recipe.document import Document, parse_value
from datapipe.recipe.model import Head
from datapipe.recipe.wording import did_you_mean, in_words
from datapipe.registry import Registry
from datapipe.stage import Sink, Source, Stage, StageConfig

__all__ = ["COMMON", "RESERVED", "Draft", "apply_overrides", "draft_head", "draft_stages"]

COMMON = ("use", "from", "where", "resource")  # keys of a stage's mapping that are not options of the stage
RESERVED = frozenset({*Head.model_fields, "stages", "audit", "gates", "recipe", "report", "logs", *keyword.kwlist})
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Draft:
    """A stage as far as it is known. `parents` are the names as written, or the stage above."""

    name: str
    use: str
    stage: Stage | None
    config: StageConfig | None
    parents: tuple[str, ...]
    where: str | None
    resource: str | None


# ---------------------------------------------------------------------------------------------- --set


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Put each `key=value` into the document: `quality.min_words=20`, `run=runs/b`, `cluster.workers=4`."""
    for text in overrides:
        key, equals, value = text.partition("=")
        here = Document(f"--set {text}")
        path = key.strip().split(".")
        if not equals or not all(path):
            here.problem((), "this is no key=value", "write it like: --set quality.min_words=20")
        else:
            try:
                _apply(document, here, path, parse_value(value))
            except ValueError as error:
                here.problem((), str(error), "put the value in quotes")
        document.problems.extend(here.problems)


def _apply(document: Document, here: Document, path: list[str], value: Any) -> None:
    values = document.values if isinstance(document.values, dict) else {}
    found = values.get("stages")
    stages = found if isinstance(found, dict) else {}
    if path[0] in stages:
        if len(path) == 1:
            here.problem((), f"'{path[0]}' is a stage", f"name an option: --set {path[0]}.option=value")
            return
        path = ["stages", *path]
    elif path[0] not in Head.model_fields:
        here.problem((), f"there is no stage '{path[0]}'", did_you_mean(path[0], (*stages, *Head.model_fields)))
        return
    target = values
    for at, part in enumerate(path[:-1]):
        if target.get(part) is None:
            target[part] = {}
        if not isinstance(target[part], dict):
            here.problem((), f"'{'.'.join(path[: at + 1])}' is no mapping")
            return
        target = target[part]
    target[path[-1]] = value
    full = tuple(path)
    document.places = {known: at for known, at in document.places.items() if known[: len(full)] != full}
    document.places[full] = here.name


# ---------------------------------------------------------------------------------------------- top of the file


def draft_head(document: Document) -> Head | None:
    """Everything beside `stages`; None after a problem."""
    if not isinstance(document.values, dict):
        if not document.problems:
            document.problem((), "a recipe is a mapping with `run` and `stages`", "see: datapipe init --help")
        return None
    values = {key: value for key, value in document.values.items() if key != "stages"}
    try:
        return Head.model_validate(values)
    except ValidationError as error:
        for path, message, remedy in in_words(error, Head, values, also=("stages",)):
            document.problem(path, message, remedy)
    return None


# ---------------------------------------------------------------------------------------------- stages


def draft_stages(document: Document, registry: Registry) -> dict[str, Draft]:
    """Every stage that has a usable name, in the order of the file."""
    stages = document.values.get("stages") if isinstance(document.values, dict) else None
    if not isinstance(stages, dict) or not stages:
        if isinstance(document.values, dict):
            document.problem(("stages",), "a recipe needs stages", "write them like: pages: {use: read.warc, …}")
        return {}
    drafts: dict[str, Draft] = {}
    for name, values in stages.items():
        _check_name(document, name)
        drafts[name] = _draft(document, registry, name, values, above=drafts)
    return drafts


def _check_name(document: Document, name: str) -> None:
    if not _NAME.fullmatch(name):
        plain = re.sub(r"[^a-z0-9_]+", "_", name.lower()).lstrip("_0123456789")
        document.problem(("stages", name), "a stage's name is made of a-z, 0-9 and _", f"such as {plain or 'quality'}")
    elif name in RESERVED:
        document.problem(("stages", name), f"'{name}' is a word of its own in recipes", f"call it {name}_stage")


def _draft(document: Document, registry: Registry, name: str, values: Any, *, above: dict[str, Draft]) -> Draft:
    if not isinstance(values, dict):
        document.problem(("stages", name), "a stage is a mapping", "write it like: {use: filter.length, min_words: 20}")
        return Draft(name, "", None, None, (), None, None)
    use = values.get("use")
    stage = None
    if isinstance(use, str):
        stage = _load(document, registry, name, use)
    elif "use" in values:
        document.problem(("stages", name, "use"), "must be the name of a stage", "see: datapipe stages")
    else:
        document.problem(("stages", name), "`use` is missing: the name of a stage", "see: datapipe stages")
    config = _config(document, stage, name, values) if stage else None
    where = _text(document, name, values, "where")
    resource = _text(document, name, values, "resource")
    return Draft(name, str(use), stage, config, _parents(document, (stage, name), values, above), where, resource)


def _load(document: Document, registry: Registry, name: str, use: str) -> Stage | None:
    try:
        return registry.load(use)
    except DatapipeError as error:
        document.problem(("stages", name, "use"), error.message, error.remedy)
    return None


def _config(document: Document, stage: Stage, name: str, values: dict[str, Any]) -> StageConfig | None:
    options = {key: value for key, value in values.items() if key not in COMMON}
    try:
        return _seeded(stage.config.model_validate(options), document)
    except ValidationError as error:
        for path, message, remedy in in_words(error, stage.config, options, also=COMMON):
            document.problem(("stages", name, *path), message, remedy)
    return None


def _seeded(config: StageConfig, document: Document) -> StageConfig:
    """A stage that draws by chance and has no seed of its own gets the recipe's."""
    seed = document.values.get("seed", 0)
    if getattr(config, "seed", 0) is not None or not isinstance(seed, int):
        return config
    return config.model_copy(update={"seed": seed})


def _text(document: Document, name: str, values: dict[str, Any], key: str) -> str | None:
    value = values.get(key)
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    document.problem(("stages", name, key), "must be text", "put it in quotes")
    return None


def _parents(
    document: Document, who: tuple[Stage | None, str], values: dict[str, Any], above: dict[str, Draft]
) -> tuple[str, ...]:
    stage, name = who
    if values.get("from") is None:
        return () if isinstance(stage, Source) else _default_parents(above)
    given = [values["from"]] if isinstance(values["from"], str) else values["from"]
    path = ("stages", name, "from")
    if not isinstance(given, list) or not all(isinstance(parent, str) for parent in given):
        document.problem(path, "must be the name of a stage or a list of names", "write it like: from: [pages, chats]")
        return _default_parents(above)
    for parent in {parent for parent in given if given.count(parent) > 1}:
        document.problem(path, f"'{parent}' stands here twice", "keep one of them")
    return tuple(dict.fromkeys(given))


def _default_parents(above: dict[str, Draft]) -> tuple[str, ...]:
    """The stage above; where that is a Sink, which hands nothing on, what it reads from."""
    if not above:
        return ()
    last = above[next(reversed(above))]
    return last.parents if isinstance(last.stage, Sink) else (last.name,)
