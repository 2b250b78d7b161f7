"""Keep documents of a sensible size.

For tests only. Costs nothing.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from datapipe.stage import TEXT, Map, Prepare, StageConfig, above, below, columns, decide, first_of, measure, schema

TOO_FEW = "too_few_characters"
TOO_MANY = "too_many_characters"


class Unit(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "character"


class Config(StageConfig):
    least: int | None = decide(50, "characters; fewer leave as too_few_characters", ge=0)
    most: int | float | None = decide(100_000, "characters; more leave as too_many_characters")
    unit: Unit = measure(Unit(), "what is counted")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Characters of each document (int32)."""
    text: pa.LargeStringArray = batch["text"]  # type: ignore[assignment]
    return columns(characters=pc.utf8_length(text).cast(pa.int32()))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    count = measured["characters"]
    return first_of((below(count, config.least), TOO_FEW), (above(count, config.most), TOO_MANY))


def build(config: Config, folder: Path) -> None:
    (folder / "words").write_text("")


STAGE = Map(
    name="filter.size",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(characters=pa.int32(), odd=pa.bool_()),
    reasons={TOO_FEW: "shorter than least", TOO_MANY: "longer than most"},
    libraries=("pyarrow",),
    prepare=Prepare(build=build),
    process=process,
    decide=decide_reasons,
)
