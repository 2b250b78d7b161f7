"""How far a run is, told from its records: what is done, what is stale and which setting made it so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from datapipe.corpus import lease
from datapipe.corpus.record import fold, read_records
from datapipe.corpus.store import Store
from datapipe.registry import Registry
from datapipe.run.reopen import reopen
from datapipe.run.standing import StageState, run_state, stage_states
from tests.run.workbench import TOYS, Workbench, stages


def states(bench: Workbench, made: dict[str, dict[str, Any]] | None = None) -> dict[str, StageState]:
    return {state.name: state for state in run_state(bench.recipe("run", made))}


def words(bench: Workbench, made: dict[str, dict[str, Any]] | None = None) -> list[str]:
    return [state.state for state in states(bench, made).values()]


def test_before_a_run_nothing_is_started(bench: Workbench) -> None:
    assert words(bench) == ["not started"] * 5
    assert not (bench.folder / "run").exists()


def test_after_a_run_everything_is_done_with_its_sums(bench: Workbench) -> None:
    done = bench.run("run")
    found = states(bench)
    assert {state.text for state in found.values()} == {"done"}
    assert found["count"].totals["documents_kept"] == done.kept("count")
    assert found["count"].bytes > 0


def test_stages_done_alone_leave_the_others_not_started(bench: Workbench) -> None:
    bench.run("run", only=["docs"])
    bench.run("run", only=["count"])
    assert words(bench) == ["done", "done", "not started", "not started", "not started"]


def test_a_lost_record_makes_a_stage_partly_done_and_those_below_stale(bench: Workbench) -> None:
    bench.run("run", only=["docs"])
    run = bench.run("run", only=["count"])
    lost = next(iter(run.records("count")))
    store = Store(str(run.folder))
    fold(store, "count", {name: record for name, record in read_records(store, "count").items() if name != lost})
    count = states(bench)["count"]
    assert (count.state, count.done, count.shards) == ("partly", 3, 4)
    assert count.text == "partly, 3 of 4 shards"


def test_a_changed_threshold_is_named_and_what_follows_waits(bench: Workbench) -> None:
    bench.run("run")
    found = states(bench, stages(count={"min_words": 2}))
    assert found["docs"].state == "done"
    assert found["count"].causes == ("min_words: 3 -> 2",)
    assert found["upper"].causes == ("'count' above is not done",)


def test_a_changed_measure_is_named_and_layers_that_read_it_are_made_anew(bench: Workbench) -> None:
    bench.run("run")
    assert states(bench, stages(count={"unit": 2}))["count"].causes == ("unit: 1 -> 2",)
    found = states(bench, stages(docs={"snapshot": "2026-11"}))
    assert found["docs"].causes == ('snapshot: null -> "2026-11"',)
    assert "made anew above: text" in found["count"].causes


def test_documents_that_came_in_since_make_later_stages_stale(bench: Workbench) -> None:
    bench.run("run")
    bench.run("run", stages(count={"min_words": 2}), only=["count"])
    found = states(bench, stages(count={"min_words": 2}))
    assert found["count"].state == "done"
    assert found["upper"].state == "stale"
    assert "other documents come in" in found["upper"].causes


def test_a_sink_below_branches_of_unlike_columns_is_done(bench: Workbench, tmp_path: Path) -> None:
    """Columns that one of its parents lacks are written as nulls, and looked for in the same way."""
    (tmp_path / "x.jsonl").write_text('{"text": "some words of a table", "author": "A. N. Other"}\n')
    made: dict[str, dict[str, Any]] = {
        "docs": {"use": "toy.lines", "source": "lines"},
        "rows": {"use": "read.jsonl", "from": [], "paths": [str(tmp_path / "x.jsonl")], "source": "rows"},
        "out": {"use": "write.jsonl", "from": ["docs", "rows"]},
    }
    bench.run("run", made)
    assert {state.text for state in states(bench, made).values()} == {"done"}
    assert bench.run("run", made).told.tasks == 0


def test_who_works_on_a_stage_is_named(bench: Workbench) -> None:
    run = bench.run("run")
    with lease.held(Store(str(run.folder)), "upper"):
        assert "being run by process" in states(bench)["upper"].text


def test_the_input_is_not_needed(bench: Workbench) -> None:
    bench.run("run")
    shutil.rmtree(bench.input)
    assert set(words(bench)) == {"done"}


def test_children_and_their_stages_are_told_too(bench: Workbench) -> None:
    made = {"docs": stages()["docs"], "words": {"use": "toy.words"}, "count": {"use": "toy.count", "min_words": 1}}
    bench.run("run", made)
    assert words(bench, made) == ["done", "done", "done"]


def test_a_run_is_told_from_its_own_recipe_wherever_it_lies(bench: Workbench, tmp_path: Path) -> None:
    bench.run("run")
    shutil.move(bench.folder / "run", tmp_path / "elsewhere")
    context = reopen(str(tmp_path / "elsewhere"), Registry(TOYS), str(TOYS))
    assert {state.state for state in stage_states(context)} == {"done"}
