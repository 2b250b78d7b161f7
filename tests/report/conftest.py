"""A small run of real stages over texts with known counts, and one browser for all tests of a page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from datapipe.engine.local import LocalEngine
from datapipe.recipe import load_recipe
from datapipe.registry import Registry
from datapipe.run.context import Context
from datapipe.run.driver import open_run, run_recipe
from datapipe.run.reopen import reopen
from tests.report.browser import Browser, program

DOCUMENTS = 120
STAGES: dict[str, dict[str, Any]] = {
    "docs": {"use": "read.jsonl", "source": "web"},
    "length": {"use": "filter.length", "min_words": 4, "max_words": 20},
    "unique": {"use": "dedup.exact"},
    "out": {"use": "write.jsonl"},
}


def text_of(number: int) -> str:
    """A text of 1 to 24 words; every tenth is that of the one before. Copies are told by letters, so these differ."""
    number -= number % 10 == 9
    name = "".join(chr(ord("a") + int(digit)) for digit in f"{number:03d}")
    return " ".join(f"{name}{chr(ord('a') + place)}" for place in range(1 + number % 24))


def fill(folder: Path, files: int = 3) -> None:
    folder.mkdir(parents=True)
    for file in range(files):
        numbers = range(file, DOCUMENTS, files)
        lines = [json.dumps({"text": text_of(n), "url": f"https://h{n % 5}.example/{n}"}) for n in numbers]
        (folder / f"{file}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


class Bench:
    """Runs recipes over one input."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        fill(folder / "in")

    def write(self, name: str = "run", *, gates: tuple[str, ...] = (), **changes: dict[str, Any]) -> Path:
        made = {stage: dict(options) for stage, options in STAGES.items()}
        made["docs"]["paths"] = [str(self.folder / "in" / "*.jsonl")]
        for stage, change in changes.items():
            made.setdefault(stage, {}).update(change)
        recipe = {"run": str(self.folder / name), "gates": list(gates), "stages": made}
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        return path

    def run(self, name: str = "run", only: tuple[str, ...] = (), /, **recipe: Any) -> Context:
        loaded = load_recipe(self.write(name, **recipe), Registry())
        run_recipe(open_run(loaded, LocalEngine()), only)
        return self.open(name)

    def open(self, name: str = "run") -> Context:
        return reopen(str(self.folder / name), Registry())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Context]:
    made = Bench(tmp_path_factory.mktemp("whole"))
    made.run()
    return made.open


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A running Chromium; where there is none the tests are left out, but not where they count."""
    if program() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium: apt-get install chromium")
    started = Browser(tmp_path_factory.mktemp("browser"))
    yield started
    started.close()
