"""The bytes of a run do not depend on who does the work: how many workers, which engine, how many commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from datapipe.engine.cluster import DaskEngine
from tests.run.workbench import Workbench, contents, differences, stages


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_bytes_of_the_local_engine(
    bench: Workbench, dask: Callable[[int], DaskEngine], workers: int
) -> None:
    alone = bench.run("alone")
    together = bench.run("together", engine=dask(workers))
    assert differences(alone.folder, together.folder) == []


def test_one_stage_at_a_time_gives_the_same_bytes(bench: Workbench) -> None:
    whole = bench.run("whole")
    for name in stages():
        steps = bench.run("steps", only=[name])
    assert differences(whole.folder, steps.folder) == []


def test_one_stage_at_a_time_on_workers_with_several_shards_a_file(
    bench: Workbench, dask: Callable[[int], DaskEngine]
) -> None:
    small = stages(docs={"shard_bytes": 150})
    whole = bench.run("whole", small)
    assert len(whole.records("docs")) > len(list(bench.input.iterdir()))
    for name in small:
        steps = bench.run("steps", small, only=[name], engine=dask(2))
    assert differences(whole.folder, steps.folder) == []


def test_running_again_does_nothing(bench: Workbench) -> None:
    first = bench.run()
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*.parquet")}
    again = bench.run()
    assert again.told.tasks == 0
    assert again.read == []
    assert again.measured == {}
    assert before == {path: path.stat().st_mtime_ns for path in again.folder.rglob("*.parquet")}


def test_each_task_leaves_a_line_in_the_log(bench: Workbench) -> None:
    def log() -> list[tuple[str, str]]:
        lines = (bench.folder / "run" / "logs" / "tasks.jsonl").read_text(encoding="utf-8").splitlines()
        return sorted((line["stage"], line["shard"]) for line in map(json.loads, lines))

    done = bench.run()
    folders = [*stages(), "unique/exchange"]
    assert log() == sorted((stage, shard) for stage in folders for shard in done.records(stage))
    before = log()
    bench.run("run", stages(again={"min_words": 5}))
    assert log() == sorted([*before, *(("again", shard) for shard in done.records("again"))])


def test_the_toy_run_has_something_to_lose(bench: Workbench) -> None:
    """Every stage keeps some documents and drops some, for every reason: else the tests above prove little."""
    done = bench.run()
    assert done.dropped("docs") == {"damaged_input": 4}
    assert all(done.kept(name) > 15 for name in stages())
    assert {reason for name in stages() for reason in done.dropped(name)} == {"damaged_input", "too_short", "copy"}
    assert len(contents(done.folder)) > 4 * 2 * len(stages())


CONDITIONS: dict[str, dict[str, Any]] = {
    "docs": {"use": "toy.lines", "source": "lines"},
    "late": {"use": "toy.count", "min_words": 2, "where": "record > 9"},
    "upper": {"use": "toy.upper"},
    "even": {"use": "toy.count", "min_words": 3, "where": "late.words > 3"},
    "all": {"use": "toy.count", "min_words": 4},
    "unique": {"use": "toy.unique"},
}


def test_a_stage_that_looks_at_some_rows_leaves_the_others_to_the_next(bench: Workbench) -> None:
    """Stages with a condition ask for the text of some rows; the stage after them for all: in one pass, too."""
    whole = bench.run("whole", CONDITIONS)
    assert all(text == text.upper() for text in whole.measured["all"])
    assert len(whole.measured["all"]) == whole.kept("even") > len(whole.measured["even"])
    for name in CONDITIONS:
        steps = bench.run("steps", CONDITIONS, only=[name])
    assert differences(whole.folder, steps.folder) == []
