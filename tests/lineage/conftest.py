"""A run of toy stages that every test of lineage reads; none writes into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from datapipe.registry import Registry
from datapipe.run.context import Context
from datapipe.run.reopen import reopen
from tests.run.workbench import TOYS, Workbench


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """Four files of twenty lines, run to the end as `run`."""
    bench = Workbench(tmp_path_factory.mktemp("lineage")).fill(files=4)
    bench.run("run")
    return bench


@pytest.fixture
def context(told: Workbench) -> Context:
    """The run, opened for reading."""
    return opened(told.folder / "run")


def opened(folder: Path) -> Context:
    return reopen(str(folder), Registry(TOYS), str(TOYS))
