"""Fixtures of the tests that run whole recipes of toy stages."""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datapipe.engine.cluster import DaskEngine
from tests.run.workbench import Workbench


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """Four files of twenty lines, and a recipe over them."""
    return Workbench(tmp_path).fill(files=4)


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskEngine]:
    engine = DaskEngine(workers=2)
    _drop_sockets()
    yield engine
    engine.close()
    _drop_sockets()


def _drop_sockets() -> None:
    """Collect what distributed leaves open when it starts, stops and replaces workers: no fault of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def dask(_cluster: DaskEngine) -> Iterator[Callable[[int], DaskEngine]]:
    """The dask engine with so many workers; one cluster serves all tests, because its start takes seconds."""

    def of(workers: int) -> DaskEngine:
        cluster = _cluster._client.cluster
        cluster.scale(workers)
        deadline = time.monotonic() + 60
        while _cluster.workers != workers or len(_cluster._client.nthreads()) != workers:
            assert time.monotonic() < deadline, "the cluster does not come to its size"
            time.sleep(0.05)
        return _cluster

    yield of
    _drop_sockets()
