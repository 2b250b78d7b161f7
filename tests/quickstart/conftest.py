"""The quickstart, run once for all tests of this folder, as a user runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the quickstart, in a folder of its own beside copies of configs/ and samples/."""
    home = tmp_path_factory.mktemp("quickstart")
    for name in ("configs", "samples"):
        shutil.copytree(ROOT / name, home / name)
    command = [sys.executable, "-m", "datapipe", "run", "configs/quickstart.yaml"]
    wide = {**os.environ, "COLUMNS": "160"}
    done = subprocess.run(command, cwd=home, env=wide, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (home / "printed.txt").write_text(done.stdout, encoding="utf-8")
    return home / "runs" / "quickstart"
