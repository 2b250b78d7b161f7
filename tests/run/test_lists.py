"""Filters that read lists and metadata, in whole runs: what leaves, and what a changed or moved list costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datapipe.errors import RecipeError
from tests.run.workbench import Workbench

DOCUMENTS = [
    {"url": "https://bad.example/", "text": "one", "karma": 5},
    {"url": "https://worse.example/", "text": "two", "karma": 5},
    {"url": "https://shy.example/", "text": "three", "karma": 5},
    {"url": "https://good.example/a", "text": "four", "karma": 2},
    {"url": "https://good.example/b", "text": "five", "karma": 3, "by": {"name": "ann"}},
    {"text": "six", "karma": 9},
]


def recipe(folder: Path, lists: Path) -> dict[str, dict[str, Any]]:
    lists.mkdir(exist_ok=True)
    (lists / "blocked.txt").write_text("bad.example\n", encoding="utf-8")
    (lists / "shy.txt").write_text("# date: 2026-11-01\nshy.example\n", encoding="utf-8")
    (folder / "in.jsonl").write_text("".join(json.dumps(document) + "\n" for document in DOCUMENTS), encoding="utf-8")
    return {
        "docs": {"use": "read.jsonl", "paths": [str(folder / "in.jsonl")], "source": "forum"},
        "sites": {"use": "filter.url", "domains": [str(lists / "blocked.txt")]},
        "karma": {"use": "filter.metadata", "keep": "metadata.karma >= 3", "where": "metadata.by.name != 'ann'"},
        "asked": {"use": "filter.optout", "hosts": [str(lists / "shy.txt")]},
    }


def test_documents_leave_for_their_url_metadata_and_owners(tmp_path: Path) -> None:
    done = Workbench(tmp_path).run("run", recipe(tmp_path, tmp_path / "lists"))
    assert done.dropped("sites") == {"blocked_domain": 1}
    assert done.dropped("karma") == {"metadata_not_kept": 1}
    assert done.dropped("asked") == {"opted_out_by_list": 1}
    assert [sum(record.not_judged for record in done.records(name).values()) for name in ("sites", "asked")] == [1, 1]
    assert sum(record.not_applied for record in done.records("karma").values()) == 1


def test_a_changed_list_is_read_again_and_a_moved_one_is_not(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    made = recipe(tmp_path, tmp_path / "lists")
    bench.run("run", made)
    moved = recipe(tmp_path, tmp_path / "elsewhere")
    done = bench.run("run", moved)
    assert done.told.tasks == 0
    assert [note for note in done.told.notes if "preparing" in note] == []
    (tmp_path / "elsewhere" / "blocked.txt").write_text("worse.example\ngood.example\n", encoding="utf-8")
    again = bench.run("run", moved)
    assert again.dropped("sites") == {"blocked_domain": 3}
    assert again.kept("sites") == 3


def test_a_column_that_a_filter_can_do_without_may_be_missing(tmp_path: Path) -> None:
    made = recipe(tmp_path, tmp_path / "lists")
    bench = Workbench(tmp_path)
    assert bench.recipe("run", made).nodes["asked"].stage.optional == ("html", "robots", "url")
    made["asked"] = {"use": "extract"}  # it needs pages
    with pytest.raises(RecipeError, match="reads column `html`, which no stage above gives"):
        bench.recipe("run", made)


def test_an_expression_that_cannot_hold_is_refused_with_its_place(tmp_path: Path) -> None:
    made = recipe(tmp_path, tmp_path / "lists")
    made["karma"]["keep"] = "metadata.karma + 1 > 3"
    with pytest.raises(RecipeError, match=r"karma\.keep: `metadata\.karma \+ 1` is not allowed here"):
        Workbench(tmp_path).recipe("run", made)
