"""Map for tests that measures, and decides by, what the Group `unique` says of each document."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.stage import Map, StageConfig, above, columns, decide, first_of, schema

TOO_COMMON = "too_common"


class Config(StageConfig):
    """Options of the test filter."""

    most: int | None = decide(3, "copies; more leave as too_common")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Twice the number of copies."""
    return columns(double=pa.array([2 * (copies or 0) for copies in batch["unique.copies"].to_pylist()], pa.int32()))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Texts of many copies leave."""
    return first_of((above(measured.column("unique.copies"), config.most), TOO_COMMON))


STAGE = Map(
    name="toy.popular",
    version=1,
    config=Config,
    reads=("unique.copies",),
    adds=schema(double=pa.int32()),
    reasons={TOO_COMMON: "the text stands in too many documents"},
    process=process,
    decide=decide_reasons,
    decides=("unique.copies",),
)
