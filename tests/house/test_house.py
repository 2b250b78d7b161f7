"""The habits of the house that a test can hold: sizes, places, public names, documentation, imports."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import datapipe
from datapipe.registry import Registry

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
TOP = {"pyproject.toml", "datapipe", "stages", "configs", "tests", "samples", "README.md", "LICENSE"}
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
REGISTRY = Registry()


def tracked() -> list[Path]:
    """Files under version control or about to be; of a copy without git, all files."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def test_no_python_file_is_long() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert not [f"{path.relative_to(ROOT)}: {count}" for path, count in lines.items() if count > MOST_LINES]


def test_top_level_holds_only_what_belongs_there() -> None:
    tops = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {top for top in tops if not top.startswith(".")} <= TOP


def test_nothing_is_left_unfinished() -> None:
    found = [path for path in python_files() if UNFINISHED.search(path.read_text(encoding="utf-8"))]
    assert not [str(path.relative_to(ROOT)) for path in found]


# ---------------------------------------------------------------------------------------------- public names


MODULES = [found for found in pkgutil.walk_packages(datapipe.__path__, "datapipe.") if "__main__" not in found.name]


def public_packages() -> list[str]:
    return [found.name for found in MODULES if found.ispkg]


@pytest.mark.parametrize("name", [found.name for found in MODULES])
def test_public_names_are_there_and_listed_once(name: str) -> None:
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    if listed is None:
        return
    assert len(set(listed)) == len(listed)
    assert [public for public in listed if not hasattr(module, public)] == []


@pytest.mark.parametrize("name", public_packages())
def test_package_lists_what_it_takes_from_its_modules(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    taken = {alias.name for node in imports if (node.module or "").startswith(name) for alias in node.names}
    listed = getattr(module, "__all__", None)
    assert listed is not None or not taken
    assert {public for public in taken if not public.startswith("_")} <= set(listed or ())


# ---------------------------------------------------------------------------------------------- documentation


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `datapipe` as a user does."""
    program = [sys.executable, "-c", "import sys; from datapipe.cli.main import main; sys.exit(main())"]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        [*program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.parametrize("name", REGISTRY.names())
def test_every_option_and_reason_is_documented(name: str) -> None:
    done = command("stages", name)
    assert done.returncode == 0, done.stderr
    stage = REGISTRY.load(name)
    wanted = [*stage.config.model_fields, *stage.reasons]
    assert [word for word in wanted if word not in done.stdout] == []


def test_every_stage_is_listed() -> None:
    done = command("stages")
    assert done.returncode == 0, done.stderr
    assert [name for name in REGISTRY.names() if name not in done.stdout] == []


RECIPES = [path for path in sorted(ROOT.glob("configs/*.yaml")) if "\nstages:" in path.read_text(encoding="utf-8")]
# What a recipe names that its reader has to make first, as its header says.
STILL_TO_MAKE = {"dclm_like.yaml": "model models/quality.npz is no file"}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_every_recipe_passes_check(recipe: Path) -> None:
    done = command("check", str(recipe.relative_to(ROOT)))
    lacks = STILL_TO_MAKE.get(recipe.name)
    if lacks is None:
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        told = [line for line in (done.stdout + done.stderr).splitlines() if "configs/" in line]
        assert len(told) == 1, told
        assert lacks in told[0]


IMPORT_ALL = """
import os, pkgutil, importlib, socket, sys

written = []

def listen(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        if isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
            written.append(arguments[0])
    elif event in {"socket.connect", "socket.getaddrinfo"}:
        written.append(event + str(arguments[1:]))
    elif event in {"os.mkdir", "os.remove", "os.rename", "shutil.rmtree"}:
        written.append(str(arguments[0]))

import numba, pyarrow, trafilatura, distributed  # what third parties do when imported is theirs
pyarrow.array([])  # imports pandas where it is installed
before = set(sys.modules)
sys.addaudithook(listen)

import datapipe
for module in pkgutil.walk_packages(datapipe.__path__, "datapipe."):
    if not module.name.endswith("__main__") and not module.name.startswith("datapipe.train."):  # these have torch
        importlib.import_module(module.name)
from datapipe.registry import Registry
for name in Registry().names():
    stage = Registry().load(name)
    try:
        stage.config()
    except ValueError:
        pass
allowed = (os.environ["DATAPIPE_CACHE"], "/dev/", "/proc/")
print("written", [path for path in written if "__pycache__" not in path and not path.startswith(allowed)])
print("loaded", sorted({"torch", "pandas", "transformers", "tensorflow", "datasets"} & (set(sys.modules) - before)))
"""


def test_imports_and_constructors_do_nothing_outside() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["written []", "loaded []"]
