"""What every test may use, and where tests may leave things.

Caches go to one folder: `DATAPIPE_CACHE` if it is set, else a folder of the system's temporary place that
outlives the run, because compiling the kernels takes longer than most tests. Child processes inherit it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("DATAPIPE_CACHE", str(Path(tempfile.gettempdir(), "datapipe-tests")))

# The same examples every time where it counts; new ones on every run at a desk. No database: tests keep no state.
hypothesis.settings.register_profile("desk", database=None, deadline=None)
hypothesis.settings.register_profile("ci", database=None, deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real pages and texts that `DATAPIPE_REAL_DATA` names."""
    named = os.environ.get("DATAPIPE_REAL_DATA")
    if not named:
        pytest.skip("DATAPIPE_REAL_DATA does not name the folder of real data")
    folder = Path(named).resolve()
    if not folder.is_dir():
        pytest.fail(f"DATAPIPE_REAL_DATA names {named}, which is no folder")
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes anew what tests compare with: the golden run of the samples, scores of real pages."""
    parser.addoption("--update-golden", action="store_true", help="write golden.json and readability.json anew")
