"""A run that is killed in any round of any stage of deduplication: the same bytes afterwards, and no task done twice.

The moment is not drawn: the kill comes as soon as the round that it is meant for has finished its first task.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from datapipe.engine.cluster import DaskEngine
from tests.run.copies import SHORT, STAGES, chain
from tests.run.workbench import Workbench, differences

ROOT = Path(__file__).parents[2]
ROUNDS = [
    (name, number)
    for name, rounds in {"near": 4, "vectors": 4, "hosts": 2, "runs": 2}.items()
    for number in range(rounds)
]
ROUNDS += [(name, 0) for name in ("url", "exact", "paragraphs", "lines")]
FEW = {("near", 1)}
CASES = [pytest.param(*case, marks=() if case in FEW else pytest.mark.full) for case in ROUNDS]
LONG = pytest.mark.timeout(600)


def _notes(run: Path) -> dict[Path, int]:
    """When each task of a round was noted to be done."""
    return {path: path.stat().st_mtime_ns for path in run.glob("*/exchange/round-*/[!.]*.json")}


def _has_begun(run: Path, stage: str, number: int) -> bool:
    return any((run / stage / "exchange" / f"round-{number}").glob("[!.]*.json"))


def _killed(bench: Workbench, run: Path, case: tuple[str, int], workers: int) -> bool:
    """Start a driver and kill it in a round; says whether the stage was not done yet."""
    recipe = bench.recipe_file(run.name, chain(bench, *STAGES))
    command = [sys.executable, "-m", "tests.run.kill_driver", str(recipe), str(workers), str(SHORT)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as driver:
        while driver.poll() is None and not _has_begun(run, *case):
            time.sleep(0.0005)
        driver.kill()
    return not (run / case[0] / "stage.json").exists()


def _goes_on(bench: Workbench, run: Path) -> None:
    """Run again: the bytes of a run that nobody disturbed, and what was noted as done stays as it is."""
    before = _notes(run)
    assert before
    bench.run(run.name, chain(bench, *STAGES))
    assert differences(bench.folder / "alone", run) == []
    after = _notes(run)
    assert {path: after[path] for path in before} == before
    assert bench.run(run.name, chain(bench, *STAGES)).told.tasks == 0


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.full)])
@pytest.mark.parametrize(("stage", "number"), CASES)
@LONG
def test_a_driver_killed_in_a_round_goes_on_where_it_was(
    all_stages: Workbench, monkeypatch: pytest.MonkeyPatch, stage: str, number: int, workers: int
) -> None:
    monkeypatch.setattr("datapipe.run.group.RANGE_ROWS", SHORT)
    for attempt in range(4):
        run = all_stages.folder / f"driver-{stage}-{number}-{workers}-{attempt}"
        in_time = _killed(all_stages, run, (stage, number), workers)
        _goes_on(all_stages, run)
        if in_time:
            return
    pytest.fail("no kill came in time")


@pytest.mark.full
@LONG
@pytest.mark.parametrize(("stage", "number"), ROUNDS)
def test_a_worker_killed_in_a_round_is_replaced(
    all_stages: Workbench,
    dask: Callable[[int], DaskEngine],
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    number: int,
) -> None:
    monkeypatch.setattr("datapipe.run.group.RANGE_ROWS", SHORT)
    engine = dask(2)
    run = all_stages.folder / f"worker-{stage}-{number}"
    workers = sorted(engine._client.run(os.getpid).values())
    killed = threading.Event()

    def kill() -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and not _has_begun(run, stage, number):
            time.sleep(0.0005)
        os.kill(workers[number % 2], signal.SIGKILL)
        killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    done = all_stages.run(run.name, chain(all_stages, *STAGES), engine=engine)
    killer.join()
    assert killed.is_set()
    assert differences(all_stages.folder / "alone", done.folder) == []
