"""Fixtures of the tests that run whole recipes of toy stages."""

from __future__ import annotations

import contextlib
import gc
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datapipe.engine.cluster import DaskEngine
from tests.run.copies import CUTTING, DROPPING, SHORT, STAGES, chain, documents, layers, left, write
from tests.run.workbench import Workbench


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """Four files of twenty lines, and a recipe over them."""
    return Workbench(tmp_path).fill(files=4)


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskEngine]:
    with _open_sockets():
        engine = DaskEngine(workers=2)
    yield engine
    with _open_sockets():
        engine.close()


@contextlib.contextmanager
def _open_sockets() -> Iterator[None]:
    """Let distributed leave sockets open when it starts, stops and replaces workers: no fault of ours."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed", ResourceWarning)
        yield
        gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "dask" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))


@pytest.fixture
def dask(_cluster: DaskEngine) -> Iterator[Callable[[int], DaskEngine]]:
    """The dask engine with so many workers; one cluster serves all tests, because its start takes seconds."""

    def of(workers: int) -> DaskEngine:
        _cluster.resize(workers)
        deadline = time.monotonic() + 60
        while len(_cluster._client.nthreads()) != workers:
            assert time.monotonic() < deadline, "the cluster does not come to its size"
            time.sleep(0.1)
        return _cluster

    yield of
    with _open_sockets():
        pass


@pytest.fixture(scope="session")
def all_stages(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """One recipe with every stage, run by the local engine as `alone`, its ranges of keys short."""
    bench = Workbench(tmp_path_factory.mktemp("bytes"))
    write(bench, documents(), files=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datapipe.run.group.RANGE_ROWS", SHORT)
        done = bench.run("alone", chain(bench, *STAGES))
    for name in DROPPING:
        assert len(left(done, name)) > 10, name
    for name in CUTTING:
        assert sum(bool(row[f"{name}.spans"]) for row in layers(done, name)) > 10, name
    assert done.dropped("paragraphs")
    assert done.dropped("runs")
    return bench
