"""A run that is killed at any moment: running again ends with the same bytes, and does nothing twice.

Eight shards of twenty documents. The driver, or one of two workers, gets SIGKILL at a moment drawn from the time
that a run takes undisturbed, on the same machine just before. A kill that comes when all is over shows nothing, so
each test goes through its seeds by itself and says how many of its kills must come in time.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from datapipe.corpus.record import read_records
from datapipe.corpus.store import Store
from datapipe.engine.cluster import DaskEngine
from datapipe.errors import RunError
from tests.run.workbench import Done, Workbench, corpus, differences, shards_by_file, stages

PAUSE = 0.002  # seconds a document, so that most kills fall into the work
SLOW = stages(count={"pause": PAUSE}, again={"pause": PAUSE})
CHANGED = stages(docs={"sample": 0.8}, count={"pause": PAUSE, "unit": 2, "min_words": 1}, again={"pause": PAUSE})
FEW, MANY = range(4), range(4, 40)
LONG = pytest.mark.timeout(1800)  # for many kills in one test
SEEDS = [
    pytest.param(FEW, 1, id="few"),
    pytest.param(MANY, len(MANY) // 2, id="many", marks=(pytest.mark.full, LONG)),
]
ROOT = Path(__file__).parents[2]


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


@dataclass
class Undisturbed:
    """The input, a run of it that nobody disturbed, and how long a driver took for another."""

    bench: Workbench
    whole: Done
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Every other run has its own folder beside it."""
    bench = Workbench(tmp_path_factory.mktemp("kills")).fill(files=8)
    whole = bench.run("undisturbed", SLOW)
    with _driver(bench, "timed", workers=0) as driver:
        began = time.monotonic()
        assert driver.wait() == 0
        seconds = time.monotonic() - began
    return Undisturbed(bench, whole, seconds)


@contextlib.contextmanager
def _driver(
    bench: Workbench, run: str, workers: int, made: dict[str, dict[str, Any]] = SLOW
) -> Iterator[subprocess.Popen[bytes]]:
    """A driver that has only the run left to do."""
    recipe = bench.recipe_file(run, made)
    command = [sys.executable, "-m", "tests.run.kill_driver", str(recipe), str(workers)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == b"ready\n"
        yield driver


def _kill_driver(
    bench: Workbench, run: str, workers: int, moment: float, made: dict[str, dict[str, Any]] = SLOW
) -> bool:
    """Start a driver and kill it; says whether it still ran."""
    with _driver(bench, run, workers, made) as driver:
        time.sleep(moment)
        alive = driver.poll() is None
        driver.kill()
    return alive


def _after_a_kill_of_the_driver(undisturbed: Undisturbed, seed: int, workers: int) -> bool:
    """Kill, run again, compare; says whether the kill came in time."""
    bench = undisturbed.bench
    run = bench.folder / f"driver-{seed}"
    in_time = _kill_driver(bench, run.name, workers, random.Random(seed).uniform(0.0, undisturbed.seconds))
    before = {stage: _finished(run, stage) for stage in ("count", "again")}
    again = bench.run(run.name, SLOW)
    assert differences(undisturbed.whole.folder, run) == [], f"seed {seed}"
    _nothing_twice(again, before)
    assert not list(run.rglob("lease.json")), f"seed {seed}"
    return in_time


@pytest.mark.parametrize(("seeds", "least"), SEEDS)
def test_a_killed_driver_goes_on_where_it_was(undisturbed: Undisturbed, seeds: range, least: int) -> None:
    assert sum(_after_a_kill_of_the_driver(undisturbed, seed, workers=0) for seed in seeds) >= least


def _bases(run: Path) -> dict[str, int]:
    """When each base shard was written."""
    found = (path for path in (run / "docs").glob("*-*.parquet") if "reasons" not in path.name)
    return {path.name: path.stat().st_mtime_ns for path in found}


@pytest.mark.parametrize(("seeds", "least"), SEEDS)
def test_a_driver_killed_while_it_changes_a_finished_run_goes_on_where_it_was(
    undisturbed: Undisturbed, seeds: range, least: int
) -> None:
    """Another sample, another measure and another decision over layers that stand."""
    bench = undisturbed.bench
    fresh = bench.run(f"changed-{least}", CHANGED)
    in_time = 0
    for seed in seeds:
        run = bench.folder / f"change-{seed}"
        shutil.copytree(undisturbed.whole.folder, run)
        in_time += _kill_driver(bench, run.name, 0, random.Random(seed).uniform(0.0, undisturbed.seconds), CHANGED)
        again = bench.run(run.name, CHANGED)
        assert all(corpus(again, name) == corpus(fresh, name) for name in CHANGED), f"seed {seed}"
        assert _bases(run) == _bases(undisturbed.whole.folder), f"seed {seed}: base shards are written once"
        assert bench.run(run.name, CHANGED).told.tasks == 0, f"seed {seed}"
    assert in_time >= least


@pytest.mark.full
@LONG
def test_a_killed_driver_of_workers_goes_on_where_it_was(undisturbed: Undisturbed) -> None:
    seeds = range(100, 110)
    assert sum(_after_a_kill_of_the_driver(undisturbed, seed, workers=2) for seed in seeds) >= len(seeds) // 2


def test_a_driver_killed_halfway_leaves_some_shards_finished_and_some_not(
    undisturbed: Undisturbed,
) -> None:
    """What the kills above rest on: a kill in the middle is in the middle, and what stands is kept as it is."""
    bench = undisturbed.bench
    moment, finished = undisturbed.seconds / 3, set[str]()
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


@pytest.mark.parametrize(("seeds", "least"), SEEDS)
def test_a_killed_worker_is_replaced_and_nothing_is_lost(
    undisturbed: Undisturbed, dask: Callable[[int], DaskEngine], seeds: range, least: int
) -> None:
    for run in ("cold", "warm"):  # workers that have just started import first; that is not the work to disturb
        began = time.monotonic()
        undisturbed.bench.run(f"{run}-{least}", SLOW, engine=dask(2))
        seconds = time.monotonic() - began
    assert sum(_after_a_kill_of_a_worker(undisturbed, dask(2), seed, seconds) for seed in seeds) >= least


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # dask has just replaced it
        os.kill(process, signal.SIGKILL)


def _after_a_kill_of_a_worker(undisturbed: Undisturbed, engine: DaskEngine, seed: int, seconds: float) -> bool:
    """Kill a worker while the run goes on; says whether it still went on then."""
    bench = undisturbed.bench
    draw = random.Random(1000 + seed)
    moment = draw.uniform(0.0, seconds)
    workers = sorted(engine._client.run(os.getpid).values())
    killer = threading.Timer(moment, _kill, (draw.choice(workers),))
    killer.start()
    done = bench.run(f"worker-{seed}", SLOW, engine=engine)
    in_time = killer.finished.is_set()
    killer.cancel()
    killer.join()
    assert differences(undisturbed.whole.folder, done.folder) == [], f"seed {seed}"
    again = bench.run(f"worker-{seed}", SLOW)
    assert again.told.tasks == 0, f"seed {seed}"
    assert again.measured == {}, f"seed {seed}"
    return in_time


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
