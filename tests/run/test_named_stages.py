"""A command may name some stages alone; what stands above them must then be what this recipe makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from datapipe.engine.local import LocalEngine
from datapipe.errors import RunError
from tests.run.workbench import Workbench, corpus, differences, stages


class Idle(LocalEngine):
    """An engine that must not be asked for anything."""

    def map(self, function: Any, tasks: Any) -> Any:
        raise AssertionError("a task was made")

    def prepare(self, needs: Any) -> None:
        raise AssertionError("workers were made ready")


def _files(run: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in run.rglob("*.parquet")}


@pytest.mark.parametrize(
    ("changed", "only", "says"),
    [
        ({"upper": {"mark": "!"}}, ["again"], "stage 'upper' is not done as this recipe says, on 4 shards"),
        ({"count": {"min_words": 2}}, ["upper"], "stage 'count' is not done as this recipe says"),
        ({"count": {"min_words": 2}}, ["again"], "stage 'count' is not done as this recipe says"),
        ({"upper": {"mark": "!"}}, ["count", "unique", "again"], "stage 'upper' is not done as this recipe says"),
        ({"docs": {"sample": 0.5}}, ["count"], "'docs' has input that is not read yet"),
    ],
    ids=[
        "another text",
        "another decision",
        "another decision further up",
        "one left out between two",
        "another sample",
    ],
)
def test_a_stale_stage_above_ends_the_command_and_spoils_nothing(
    bench: Workbench, changed: dict[str, Any], only: Sequence[str], says: str
) -> None:
    bench.run()
    before = _files(bench.folder / "run")
    with pytest.raises(RunError, match=says):
        bench.run("run", stages(**changed), only=only)
    if len(only) == 1:
        assert _files(bench.folder / "run") == before
    done, fresh = bench.run("run", stages(**changed)), bench.run("fresh", stages(**changed))
    assert all(corpus(done, name) == corpus(fresh, name) for name in stages())


@pytest.mark.parametrize("only", ["upper", "unique", "again"])
def test_a_stage_above_that_never_ran_ends_the_command(bench: Workbench, only: str) -> None:
    bench.run("run", only=["docs"])
    with pytest.raises(RunError, match="stage 'count' is not done"):
        bench.run("run", only=[only])
    bench.run("run", only=["docs", "count", "upper"])
    if only == "again":
        with pytest.raises(RunError, match="stage 'unique' is not done"):
            bench.run("run", only=[only])
        assert not (bench.folder / "run" / "unique" / "exchange").exists()
    assert differences(bench.run("fresh").folder, bench.run().folder) == []


def test_a_finished_run_asks_nothing_of_its_engine(bench: Workbench) -> None:
    bench.run()
    assert bench.run(engine=Idle()).told.tasks == 0
    assert bench.run(engine=Idle(), only=["again"]).told.tasks == 0
