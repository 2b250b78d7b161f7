"""What the framework costs beside extraction, how it scales, and what a change of mind costs.

    python -m tests.benchmarks.first_run [--pages 3000] [--rounds 5] [--folder DIR] [--only bare whole]

Needs DATAPIPE_REAL_DATA. In one script, in turn, on the same WARC files and as many processes:
bare    a loop of `trafilatura.extract` over the pages' bytes, read with fastwarc; processes take file after file
whole   the whole run: read.warc, extract, filter.language, filter.length, filter.gopher, dedup.exact
and the whole run with 8 MiB shards on one worker and on two. Then, on the last run: a loosened threshold,
the same in a second folder that reuses the first, and the size of the base shards. Starting workers and
compiling kernels is printed apart. Quote the medians.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trafilatura
from fastwarc.warc import ArchiveIterator, WarcRecordType

from datapipe.engine.cluster import DaskEngine
from datapipe.recipe import load_recipe
from datapipe.registry import Registry
from datapipe.run.driver import open_run, run_recipe
from tests.benchmarks.pages import build

RECIPE = """
run: {run}
reuse: {reuse}
stages:
  pages: {{use: read.warc, paths: ["{pages}/*.warc.gz"], source: real, shard_bytes: {shard}}}
  text: {{use: extract, engine: trafilatura}}
  language: {{use: filter.language, keep: null}}
  length: {{use: filter.length, min_words: 50}}
  quality: {{use: filter.gopher, max_duplicate_lines: {loose}}}
  unique: {{use: dedup.exact}}
"""


def bare(files: Any, barrier: Any) -> None:
    """Extract every page of the files in a queue, as a user's own loop would."""
    trafilatura.extract("<html><body><p>warm</p></body></html>")
    barrier.wait()
    while (path := files.get()) is not None:
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
                trafilatura.extract(record.reader.read(), deduplicate=False)
    barrier.wait()


def time_bare(folder: Path, processes: int) -> float:
    """Seconds from the moment when all processes are ready until all are done."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes + 1)
    files = context.SimpleQueue()
    for path in [*sorted(folder.glob("*.warc.gz")), *[None] * processes]:
        files.put(path)
    workers = [context.Process(target=bare, args=(files, barrier)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    barrier.wait()
    began = time.perf_counter()
    barrier.wait()
    seconds = time.perf_counter() - began
    for worker in workers:
        worker.join()
    return seconds


def time_run(recipe: str, workers: int, folder: Path) -> tuple[float, float, Any]:
    """(seconds from first task to last commit, seconds to start, the run)."""
    path = folder / "recipe.yaml"
    path.write_text(recipe, encoding="utf-8")
    starting = time.perf_counter()
    loaded = load_recipe(path, Registry())
    engine = DaskEngine(workers=workers, run=loaded.run)
    engine.start()
    try:
        began = time.perf_counter()
        context = run_recipe(open_run(loaded, engine))
        seconds = time.perf_counter() - began - context.loading_seconds
        return seconds, began - starting + context.loading_seconds, context
    finally:
        engine.close()


def size(folder: Path, pattern: str = "**/*") -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pages", type=int, default=3000)
    arguments.add_argument("--files", type=int, default=48)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument("--folder", type=Path, default=None)
    arguments.add_argument("--only", nargs="+", default=["bare", "whole", "one", "two"])
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="first-run-") as temporary:
        home = Path(temporary)
        pages = given.folder or home / "pages"
        if not pages.exists():
            build(pages, given.pages, given.files)
        measure(home, pages, given)


def measure(home: Path, pages: Path, given: argparse.Namespace) -> None:
    """All comparisons, in turn."""
    times: dict[str, list[float]] = {}
    processes = given.processes

    def whole(name: str, workers: int, shard: str, **change: Any) -> Any:
        run = home / name
        if not change.pop("again", False):
            shutil.rmtree(run, ignore_errors=True)
        settings = {"run": run, "pages": pages, "shard": shard, "loose": 0.3, "reuse": "[]", **change}
        seconds, start, context = time_run(RECIPE.format(**settings), workers, home)
        times.setdefault(name, []).append(seconds)
        print(f"{name}: {seconds:.1f} s (start {start:.1f} s)", flush=True)
        return context

    def loop() -> None:
        times.setdefault("bare", []).append(time_bare(pages, processes))
        print(f"bare: {times['bare'][-1]:.1f} s", flush=True)

    plan: dict[str, Callable[[], Any]] = {
        "bare": loop,
        "whole": lambda: whole("whole", processes, "512MiB"),
        "one": lambda: whole("one", 1, "8MiB"),
        "two": lambda: whole("two", 2, "8MiB"),
    }
    for _ in range(given.rounds):
        for name in given.only:
            plan[name]()
    medians = {name: statistics.median(values) for name, values in times.items()}
    if {"bare", "whole"} <= medians.keys():
        print(f"whole / bare = {medians['whole'] / medians['bare']:.3f}")
    if {"one", "two"} <= medians.keys():
        print(f"one / two workers = {medians['one'] / medians['two']:.2f}")
    if "whole" in medians:
        print(f"base shards / input = {size(home / 'whole' / 'pages') / size(pages):.2%}")
        change_of_mind(home, times, whole)


def change_of_mind(home: Path, times: dict[str, list[float]], whole: Callable[..., Any]) -> None:
    """Loosen a threshold of the finished run, and do the same in a second folder that reuses the first."""
    for _ in range(3):
        shutil.rmtree(home / "loosened", ignore_errors=True)
        shutil.copytree(home / "whole", home / "loosened")
        context = whole("loosened", 2, "512MiB", loose=0.5, again=True)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"loosened / first run = {medians['loosened'] / medians['whole']:.1%}")
    records = {name: records.values() for name, records in context.records.items()}
    reread = {name: sum(record.work.reread for record in values) for name, values in records.items()}
    print(f"measured: {context.measured}; documents whose HTML was read again: {reread}")
    whole("fresh", 2, "512MiB", loose=0.5)
    print(f"same bytes as a fresh run: {same_bytes(home / 'loosened', home / 'fresh')}")
    whole("variant", 2, "512MiB", loose=0.5, reuse=f"[{home / 'whole'}]")
    print(f"variant reusing the first: {size(home / 'variant') / size(home / 'whole'):.2%} of its disk")


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two runs hold the same Parquet files, but for the folded records."""
    names = {p.relative_to(one) for p in one.rglob("*.parquet") if p.name != "records.parquet"}
    if names != {p.relative_to(other) for p in other.rglob("*.parquet") if p.name != "records.parquet"}:
        return False
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


if __name__ == "__main__":
    main()
