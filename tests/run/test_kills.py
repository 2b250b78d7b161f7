"""A run that is killed at any moment: running again ends with the same bytes, and does nothing twice.

Eight shards of twenty documents. The driver, or one of two workers, gets SIGKILL at a moment drawn from its
typical duration; the seed of the draw is the test's parameter.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from datapipe.corpus.record import read_records
from datapipe.corpus.store import Store
from datapipe.engine.cluster import DaskEngine
from datapipe.errors import RunError
from tests.run.workbench import Done, Workbench, differences, shards_by_file, stages

PAUSE = 0.002  # seconds a document, so that most kills fall into the work
SLOW = stages(count={"pause": PAUSE}, again={"pause": PAUSE})
SECONDS = 1.2  # of a whole run: two measures of some 150 documents, and the files written
FEW, MANY = range(4), range(4, 40)
ROOT = Path(__file__).parents[2]


def _seeds(few: Iterable[int] = FEW) -> list[object]:
    return [*few, *(pytest.param(seed, marks=pytest.mark.full) for seed in MANY)]


def _finished(run: Path, stage: str) -> set[str]:
    """Shards whose record stands."""
    return set(read_records(Store(str(run)), stage)) if run.exists() else set()


def _files(texts: Iterable[str]) -> set[str]:
    """Files of the texts measured, by their first words; copied texts stand in several files and say nothing."""
    words = (text.split()[0].lower() for text in texts)
    return {f"{word.split('n')[0]}.txt" for word in words if word[0] == "f"}


def _nothing_twice(done: Done, before: dict[str, set[str]]) -> None:
    """No shard whose record stood has been measured again."""
    names = shards_by_file(done)
    for stage, shards in before.items():
        measured = {shard for file in _files(done.measured.get(stage, [])) for shard in names[file]}
        assert not measured & shards, f"{stage} measured finished shards again"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workbench, Done]:
    """The input, and a run of it that nobody disturbed; every other run has its own folder beside it."""
    bench = Workbench(tmp_path_factory.mktemp("kills")).fill(files=8)
    return bench, bench.run("undisturbed", SLOW)


def _kill_driver(bench: Workbench, run: str, workers: int, moment: float) -> bool:
    """Start a driver and kill it; says whether it still ran."""
    recipe = bench.recipe_file(run, SLOW)
    command = [sys.executable, "-m", "tests.run.kill_driver", str(recipe), str(workers)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == b"ready\n"
        time.sleep(moment)
        alive = driver.poll() is None
        driver.kill()
    return alive


def _after_a_kill_of_the_driver(undisturbed: tuple[Workbench, Done], seed: int, workers: int) -> None:
    bench, whole = undisturbed
    run = bench.folder / f"driver-{seed}"
    _kill_driver(bench, run.name, workers, random.Random(seed).uniform(0.0, SECONDS))
    before = {stage: _finished(run, stage) for stage in ("count", "again")}
    again = bench.run(run.name, SLOW)
    assert differences(whole.folder, run) == []
    _nothing_twice(again, before)
    assert not list(run.rglob("lease.json"))


@pytest.mark.parametrize("seed", _seeds())
def test_a_killed_driver_goes_on_where_it_was(undisturbed: tuple[Workbench, Done], seed: int) -> None:
    _after_a_kill_of_the_driver(undisturbed, seed, workers=0)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_killed_driver_of_workers_goes_on_where_it_was(undisturbed: tuple[Workbench, Done], seed: int) -> None:
    _after_a_kill_of_the_driver(undisturbed, seed, workers=2)


def test_a_driver_killed_halfway_leaves_some_shards_finished_and_some_not(
    undisturbed: tuple[Workbench, Done],
) -> None:
    """What the kills above rest on: a kill in the middle is in the middle, and what stands is kept as it is."""
    bench, _ = undisturbed
    moment, finished = SECONDS / 3, set[str]()
    for attempt in range(6):
        run = bench.folder / f"halfway-{attempt}"
        assert _kill_driver(bench, run.name, 0, moment)
        finished = _finished(run, "count")
        if 0 < len(finished) < 8:
            break
        moment *= 0.6 if finished else 1.5
    assert 0 < len(finished) < 8
    files = {path: path.stat().st_mtime_ns for shard in finished for path in (run / "count").glob(f"{shard}*.parquet")}
    again = bench.run(run.name, SLOW)
    _nothing_twice(again, {"count": finished})
    assert len(_files(again.measured["count"])) == 8 - len(finished)
    assert files == {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.parametrize("seed", _seeds())
def test_a_killed_worker_is_replaced_and_nothing_is_lost(
    undisturbed: tuple[Workbench, Done], dask: Callable[[int], DaskEngine], seed: int
) -> None:
    bench, whole = undisturbed
    draw = random.Random(1000 + seed)
    moment = draw.uniform(0.0, SECONDS)
    engine = dask(2)
    workers = sorted(engine._client.run(os.getpid).values())
    killer = threading.Timer(moment, os.kill, (draw.choice(workers), signal.SIGKILL))
    killer.start()
    done = bench.run(f"worker-{seed}", SLOW, engine=engine)
    killer.join()
    assert differences(whole.folder, done.folder) == []
    again = bench.run(f"worker-{seed}", SLOW)
    assert again.told.tasks == 0
    assert again.measured == {}


def test_workers_that_die_again_and_again_end_the_run_with_one_line(
    bench: Workbench, dask: Callable[[int], DaskEngine]
) -> None:
    """A document that ends its worker is named; what else was finished stays, and the rest is done later."""
    bench.write("f3.txt", [*(f"f3n{n} some more words" for n in range(5)), "f3n5 ABORT some more words"])
    engine = dask(2)
    engine._run = str(bench.folder / "run")
    with pytest.raises(RunError, match="3 workers died on the same task; last seen at count, shard") as told:
        bench.run("run", stages(), engine=engine)
    assert "\n" not in str(told.value)
    finished = _finished(bench.folder / "run", "count")
    assert finished
    bench.write("f3.txt", [f"f3n{n} some more words" for n in range(5)])
    done = bench.run("run")
    _nothing_twice(done, {"count": finished})
    assert differences(bench.run("fresh").folder, done.folder) == []
