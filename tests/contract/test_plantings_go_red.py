"""The contract suite finds what is wrong with how a stage is audited, and nothing in a good one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datapipe.contract import check_stage
from datapipe.registry import Registry
from datapipe.stage import Map, Planting, columns, schema
from tests.contract import toys

SECRET: Any = Registry(Path(__file__).parents[1] / "run/toy_stages").load("toy.secret")


def checks_of(stage: Any) -> set[str]:
    return {finding.check for finding in check_stage(stage) if finding.fault}


def with_(**changes: Any) -> Map:
    return replace(SECRET, audit=replace(SECRET.audit, **changes))


def test_a_good_planting_has_no_findings() -> None:
    assert check_stage(SECRET) == []


def of_the_batch(batch: pa.RecordBatch, config: Any, resource: Path | None, seeds: Any) -> pa.RecordBatch:
    cases = SECRET.audit.plant(batch, config, resource, seeds)
    kinds: pa.Array[Any] = pa.array([f"of_{len(batch)}"] * len(cases), pa.string())
    return cases.set_column(1, "case", kinds)


def not_of_the_seeds(batch: pa.RecordBatch, config: Any, resource: Path | None, seeds: Any) -> pa.RecordBatch:
    return SECRET.audit.plant(batch, config, resource, np.arange(len(batch), dtype=np.uint64))


def out_of_order(batch: pa.RecordBatch, config: Any, resource: Path | None, seeds: Any) -> pa.RecordBatch:
    cases = SECRET.audit.plant(batch, config, resource, seeds)
    return cases.take(pa.array(np.arange(len(cases))[::-1]))


def without_kinds(batch: pa.RecordBatch, config: Any, resource: Path | None, seeds: Any) -> pa.RecordBatch:
    return SECRET.audit.plant(batch, config, resource, seeds).drop_columns(["case"])


def with_more(batch: pa.RecordBatch, config: Any, resource: Path | None, seeds: Any) -> pa.RecordBatch:
    cases = SECRET.audit.plant(batch, config, resource, seeds)
    return cases.append_column("title", pa.nulls(len(cases), pa.string()))


BAD: list[tuple[Callable[..., pa.RecordBatch], str]] = [
    (of_the_batch, "cuts"),
    (not_of_the_seeds, "permuted"),
    (out_of_order, "rows"),
    (without_kinds, "columns"),
    (with_more, "columns"),
]


@pytest.mark.parametrize(("plant", "check"), BAD, ids=lambda value: getattr(value, "__name__", value))
def test_bad_plant_is_found(plant: Callable[..., pa.RecordBatch], check: str) -> None:
    assert check in checks_of(with_(plant=plant))


def test_what_a_case_changes_must_be_known_to_the_schema() -> None:
    assert checks_of(with_(changes=("texts",))) == {"audit"}


def test_found_says_of_each_case_whether_it_is() -> None:
    assert "audit" in checks_of(with_(found=lambda cases, _: np.ones(len(cases) + 1, np.bool_)))
    assert "audit" in checks_of(with_(found=lambda cases, _: np.ones(len(cases), np.int8)))
    assert "audit" not in checks_of(with_(found=lambda cases, _: np.ones(len(cases), np.bool_)))


def test_a_measure_must_not_be_called_as_what_cases_are_told_by() -> None:
    def process(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
        made = SECRET.process(batch, config, resource)
        return columns(text=made["text"], seen=made["seen"], hidden=made["seen"])

    adds = schema(text=pa.large_string(), seen=pa.int32(), hidden=pa.int32())
    assert "audit" in checks_of(replace(SECRET, adds=adds, process=process))


def test_a_group_needs_a_config_that_knows_earlier_runs() -> None:
    planting = Planting(version=1, plant=SECRET.audit.plant, reads=("text",))
    assert checks_of(replace(toys.GROUP, audit=planting)) == {"audit"}
