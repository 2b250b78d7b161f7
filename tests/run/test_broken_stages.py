"""Stages that break their contract end the run with one line, and leave nothing that would pass for done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datapipe.errors import StageError
from datapipe.stage import MAX_BATCH_ROWS
from tests.run.workbench import Workbench

DOCS: dict[str, Any] = {"use": "toy.lines", "source": "lines"}


def _fails(bench: Workbench, chain: dict[str, dict[str, Any]], match: str) -> None:
    with pytest.raises(StageError, match=match) as told:
        bench.run("run", chain)
    assert "\n" not in str(told.value)


def _left(bench: Workbench, stage: str) -> list[str]:
    """Every file of a stage, unfinished ones included; what leases need is no leaving."""
    files = (path.name for path in (bench.folder / "run" / stage).rglob("*") if path.is_file())
    return sorted(name for name in files if not name.startswith(".lease"))


def test_a_sink_that_stops_early_ends_the_run_and_leaves_no_record(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.write("a.txt", [f"line {n}" for n in range(MAX_BATCH_ROWS + 50)])
    chain = {"docs": DOCS, "out": {"use": "toy.hasty"}}
    for _ in range(2):  # the second run must not take the first's leavings for done
        _fails(bench, chain, r"^stage 'out' stopped writing before the end of shard [0-9a-f]{16}-0000; ")
        assert _left(bench, "out") == []


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("name", "NameError: name 'no_such_name' is not defined"),
        ("import", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("todo", "NotImplementedError: not yet"),
        ("library", "ImportError: IMPORTANT: libfast.so cannot be opened"),
    ],
)
def test_a_guarded_stage_that_is_broken_ends_the_run_and_sets_nothing_aside(
    tmp_path: Path, how: str, says: str
) -> None:
    bench = Workbench(tmp_path)
    bench.write("a.txt", [f"line {n}" for n in range(3)])
    chain = {"docs": DOCS, "count": {"use": "toy.broken", "how": how}}
    _fails(bench, chain, f"^stage 'count' is broken: {says}")
    assert _left(bench, "count") == []
