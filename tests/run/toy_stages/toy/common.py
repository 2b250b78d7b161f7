"""Map for tests that reads nothing but its documents' text, and decides by what the Group `unique` says of them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.stage import TEXT, Map, StageConfig, above, columns, decide, first_of, schema

TOO_COMMON = "too_common"


class Config(StageConfig):
    """Options of the test filter."""

    most: int | None = decide(3, "copies; more leave as too_common")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Characters of each text."""
    return columns(characters=pa.array([len(text or "") for text in batch["text"].to_pylist()], pa.int32()))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Texts of many copies leave."""
    return first_of((above(measured.column("unique.copies"), config.most), TOO_COMMON))


STAGE = Map(
    name="toy.common",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(characters=pa.int32()),
    reasons={TOO_COMMON: "the text stands in too many documents"},
    process=process,
    decide=decide_reasons,
    decides=("unique.copies",),
)
