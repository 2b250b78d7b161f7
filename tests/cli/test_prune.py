"""`datapipe prune` lists what it would remove, asks, and says what it has freed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.toy_run import call, finished
from tests.run.workbench import stages


@pytest.fixture
def run(tmp_path: Path) -> Path:
    bench = finished(tmp_path)
    made = stages()
    del made["again"]
    bench.run("run", made)
    return bench.folder / "run"


def test_a_dry_run_lists_and_removes_nothing(run: Path) -> None:
    shown = call("prune", run, "--dry-run").output
    assert "again: stage that the recipe no longer has" in shown
    assert "would be freed" in shown
    assert (run / "again").exists()


def test_without_a_yes_nothing_is_removed_and_the_question_names_the_danger(run: Path) -> None:
    answer = call("prune", run, text="n\n")
    assert answer.exit_code != 0
    assert "Other runs that reuse this one may need these files" in answer.output
    assert (run / "again").exists()


def test_with_a_yes_it_is_removed_and_a_second_time_there_is_nothing(run: Path) -> None:
    assert "freed" in call("prune", run, text="y\n").output
    assert not (run / "again").exists()
    assert call("prune", run, "--yes").output == "nothing to remove\n"
