"""A wheel, installed in an empty environment, runs the quickstart from another folder."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAGE = '''"""Map of another package: counts characters."""

import pyarrow as pa
import pyarrow.compute as pc

from datapipe.stage import TEXT, Map, StageConfig, columns, schema


class Config(StageConfig):
    """No options."""


def process(batch, config, resource):
    """Characters of each text."""
    return columns(characters=pc.utf8_length(batch.column("text")).cast(pa.int64()))


STAGE = Map(
    name="{name}", version=1, config=Config, reads=TEXT, adds=schema(characters=pa.int64()), process=process
)
'''
PACKAGE = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "another"
version = "1"
[project.entry-points."datapipe.stages"]
"other.characters" = "another.characters:STAGE"
"""


def call(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed; returns what it printed."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_wheel_runs_the_quickstart_and_stages_of_others_from_another_folder(tmp_path: Path) -> None:
    call(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT, cwd=tmp_path)
    venv.create(tmp_path / "venv", with_pip=True)
    other = tmp_path / "other" / "another"
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    (other / "characters.py").write_text(STAGE.format(name="other.characters"), encoding="utf-8")
    (tmp_path / "other" / "pyproject.toml").write_text(PACKAGE, encoding="utf-8")
    mine = tmp_path / "mine" / "own"
    mine.mkdir(parents=True)
    (mine / "characters.py").write_text(STAGE.format(name="own.characters"), encoding="utf-8")
    pip = tmp_path / "venv/bin/pip"
    call(pip, "install", "--quiet", *tmp_path.glob("datapipe-*.whl"), tmp_path / "other", cwd=tmp_path)
    home = tmp_path / "elsewhere"
    home.mkdir()
    datapipe = tmp_path / "venv/bin/datapipe"
    call(datapipe, "init", "--samples", cwd=home)
    assert "duplicate" in call(datapipe, "run", "configs/quickstart.yaml", cwd=home)
    recipe = home / "configs" / "more.yaml"
    text = (home / "configs" / "quickstart.yaml").read_text(encoding="utf-8").replace("runs/quickstart", "runs/more")
    more = "  theirs: {use: other.characters, from: unique}\n  mine: {use: own.characters}\n"
    recipe.write_text(text + more, encoding="utf-8")
    printed = call(datapipe, "run", recipe, "--stages", tmp_path / "mine", cwd=home)
    assert "theirs" in printed
    assert "mine" in printed
