"""Config models: what a stage can be told, each field with its unit and what a change of it costs.

Fields are declared `measure` (a change measures the documents again), `decide` (a change decides anew from what was
measured) or `place` (where things are). Models are frozen and closed; None is off, never 0.
Costs nothing: declarations.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from datapipe.units import Share, Size, storable

__all__ = ["IndexedConfig", "SinkConfig", "SourceConfig", "StageConfig", "decide", "measure", "place"]


class StageConfig(BaseModel):
    """Base of every config model: frozen, closed, each field described with its unit."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    _storable = field_validator("*")(storable)


def measure(default: Any = ..., description: str = "", **limits: Any) -> Any:
    """A field that shapes the stage's columns: changing it measures the documents again."""
    return _field("measure", default, description, limits)


def decide(default: Any = ..., description: str = "", **limits: Any) -> Any:
    """A field used by `decide` alone: changing it re-decides from the stored columns."""
    return _field("decide", default, description, limits)


def place(default: Any = ..., description: str = "", **limits: Any) -> Any:
    """A field that says where things are, not what comes out: never part of a fingerprint."""
    return _field("place", default, description, limits)


def _field(role: str, default: Any, description: str, limits: dict[str, Any]) -> Any:
    return Field(default, description=description, json_schema_extra={"role": role}, **limits)


class SourceConfig(StageConfig):
    """What every source can be told."""

    paths: tuple[str, ...] = place(description="files, folders or globs, local or any fsspec URL", min_length=1)
    source: str = measure(description="name of this source; part of every document id", min_length=1)
    snapshot: str | None = measure(None, "which state of the source this is, such as 2026-11")
    sample: Share | None = decide(None, "share of documents, such as 1%, chosen by hash of id", gt=0, le=1)
    limit: int | None = measure(None, "read no more than this many records, in order of file name", gt=0)
    keep: tuple[str, ...] = measure((), "transient columns to store, such as html")
    shard_bytes: Size = measure(512 << 20, "bytes of documents in one shard", gt=0)
    allow_missing: bool = place(False, "a file that is gone since it was read is no error: its documents stay")


class SinkConfig(StageConfig):
    """What every sink can be told. The framework sees to `by`; a sink writes one file at a time."""

    by: str | None = measure(
        None,
        "column of few values, such as language: each value gets a folder of files of its own; "
        "documents without one go to `unknown`; none given: all in one",
    )


class IndexedConfig(StageConfig):
    """What a Group can be told that compares documents with those of earlier runs. The framework sees to it."""

    against: tuple[str, ...] = place(
        (), "folders of earlier runs with this stage, oldest first: what stands there leaves here, its texts unread"
    )
    index: bool = place(
        False,
        "keep of every document what a later run needs to compare it (by default only of those that resemble another)",
    )
    alarm: Share | None = place(
        0.5, "share of a source's documents; a source of which more leave here is named when the run ends", gt=0, lt=1
    )
