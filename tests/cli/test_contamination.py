"""`datapipe contamination` on a run of five documents: which items are dirty, by kind, and lists without texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from datapipe.cli.contamination import contamination
from datapipe.cli.run import run as run_command
from datapipe.errors import InputError

ASKED = "A cartographer measures the lagoon beside Ravenscourt with a knotted rope; how many fathoms does she record?"
OPTIONS = ["seventeen fathoms", "forty-one fathoms", "ninety-three fathoms", "no fathoms whatsoever"]
SOLVED = "Tobias stacks 1250 copper kettles on 25 crooked shelves. How many kettles does each shelf bear?"
OTHER = "Which lighthouse keeper polished the brass lenses of Skerryvore before the autumn gales of that year began?"
RIDDLES: list[dict[str, Any]] = [{"input": ASKED, "options": OPTIONS}, {"input": SOLVED}, {"input": "Why?"}]
TEXTS = [
    "Bread is baked twice a day here, and the bus leaves from the other side of the street.",
    f"So it goes. {ASKED} That is all.",
    f"So it goes. {ASKED} {' '.join(OPTIONS)} That is all.",
    f"Once more: {ASKED} And then: {SOLVED}",
    "It rained for most of that week, and nobody went out.",
]


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contamination")
    items = [written(folder / "riddles.jsonl", RIDDLES), written(folder / "sea.jsonl", [{"input": OTHER}])]
    texts = written(folder / "texts.jsonl", [{"text": text} for text in TEXTS])
    chain: dict[str, Any] = {
        "texts": {"use": "read.jsonl", "paths": [texts], "source": "t"},
        "clean": {"use": "decontaminate", "benchmarks": items},
    }
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"run": str(folder / "run"), "stages": chain}, sort_keys=False), encoding="utf-8")
    done = CliRunner().invoke(run_command, [str(recipe), "--local"], catch_exceptions=False)
    assert done.exit_code == 0
    (folder / "told.txt").write_text(done.output + done.stderr, encoding="utf-8")
    return folder


def told(folder: Path, *arguments: str) -> str:
    return CliRunner().invoke(contamination, [str(folder / "run"), *arguments], catch_exceptions=False).output


def test_the_run_says_how_many_items_cannot_be_told(folder: Path) -> None:
    assert "riddles: 3 items, 1 of them too short or too common" in (folder / "told.txt").read_text(encoding="utf-8")


def test_items_are_dirty_by_what_documents_hold(folder: Path) -> None:
    page = json.loads(told(folder, "--json"))
    assert (page["documents"], page["holding"]) == (5, 3)
    assert page["benchmarks"] == {
        "riddles": {
            "items": 3,
            "dirty": 2,
            "input": 2,
            "input_output": 1,
            "output": 0,
            "clean": 1,
            "not_identifiable": 1,
        },
        "sea": {"items": 1, "dirty": 0, "input": 0, "input_output": 0, "output": 0, "clean": 1, "not_identifiable": 0},
    }


def test_lists_split_a_benchmark_by_number_and_hold_no_text(folder: Path, tmp_path: Path) -> None:
    told(folder, "--out", str(tmp_path / "lists"))
    names = ("riddles.clean", "riddles.dirty", "sea.clean", "sea.dirty")
    paths = [tmp_path / "lists" / f"{name}.jsonl" for name in names]
    lists = [[json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in paths]
    assert lists == [
        [{"item": 2, "identifiable": False}],
        [
            {"item": 0, "identifiable": True, "documents": 3, "input": 3, "input_output": 1, "output": 0},
            {"item": 1, "identifiable": True, "documents": 1, "input": 1, "input_output": 0, "output": 0},
        ],
        [{"item": 0, "identifiable": True}],
        [],
    ]
    assert sorted(path.name for path in (tmp_path / "lists").iterdir()) == sorted(path.name for path in paths)


def test_what_is_printed_says_what_is_not_found(folder: Path) -> None:
    shown = told(folder)
    assert "3 of 5 documents that came to clean hold an item." in shown
    assert "Rephrased and translated items" in shown
    assert "cartographer" not in shown


def test_a_stage_that_looks_for_nothing_is_one_line(folder: Path) -> None:
    with pytest.raises(InputError, match="no stage 'texts' that looks for items"):
        told(folder, "--stage", "texts")
