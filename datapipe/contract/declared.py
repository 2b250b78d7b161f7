"""What a stage says of itself: name, version, config, columns, reasons; and that it can be sent to a worker."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from datapipe.contract.finding import Findings
from datapipe.schema import COLUMNS, FRAMEWORK_REASONS, PLACE
from datapipe.stage import Expand, Stage, StageConfig

__all__ = ["check_declared", "default_config"]

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_CODE = re.compile(r"[a-z][a-z0-9_]*")
_ROLES = ("measure", "decide", "place")


def default_config(stage: Stage, found: Findings) -> StageConfig | None:
    """The config with nothing set; None with a note if some fields must be set."""
    try:
        return stage.config()
    except ValidationError as error:
        fields = ", ".join(str(line["loc"][0]) for line in error.errors() if line["loc"])
        found.add("config", f"not tried: {fields} must be set; give a config", fault=False)
        return None


def check_declared(stage: Stage, config: StageConfig | None, found: Findings) -> None:
    """All checks that need no data."""
    if not _NAME.fullmatch(stage.name):
        found.add("name", f"{stage.name!r} is not of the form word.word, in small letters, digits and _")
    if stage.version < 1:
        found.add("version", f"{stage.version} is not a whole number from 1 on")
    _check_model(stage.config, found)
    _check_reasons(stage, found)
    _check_pickle(stage, found)
    if config is not None:
        _check_round_trip(stage, config, found)
        _check_columns(stage, config, found)
        _check_leaving(stage, config, found)
        _check_notice(stage, config, found)


def _check_model(model: type[StageConfig], found: Findings) -> None:
    if not (model.model_config.get("frozen") and model.model_config.get("extra") == "forbid"):
        found.add("config", f"{model.__name__} must stay frozen and closed (extra='forbid')")
    for name, field in model.model_fields.items():
        if not (field.description or "").strip():
            found.add("config", f"field {name} has no description")
        extra: Any = field.json_schema_extra
        if not isinstance(extra, dict) or extra.get("role") not in _ROLES:
            found.add("config", f"field {name} is declared neither by measure(), decide() nor place()")


def _check_reasons(stage: Stage, found: Findings) -> None:
    for code, meaning in stage.reasons.items():
        if not _CODE.fullmatch(code):
            found.add("reasons", f"{code!r} is not a word in small letters, digits and _")
        if not meaning.strip():
            found.add("reasons", f"{code} has no description")
        if code in FRAMEWORK_REASONS and stage.kind != "Source":
            found.add("reasons", f"{code} is a reason of the framework")
    if isinstance(stage, Expand) and stage.childless not in stage.reasons:
        found.add("reasons", f"childless={stage.childless!r} is not among the declared reasons")
    if getattr(stage, "decide", None) is None and stage.reasons and stage.kind in {"Map", "Group"}:
        found.add("reasons", "reasons are declared, but there is no decide that could give them")


def _check_pickle(stage: Stage, found: Findings) -> None:
    again = found.attempt("pickle", "pickling the stage", lambda: pickle.loads(pickle.dumps(stage)))  # noqa: S301 - our own
    if again is not None and again != stage:
        found.add("pickle", "the stage does not come back the same")


def _check_round_trip(stage: Stage, config: StageConfig, found: Findings) -> None:
    def back() -> StageConfig:
        return stage.config.model_validate_json(config.model_dump_json())

    again = found.attempt("config", "reading the config back from its JSON", back)
    if again is not None and again != config:
        found.add("config", "the config does not come back the same from its JSON")


def _check_columns(stage: Stage, config: StageConfig, found: Findings) -> None:
    for column in stage.adds_for(config):
        known = COLUMNS.get(column.name)
        if known is not None and known != column.type:
            found.add("columns", f"{column.name} is {column.type}, but the schema says {known}")
        if column.name in PLACE and stage.kind != "Expand" and not _covers(stage, config, column.name):
            found.add("columns", f"{column.name} is written by the framework alone")
        if known is None and not _CODE.fullmatch(column.name):
            found.add("columns", f"{column.name!r} is not a short name: the framework adds the stage's name")
        if column.name == "judged" and str(column.type) != "bool":
            found.add("columns", f"judged is {column.type}, not bool")


def _check_leaving(stage: Stage, config: StageConfig, found: Findings) -> None:
    for name in stage.coded:
        if name not in stage.adds_for(config).names:
            found.add("columns", f"{name} is named in coded, but not in adds")
    cover = getattr(stage, "cover", None)
    if cover is not None and cover.option not in stage.config.model_fields:
        found.add("cover", f"{cover.option!r} is no field of the config")


def _check_notice(stage: Stage, config: StageConfig, found: Findings) -> None:
    notice = getattr(stage, "notice", None)
    if notice is None:
        return
    added = {field.name: field.type for field in stage.adds_for(config)}
    for name in notice.sums:
        if name not in added or not pa.types.is_integer(added[name]):
            found.add("notice", f"{name} is named in sums, but is no column of integers in adds")
    nothing = dict.fromkeys(notice.sums, 0)
    line = found.attempt("notice", "saying what sums of 0 mean", lambda: notice.say(nothing, config))
    if line is not None:
        found.add("notice", "it says something of a run without documents")


def _covers(stage: Stage, config: StageConfig, column: str) -> bool:
    """Whether the stage takes something out of a place that may be told, such as a name of a file."""
    cover = getattr(stage, "cover", None)
    return cover is not None and column == "file" and column in cover.columns(config)
