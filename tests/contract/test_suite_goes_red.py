"""The contract suite finds each kind of broken stage, and nothing in good ones."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pytest

from datapipe.contract import Finding, check_stage
from datapipe.registry import Registry
from datapipe.stage import Notice, Round, SourceConfig, Split, Stage, StageConfig, columns, decide, schema
from tests.contract import toys


def checks_of(findings: list[Finding]) -> set[str]:
    return {finding.check for finding in findings if finding.fault}


@pytest.mark.parametrize("stage", toys.GOOD, ids=lambda stage: stage.kind)
def test_good_stage_has_no_findings(stage: Stage) -> None:
    assert check_stage(stage) == []


def test_good_source_has_no_findings() -> None:
    assert check_stage(toys.SOURCE, config=toys.SOURCE_CONFIG) == []


def test_source_without_config_is_noted_not_failed() -> None:
    (finding,) = check_stage(toys.SOURCE)
    assert not finding.fault
    assert "paths, source must be set" in finding.message


# ---------------------------------------------------------------------------------------------- seeded Maps


def length(batch: pa.RecordBatch) -> Any:
    return toys.process(batch, toys.LengthConfig(), None).column("characters").to_numpy()


def batch_dependent(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    return columns(characters=(length(batch) - length(batch).min(initial=0) + len(batch)).astype(np.int32))


def ordered_by_position(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    return columns(characters=np.arange(len(batch), dtype=np.int32))


def undeclared_column(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    return columns(characters=length(batch), extra=length(batch))


def wrong_type(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    return columns(characters=length(batch).astype(np.int64))


def lost_row(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    return columns(characters=length(batch)[:-1])


def lost_null_row(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    known = ~np.array([text is None for text in batch.column("text").to_pylist()], np.bool_)
    return columns(characters=length(batch)[known])


def swapped_rows(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    made = length(batch).copy()
    made[:2] = made[:2][::-1]
    return columns(characters=made)


def sorted_rows(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    return columns(characters=np.sort(length(batch)))


def random_values(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    return columns(characters=np.array([random.getrandbits(30) for _ in range(len(batch))], np.int32))


def writes_to_input(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    data = batch.column("text").buffers()[2]
    if data is not None and data.size:
        ctypes.memset(data.address, bytes(data)[0] ^ 1, 1)
    return columns(characters=length(batch))


def no_nulls(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    listed: list[Any] = batch.column("text").to_pylist()
    return columns(characters=np.array([len(str.strip(text)) for text in listed], np.int32))


def no_odd_text(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    if any("\x00" in text for text in toys.texts(batch)):
        raise ValueError("NUL")
    return columns(characters=length(batch))


def no_empty_batch(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    assert length(batch).max() >= 0
    return columns(characters=length(batch))


BAD_PROCESS: list[tuple[Callable[..., pa.RecordBatch], str]] = [
    (batch_dependent, "cuts"),
    (ordered_by_position, "permuted"),
    (undeclared_column, "columns"),
    (wrong_type, "columns"),
    (lost_row, "rows"),
    (lost_null_row, "rows"),
    (swapped_rows, "cuts"),
    (sorted_rows, "permuted"),
    (random_values, "determinism"),
    (writes_to_input, "inputs"),
    (no_nulls, "nulls"),
    (no_odd_text, "odd text"),
    (no_empty_batch, "empty"),
]


def always(sums: dict[str, int], config: Any) -> str | None:
    return f"{len(sums)} sums"


def never(sums: dict[str, int], config: Any) -> str | None:
    return f"{sums['characters']:,} characters" if sums["characters"] else None


@pytest.mark.parametrize(
    ("sums", "say", "found"),
    [(("characters",), never, set()), (("characters",), always, {"notice"}), (("characters", "w"), never, {"notice"})],
)
def test_a_notice_sums_integers_of_its_own_and_is_silent_of_nothing(sums: Any, say: Any, found: set[str]) -> None:
    assert checks_of(check_stage(replace(toys.MAP, notice=Notice(sums=sums, say=say)))) == found


@pytest.mark.parametrize(("process", "check"), BAD_PROCESS, ids=lambda value: getattr(value, "__name__", value))
def test_bad_process_is_found(process: Callable[..., pa.RecordBatch], check: str) -> None:
    assert check in checks_of(check_stage(replace(toys.MAP, process=process)))


# ---------------------------------------------------------------------------------------------- seeded decisions


def undeclared_reason(measured: pa.RecordBatch, config: Any) -> pa.StringArray:
    return pa.array(["too_long"] * len(measured), pa.string())


def decision_of_the_batch(measured: pa.RecordBatch, config: Any) -> pa.StringArray:
    values = measured.column("characters").to_numpy(zero_copy_only=False)
    middle = np.nanmean(values) if len(values) and not np.isnan(values.astype(float)).all() else 0
    return pa.array(["too_short" if value < middle else None for value in values], pa.string())


def never_off(measured: pa.RecordBatch, config: Any) -> pa.StringArray:
    return pa.array(["too_short"] * len(measured), pa.string())


def off_is_the_default(measured: pa.RecordBatch, config: Any) -> pa.StringArray:
    return toys.decide_reasons(measured, toys.LengthConfig())


def off_is_all(measured: pa.RecordBatch, config: Any) -> pa.StringArray:
    least = 10**9 if config.least is None else config.least
    return toys.decide_reasons(measured, toys.LengthConfig(least=least))


def wrong_kind(measured: pa.RecordBatch, config: Any) -> Any:
    return [None] * len(measured)


def fewer_reasons(measured: pa.RecordBatch, config: Any) -> pa.StringArray:
    return pa.array([None] * (len(measured) // 2), pa.string())


@pytest.mark.parametrize(
    ("decided", "check"),
    [
        (undeclared_reason, "reasons"),
        (decision_of_the_batch, "cuts"),
        (never_off, "decide"),
        (off_is_the_default, "decide"),
        (off_is_all, "decide"),
        (wrong_kind, "decide"),
        (fewer_reasons, "rows"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_bad_decision_is_found(decided: Any, check: str) -> None:
    assert check in checks_of(check_stage(replace(toys.MAP, decide=decided)))


# ---------------------------------------------------------------------------------------------- declarations


class Undescribed(StageConfig):
    """A field without a word on what it is."""

    least: int | None = decide(10)


class Roleless(StageConfig):
    """A field that is neither measured, decided nor placed by."""

    least: int | None = 10


class Open(StageConfig, extra="allow"):
    """Takes fields that it does not know."""

    least: int | None = decide(10, "characters")


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"name": "Length"}, "name"),
        ({"version": 0}, "version"),
        ({"config": Undescribed}, "config"),
        ({"config": Roleless}, "config"),
        ({"config": Open}, "config"),
        ({"reasons": {"too_short": ""}}, "reasons"),
        ({"reasons": {"Too short": "is too short"}}, "reasons"),
        ({"reasons": {"too_short": "is too short", "crashed": "broke"}}, "reasons"),
        ({"decide": None}, "reasons"),
        ({"process": lambda batch, _config, _resource: columns(characters=length(batch))}, "pickle"),
        ({"adds": schema(text=pa.string())}, "columns"),
        ({"adds": schema(id=pa.string())}, "columns"),
        ({"adds": schema(characters=pa.int32(), judged=pa.int8())}, "columns"),
    ],
    ids=str,
)
def test_bad_declaration_is_found(change: dict[str, Any], check: str) -> None:
    assert check in checks_of(check_stage(replace(toys.MAP, **change)))


# ---------------------------------------------------------------------------------------------- other kinds


def lost_cursor(split: Split, config: SourceConfig, cursor: int) -> Iterator[pa.RecordBatch]:
    return toys.read(split, config, 0)


def strange_reason(split: Split, config: SourceConfig, cursor: int) -> Iterator[pa.RecordBatch]:
    for batch in toys.read(split, config, cursor):
        row = batch.to_pylist()[0]
        yield toys.batch_of(toys.READ, [{**row, "reason": "sulking"}])


@pytest.mark.parametrize(("read", "check"), [(lost_cursor, "cursor"), (strange_reason, "reasons")])
def test_bad_source_is_found(read: Any, check: str) -> None:
    assert check in checks_of(check_stage(replace(toys.SOURCE, read=read), config=toys.SOURCE_CONFIG))


def resolve_by_batch(stream: Iterator[pa.RecordBatch], config: Any, scratch: Any) -> Iterator[pa.RecordBatch]:
    for batch in stream:
        yield from toys.resolve(iter([batch]), config, scratch)


def resolve_counting(stream: Iterator[pa.RecordBatch], config: Any, scratch: Any) -> Iterator[pa.RecordBatch]:
    rows = [one for batch in stream for one in batch.to_pylist()]
    verdicts = [{"shard": one["shard"], "row": one["row"], "first": place == 0} for place, one in enumerate(rows)]
    yield toys.batch_of(toys.VERDICT, verdicts)


def resolve_strangers(stream: Iterator[pa.RecordBatch], config: Any, scratch: Any) -> Iterator[pa.RecordBatch]:
    yield from toys.resolve(stream, config, scratch)
    yield toys.batch_of(toys.VERDICT, [{"shard": 0, "row": 1_000_000, "first": True}])


@pytest.mark.parametrize(
    ("resolve", "check"), [(resolve_by_batch, "cuts"), (resolve_counting, "ranges"), (resolve_strangers, "verdicts")]
)
def test_bad_group_is_found(resolve: Any, check: str) -> None:
    stage = replace(toys.GROUP, rounds=(Round(emit=toys.emit, resolve=resolve),))
    assert check in checks_of(check_stage(stage))


def emit_beyond(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    return toys.batch_of(toys.KEY, [{"row": row + 1, "key": 7} for row in range(len(batch))])


def test_emitted_row_out_of_range_is_found() -> None:
    stage = replace(toys.GROUP, rounds=(Round(emit=emit_beyond, resolve=toys.resolve),))
    assert "rows" in checks_of(check_stage(stage))


def resolve_copies(stream: Iterator[pa.RecordBatch], config: Any, scratch: Any) -> Iterator[pa.RecordBatch]:
    for batch in toys.resolve(stream, config, scratch):
        yield toys.batch_of(toys.VERDICT, [one for one in batch.to_pylist() if not one["first"]])


def needs_verdicts(batch: pa.RecordBatch, verdicts: pa.RecordBatch, config: Any) -> pa.RecordBatch:
    assert "first" in verdicts.schema.names
    return toys.apply(batch, verdicts, config)


def test_apply_that_needs_verdicts_is_found() -> None:
    stage = replace(toys.GROUP, rounds=(Round(emit=toys.emit, resolve=resolve_copies),))
    assert check_stage(stage) == []
    assert "verdicts" in checks_of(check_stage(replace(stage, apply=needs_verdicts)))


def write_counting_batches(stream: Iterator[pa.RecordBatch], target: BinaryIO, config: Any) -> None:
    target.write(str(len(list(stream))).encode())


def test_sink_that_depends_on_batches_is_found() -> None:
    assert "cuts" in checks_of(check_stage(replace(toys.SINK, write=write_counting_batches)))


def expand_backwards(batch: pa.RecordBatch, config: Any, resource: Path | None) -> pa.RecordBatch:
    made = toys.expand(batch, config, resource)
    return made.take(pa.array(range(len(made) - 1, -1, -1), pa.int64()))


def test_children_out_of_order_are_found() -> None:
    assert "rows" in checks_of(check_stage(replace(toys.EXPAND, expand=expand_backwards)))


def test_undeclared_childless_reason_is_found() -> None:
    assert "reasons" in checks_of(check_stage(replace(toys.EXPAND, childless="alone")))


def build_by_chance(config: Any, folder: Path) -> None:
    folder.joinpath("seed").write_text(str(random.random()))


def test_resource_that_differs_when_built_again_is_found() -> None:
    assert toys.PREPARED.prepare is not None
    prepare = replace(toys.PREPARED.prepare, build=build_by_chance, sketch=None, merge=None, reads=())
    assert "prepare" in checks_of(check_stage(replace(toys.PREPARED, prepare=prepare)))


# ---------------------------------------------------------------------------------------------- a new process

ORDER_OF_A_SET = """
import numpy as np
from datapipe.stage import TEXT, Map, StageConfig, columns, schema
import pyarrow as pa

class Config(StageConfig):
    "Nothing to set."

def process(batch, config, resource):
    values = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8}
    first = [values[name] for name in set(values)]
    number = int("".join(map(str, first)))
    return columns(number=np.full(len(batch), number, np.int32))

STAGE = Map(name="toy.hashed", version=1, config=Config, reads=TEXT, adds=schema(number=pa.int32()), process=process)
"""


def test_dependence_on_the_hash_seed_is_found_in_a_new_process(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    folder.joinpath("hashed.py").write_text(ORDER_OF_A_SET)
    registry = Registry(tmp_path)
    stage = registry.load("toy.hashed")
    assert check_stage(stage) == []
    assert "determinism" in checks_of(check_stage(stage, registry=registry))
