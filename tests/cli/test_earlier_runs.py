"""What the commands that read runs say of a stage that compares with earlier ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from datapipe.errors import InputError
from datapipe.units import say_bytes
from tests.cli.toy_run import call
from tests.run.copies import chain, documents, layers, write
from tests.run.workbench import Done, Workbench

STAGES = ("exact", "near")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Done]:
    """An earlier run with `index`, and one against it."""
    folder = tmp_path_factory.mktemp("earlier")
    rows = documents(80, seed=7)
    done: list[Done] = []
    for name, part in (("old", rows[:40]), ("new", rows[40:])):
        bench = Workbench(folder / name)
        bench.folder.mkdir()
        write(bench, part, files=1, name=name)
        made = chain(bench, *STAGES, index=True)
        for stage in STAGES if done else ():
            made[stage]["against"] = [str(done[0].folder)]
        done.append(bench.run("run", made))
    return done[0], done[1]


def _copies(runs: tuple[Done, Done], stage: str) -> list[tuple[str, str]]:
    """Ids of documents of the second run, and of the documents of the first that stay in their place."""
    old = {row["id"] for row in layers(runs[0], "exact")}
    found = [(row["id"], row[f"{stage}.survivor"]) for row in layers(runs[1], stage)]
    return [(copy, survivor) for copy, survivor in found if survivor in old]


@pytest.mark.parametrize("stage", STAGES)
def test_explain_names_the_survivor_and_the_earlier_run_that_it_stands_in(runs: tuple[Done, Done], stage: str) -> None:
    copy, survivor = _copies(runs, stage)[0]
    shown = call("explain", runs[1].folder, copy, "--stage", stage).output
    assert f"(id {survivor}) of the earlier run {runs[0].folder}" in shown
    assert "1. docs" not in shown
    assert shown.rstrip().endswith(f"It left the run at {stage}.")
    told = json.loads(call("explain", runs[1].folder, copy, "--stage", stage, "--json").output)
    assert [(each["stage"], each["survivor"]["id"]) for each in told["stages"]] == [(stage, survivor)]
    assert told["stages"][0]["survivor_run"] == str(runs[0].folder)


def test_a_survivor_of_the_same_run_stands_in_no_other(runs: tuple[Done, Done]) -> None:
    copy = next(row["id"] for row in layers(runs[0], "exact") if row["exact.survivor"])
    assert "in its place stays" in (shown := call("explain", runs[0].folder, copy).output)
    assert "earlier run" not in shown


def test_a_survivor_in_a_run_that_is_gone_is_told_by_its_id(runs: tuple[Done, Done], tmp_path: Path) -> None:
    copy, survivor = _copies(runs, "exact")[0]
    moved = Path(shutil.copytree(runs[1].folder, tmp_path / "moved"))
    recipe = moved / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(str(runs[0].folder), str(tmp_path / "gone")))
    shown = call("explain", moved, copy, "--stage", "exact").output
    assert "in its place" not in shown
    assert f"survivor  {survivor}" in shown


def test_a_stage_that_the_document_did_not_come_to_is_one_line(runs: tuple[Done, Done]) -> None:
    copy, _ = _copies(runs, "exact")[0]
    with pytest.raises(InputError, match="did not come to a stage 'near'"):
        call("explain", runs[1].folder, copy, "--stage", "near")


def test_show_gives_documents_that_left_for_one_of_an_earlier_run(runs: tuple[Done, Done]) -> None:
    shown = call("show", runs[1].folder, "--reason", "near_duplicate", "-n", "100").output
    assert all(f"id {copy}, dropped by near" in shown for copy, _ in _copies(runs, "near"))


def test_what_if_decides_from_the_stored_similarity(runs: tuple[Done, Done]) -> None:
    alike = [row["near.similarity"] for row in layers(runs[1], "near") if row["near.survivor"]]
    shown = call("what_if", runs[1].folder, "near", "min_similarity_to_survivor=0.99").output
    assert f"newly kept {sum(each < 0.99 for each in alike)}, newly dropped 0" in shown
    assert alike


def test_what_if_does_not_take_other_earlier_runs(runs: tuple[Done, Done]) -> None:
    with pytest.raises(InputError, match=r"near.against shapes what is measured and needs a new run"):
        call("what_if", runs[1].folder, "near", "against=[]")


def test_status_tells_the_size_of_the_exchange(runs: tuple[Done, Done]) -> None:
    shown = call("status", runs[0].folder).output.splitlines()
    rows = {line.split()[0]: line for line in shown if line.strip()}
    for stage in STAGES:
        files = (path for path in (runs[0].folder / stage / "exchange").rglob("*") if path.is_file())
        assert f" {say_bytes(sum(path.stat().st_size for path in files))} " in rows[stage]
    assert " · " in rows["docs"]
