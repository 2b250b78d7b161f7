"""A run and what is not the run's: input and files of the user's own beside it, or in its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from datapipe.errors import InputError, RunError
from datapipe.registry import Registry
from datapipe.run.prune import prune
from datapipe.run.reopen import reopen
from datapipe.run.standing import stage_states
from tests.run.workbench import TOYS, Workbench, stages


def test_a_run_does_not_read_its_own_files(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x.txt").write_text("some words\n")
    inside = stages(docs={"paths": [str(tmp_path / "run" / "*.txt")]})
    with pytest.raises(InputError, match=r"'docs' would read .*x\.txt, which lies in the run's own folder"):
        bench.run("run", inside)


def test_a_recipe_of_the_user_is_not_written_over(bench: Workbench) -> None:
    mine = bench.folder / "run" / "recipe.yaml"
    mine.parent.mkdir()
    mine.write_text("# my own\nrun: .\n")
    with pytest.raises(RunError, match="is no recipe that a run has written"):
        bench.run("run")
    assert mine.read_text() == "# my own\nrun: .\n"
    with pytest.raises(InputError, match="is no run"):
        reopen(str(mine.parent), Registry(TOYS))


def test_prune_leaves_folders_and_files_that_are_not_the_runs(bench: Workbench) -> None:
    run = bench.run("run").folder
    kept = [run / "keepme" / "stage.json", run / "keepme" / "thesis.txt", run / ".draft.tmp"]
    (run / "keepme").mkdir()
    for path in kept:
        path.write_text("precious")
        os.utime(path, (0, 0))
    assert [each.path for each in prune(reopen(str(run), Registry(TOYS), str(TOYS)), lambda _: True)] == []
    assert all(path.read_text() == "precious" for path in kept)


def test_a_lender_that_is_gone_makes_its_borrower_stale(bench: Workbench) -> None:
    lender = bench.run("first").folder
    borrower = bench.run("second", stages(again={"min_words": 5}), reuse=["first"]).folder
    lender.rename(bench.folder / "elsewhere")
    states = stage_states(reopen(str(borrower), Registry(TOYS), str(TOYS)))
    assert {state.state for state in states} == {"stale"}
    assert states[0].causes == ("what another run lent is gone, or made anew there",)
