"""The memory of a worker: bounded on a big archive, and no larger for more shards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from datapipe.engine.cluster import DaskEngine
from datapipe.recipe import load_recipe
from datapipe.registry import Registry
from datapipe.run.driver import open_run, run_recipe
from tests.benchmarks.pages import build

LIMIT = 1.5 * 2**30
RECIPE = """
run: {run}
stages:
  pages: {{use: read.warc, paths: ["{pages}/*.warc.gz"], source: real, shard_bytes: {shard}}}
  text: {{use: extract, engine: resiliparse}}
  language: {{use: filter.language}}
  length: {{use: filter.length}}
  quality: {{use: filter.gopher}}
  unique: {{use: dedup.exact}}
"""


@contextmanager
def watched(peaks: list[int]) -> Iterator[None]:
    """Note the largest resident size of any process below this one while the block runs."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.2):
            sizes = [0]
            for child in psutil.Process().children(recursive=True):
                try:
                    sizes.append(child.memory_info().rss)
                except psutil.Error:
                    continue
            peaks.append(max(sizes))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_memory_of_a_worker_is_bounded_on_2_gb_and_does_not_grow_with_shards(real_data: Path, tmp_path: Path) -> None:
    del real_data
    html = build(tmp_path / "pages", 7_500, 1)
    assert html > 2 * 10**9
    found = {}
    for shard in ("512MiB", "64MiB"):
        peaks: list[int] = []
        path = tmp_path / "recipe.yaml"
        path.write_text(RECIPE.format(run=tmp_path / shard, pages=tmp_path / "pages", shard=shard), encoding="utf-8")
        recipe = load_recipe(path, Registry())
        engine = DaskEngine(workers=2, run=recipe.run)
        began = time.perf_counter()
        try:
            with watched(peaks):
                context = run_recipe(open_run(recipe, engine))
        finally:
            engine.close()
        found[shard] = max(peaks)
        shards = len(context.records["pages"])
        print(f"{shard}: {shards} shards, peak {max(peaks) >> 20} MiB, {time.perf_counter() - began:.0f} s")  # noqa: T201
    assert max(found.values()) < LIMIT
    assert found["64MiB"] < found["512MiB"] * 1.15
