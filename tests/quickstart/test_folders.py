"""A run writes into its run folder and the cache folder, and nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.quickstart.conftest import ROOT


def test_nothing_is_kept_outside_the_run_and_the_cache(tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("home", "temporary", "work")}
    for place in places.values():
        place.mkdir()
    for name in ("configs", "samples"):
        shutil.copytree(ROOT / name, places["work"] / name)
    before = set(tmp_path.rglob("*"))
    moved = {"HOME": str(places["home"]), "TMPDIR": str(places["temporary"])}
    environment = {**os.environ, **moved}  # the cache folder is the tests' own: compiled kernels are there already
    environment.pop("XDG_CACHE_HOME", None)
    command = [sys.executable, "-B", "-m", "datapipe", "run", "configs/quickstart.yaml"]
    done = subprocess.run(command, cwd=places["work"], env=environment, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    new = {path for path in tmp_path.rglob("*") if path not in before}
    runs = places["work"] / "runs"
    assert runs in new
    assert {path for path in new if path != runs and runs not in path.parents} == set()
