"""Runs of documents that are split and written by language.

Any engine, kill or change of mind gives the bytes of a fresh run, and children of the same parents are made once.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from datapipe.corpus.record import write_record
from datapipe.corpus.store import Store
from datapipe.engine import sink
from datapipe.engine.cluster import DaskEngine
from datapipe.errors import InputError
from datapipe.lineage import find, sample, story
from datapipe.registry import Registry
from datapipe.run import writing
from datapipe.run.prune import prune
from datapipe.run.reopen import reopen
from datapipe.run.what_if import what_if
from tests.run.workbench import TOYS, Done, Workbench, differences

ROOT = Path(__file__).parents[2]
LANGUAGES = ("en", "zh", None, "de/at")
FOLDERS = {"en", "zh", "unknown", "de%2Fat"}
SENTENCES = (
    "The tide came in at noon. ",
    "两条船随潮水进港，没有人问它们从哪里来。",
    "Straße um Straße lag still.\n\n",
)
Chain = dict[str, dict[str, Any]]


def text_of(file: int, line: int) -> str:
    """One to eight sentences; their first word says where they stand."""
    count = 1 + (file * 3 + line * 5) % 8
    return f"f{file}n{line} " + "".join(SENTENCES[(line + n) % 3] for n in range(count))


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return filled(Workbench(tmp_path))


def filled(bench: Workbench, files: int = 2) -> Workbench:
    for file in range(files):
        rows = [{"text": text_of(file, line), "language": LANGUAGES[line % 4]} for line in range(24)]
        bench.write(f"f{file}.jsonl", [json.dumps(row) for row in rows])
    return bench


@dataclass
class Undisturbed:
    """An input that stays as it is, and a run of it that nobody disturbed; every other run has its own folder."""

    bench: Workbench
    whole: Done
    runs: int = 0

    def name(self) -> str:
        """Of a run that there is not."""
        self.runs += 1
        return f"run-{self.runs}"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    bench = filled(Workbench(tmp_path_factory.mktemp("children")))
    return Undisturbed(bench, bench.run("whole", chain(bench)))


def chain(bench: Workbench, **changes: dict[str, Any]) -> Chain:
    made: Chain = {
        "docs": {"use": "read.jsonl", "source": "own", "paths": [str(bench.input / "*.jsonl")], "metadata": False},
        "count": {"use": "toy.count", "min_words": 3},
        "split": {"use": "split.paragraphs", "max_tokens": 32, "min_tokens": 8},
        "again": {"use": "toy.count", "min_words": 7},
        "unique": {"use": "toy.unique"},
        "out": {"use": "write.parquet", "by": "language"},
        "lines": {"use": "write.jsonl", "columns": ["id", "text"], "compression": "none", "by": "language"},
    }
    for name, change in changes.items():
        made[name] |= change
    return made


def written(done: Done, stage: str = "lines") -> dict[str, dict[str, str]]:
    """Per folder the texts by id."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((done.folder / stage).glob("*/*.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found.setdefault(path.parent.name, {}).update({row["id"]: row["text"] for row in rows})
    return found


def test_the_run_splits_and_parts(undisturbed: Undisturbed) -> None:
    """What the tests below rest on: documents of several children, four languages, reasons before and after."""
    done = undisturbed.whole
    assert done.kept("split") >= 2 * done.kept("count")
    assert done.dropped("count")
    assert done.dropped("again")
    assert set(written(done)) == FOLDERS
    for name, record in done.records("lines").items():
        assert sum(part.rows for part in record.layer) == record.kept.documents, name
    assert sum(map(len, written(done).values())) == done.kept("unique")
    for folder in FOLDERS:
        tables = [pq.read_table(path) for path in sorted((done.folder / "out" / folder).glob("*.parquet"))]
        values = {value for table in tables for value in table["language"].to_pylist()}
        assert values == {{"unknown": None, "de%2Fat": "de/at"}.get(folder, folder)}
        assert {i for table in tables for i in table["id"].to_pylist()} == set(written(done)[folder])


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.full), 2])
def test_any_number_of_workers_gives_the_bytes_of_the_local_engine(
    undisturbed: Undisturbed, dask: Callable[[int], DaskEngine], workers: int
) -> None:
    bench = undisturbed.bench
    together = bench.run(undisturbed.name(), chain(bench), engine=dask(workers))
    assert differences(undisturbed.whole.folder, together.folder) == []


def test_one_stage_at_a_time_gives_the_same_bytes_and_again_does_nothing(undisturbed: Undisturbed) -> None:
    bench, run = undisturbed.bench, undisturbed.name()
    for name in chain(bench):
        steps = bench.run(run, chain(bench), only=[name])
    assert differences(undisturbed.whole.folder, steps.folder) == []
    again = bench.run(run, chain(bench))
    assert (again.told.tasks, again.measured) == (0, {})


CHANGES: list[dict[str, dict[str, Any]]] = [
    {"count": {"min_words": 12}},
    {"count": {"min_words": None}, "out": {"by": None}, "lines": {"by": "source"}},
    {"split": {"max_tokens": 48}, "lines": {"compression": "gz"}},
    {"again": {"min_words": 11}},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_change_of_mind_and_back_gives_the_bytes_of_fresh_runs(
    undisturbed: Undisturbed, change: dict[str, Any]
) -> None:
    bench, run, first = undisturbed.bench, undisturbed.name(), undisturbed.whole
    changed = chain(bench, **change)
    fresh = bench.run(undisturbed.name(), changed)
    assert differences(first.folder, fresh.folder) != []
    bench.run(run, chain(bench))
    there = bench.run(run, changed)
    assert differences(fresh.folder, there.folder) == []
    back = bench.run(run, chain(bench))
    assert differences(first.folder, back.folder) == []


def test_only_children_of_shards_whose_parents_changed_are_made_anew(bench: Workbench) -> None:
    bench.run(made=chain(bench))
    bench.write("f9.jsonl", [json.dumps({"text": text_of(9, line), "language": "en"}) for line in range(5)])
    more = bench.run(made=chain(bench))
    assert {text[:2] for text in more.measured["count"] if text.startswith("f")} == {"f9"}
    assert 5 <= len(more.measured["again"]) < 30
    assert differences(bench.run("fresh", chain(bench)).folder, more.folder) == []


def test_a_run_borrows_children_and_what_was_measured_of_them(undisturbed: Undisturbed) -> None:
    bench, run, first = undisturbed.bench, undisturbed.name(), undisturbed.whole
    second = bench.run(run, chain(bench, again={"min_words": 11}), reuse=["whole"])
    assert second.measured == {}
    assert not list((second.folder / "split").rglob("*-0000*"))
    assert set().union(*written(second).values()) < set().union(*written(first).values())
    assert bench.run(run, chain(bench, again={"min_words": 11}), reuse=["whole"]).told.tasks == 0


def test_children_of_other_parents_are_not_borrowed(undisturbed: Undisturbed) -> None:
    bench, other = undisturbed.bench, chain(undisturbed.bench, count={"min_words": 12})
    borrower = bench.run(undisturbed.name(), other, reuse=["whole"])
    assert written(borrower) == written(bench.run(undisturbed.name(), other))
    assert borrower.kept("split") < undisturbed.whole.kept("split")


def test_children_that_their_lender_made_anew_are_not_borrowed_any_more(bench: Workbench) -> None:
    bench.run("first", chain(bench))
    bench.run("second", chain(bench), reuse=["first"])
    bench.run("first", chain(bench, split={"max_tokens": 48}))
    again = bench.run("second", chain(bench), reuse=["first"])
    assert written(again) == written(bench.run("fresh", chain(bench)))
    assert list((again.folder / "split").glob("*-0000.parquet"))


def test_prune_leaves_what_a_fresh_run_holds(bench: Workbench) -> None:
    bench.run("run", chain(bench, count={"min_words": 12}))
    tight = chain(bench, again={"min_words": 11})
    bench.run("run", tight)
    stray = next((bench.folder / "run" / "out" / "en").glob("*.parquet"))
    (stray.parent / stray.name.replace("-0000", "-0007")).write_bytes(b"left by somebody")
    found = prune(reopen(str(bench.folder / "run"), Registry(TOYS), str(TOYS)), lambda _: True)
    assert any(each.path.endswith("-0007.parquet") for each in found)
    assert differences(bench.run("fresh", tight).folder, bench.folder / "run") == []


def test_what_if_tells_how_many_documents_an_expand_has_not_seen(bench: Workbench) -> None:
    done = bench.run("run", chain(bench, count={"min_words": 12}))
    context = reopen(str(done.folder), Registry(TOYS), str(TOYS))
    effect = what_if(context, "count", ["min_words=3"], Registry(TOYS))
    assert effect.newly_kept == effect.unmeasured["split"] > 0
    below = what_if(context, "again", ["min_words=11"], Registry(TOYS))
    assert below.newly_dropped == done.kept("again") - bench.run(
        "fresh", chain(bench, count={"min_words": 12}, again={"min_words": 11})
    ).kept("again")


def test_the_story_of_a_child_begins_with_its_parent_s(undisturbed: Undisturbed) -> None:
    context = reopen(str(undisturbed.whole.folder), Registry(TOYS), str(TOYS))
    folder, name = next((f, i) for f, texts in written(undisturbed.whole).items() for i in texts if i.endswith("#1"))
    (place,) = find(context, name)
    told = story(context, place)
    made, *_, wrote = told.chapters
    measured = {measure.name: measure.value for measure in made.measures}
    assert (made.stage, made.outcome, measured["part"]) == ("split", "made", 1)
    assert measured["parts"] > 1
    assert wrote.meaning == f"lines/{folder}/{place.shard.name}.jsonl"
    assert told.parent is not None
    assert told.parent.place.id == name.removesuffix("#1")
    expanded = told.parent.chapters[-1]
    assert (expanded.outcome, expanded.meaning) == (
        "expanded",
        f"{measured['parts']}: {told.parent.place.id}#0 to {measured['parts'] - 1}",
    )


def test_documents_without_text_are_shown_by_their_reason(bench: Workbench) -> None:
    (bench.input / "f1.jsonl").unlink()
    made = {
        "docs": chain(bench)["docs"],
        "blank": {"use": "toy.blank"},
        "split": {"use": "split.paragraphs", "max_tokens": 32, "min_tokens": 8},
    }
    done = bench.run(made=made)
    (record,) = (record for record in done.records("split/parents").values() if record.dropped)
    assert {reason: tally.documents for reason, tally in record.dropped.items()} == {"no_text": 1}
    context = reopen(str(done.folder), Registry(TOYS), str(TOYS))
    (shown,) = sample(context, None, "no_text")
    assert (shown.stage, shown.reason, shown.place.id.count("#")) == ("split", "no_text", 0)


# ---------------------------------------------------------------------------------------------- files of a sink


def test_a_file_of_a_killed_writer_and_folders_left_empty_are_swept(bench: Workbench) -> None:
    done = bench.run("run", chain(bench))
    name = next((done.folder / "out" / "en").glob("*.parquet")).name
    (done.folder / "out" / "fr").mkdir()
    (done.folder / "out" / "fr" / name).write_bytes(b"written, and then killed")
    (done.folder / "out" / "fr" / f".{name}.1234.tmp").write_bytes(b"half")
    (done.folder / "out" / "NOTES").write_text("mine")
    bench.run("run", chain(bench))
    assert {path.name for path in (done.folder / "out").iterdir() if path.is_dir()} == FOLDERS
    assert (done.folder / "out" / "NOTES").exists()


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_file_that_was_touched_is_written_anew(bench: Workbench, damage: str) -> None:
    done = bench.run("run", chain(bench))
    victim = next((done.folder / "lines" / "zh").glob("*.jsonl"))
    whole = victim.read_bytes()
    victim.unlink() if damage == "removed" else victim.write_bytes(whole[:-1])
    again = bench.run("run", chain(bench))
    assert (again.told.tasks, victim.read_bytes()) == (1, whole)


def test_a_value_that_no_document_has_any_more_leaves_no_file(bench: Workbench) -> None:
    done = bench.run("run", chain(bench))
    for file in range(2):
        rows = [{"text": text_of(file, line), "language": "en"} for line in range(24)]
        bench.write(f"f{file}.jsonl", [json.dumps(row) for row in rows])
    again = bench.run("run", chain(bench))
    assert {path.name for path in (done.folder / "out").iterdir() if path.is_dir()} == {"en"}
    assert differences(bench.run("fresh", chain(bench)).folder, again.folder) == []


def test_a_column_of_many_values_is_one_line(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "MOST_VALUES", 3)
    with pytest.raises(InputError, match=r"'out': column 'language' has more than 3 values in shard [0-9a-f-]+; `by`"):
        bench.run("run", chain(bench))
    monkeypatch.undo()
    monkeypatch.setattr(writing, "MOST_VALUES", 3)
    with pytest.raises(InputError, match="in the corpus"):
        bench.run("run", chain(bench))


def test_no_documents_give_no_files(bench: Workbench) -> None:
    done = bench.run("run", chain(bench, count={"min_words": 1000}))
    assert written(done) == {}
    assert done.kept("out") == 0
    assert bench.run("run", chain(bench, count={"min_words": 1000})).told.tasks == 0


# ---------------------------------------------------------------------------------------------- kills


def _driven(bench: Workbench, run: str, seconds: float | None) -> bool:
    """Run by a driver that is killed after some seconds; whether it still ran then."""
    recipe = bench.recipe_file(run, chain(bench, count={"pause": 0.002}, again={"pause": 0.001}))
    command = [sys.executable, "-m", "tests.run.kill_driver", str(recipe), "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == b"ready\n"
        if seconds is None:
            return driver.wait() != 0
        time.sleep(seconds)
        alive = driver.poll() is None
        driver.kill()
    return alive


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=[pytest.mark.full, pytest.mark.timeout(1800)])])
def test_a_killed_driver_goes_on_where_it_was(undisturbed: Undisturbed, kills: int) -> None:
    """Killed after a change of mind above the split, halfway through what that takes."""
    bench, whole = undisturbed.bench, undisturbed.whole
    began = time.monotonic()
    assert not _driven(bench, "timed", None)
    seconds = time.monotonic() - began
    in_time = 0
    for seed in range(kills):
        run = undisturbed.name()
        bench.run(run, chain(bench, count={"min_words": 12}))
        in_time += _driven(bench, run, random.Random(seed).uniform(0, seconds if kills > 1 else seconds / 2))
        again = bench.run(run, chain(bench))
        assert differences(whole.folder, again.folder) == [], f"seed {seed}"
    assert in_time >= kills // 2


def test_children_left_by_a_kill_are_never_taken_for_those_of_other_parents(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The children are new, the parents' record is not yet: going back to the old parents must make them anew."""
    bench.run("run", chain(bench))

    def killed(store: Store, record: Any) -> None:
        if record.stage.endswith("/parents"):
            raise KeyboardInterrupt
        write_record(store, record)

    monkeypatch.setattr("datapipe.engine.expand.write_record", killed)
    with pytest.raises(KeyboardInterrupt):
        bench.run("run", chain(bench, count={"min_words": 12}))
    monkeypatch.undo()
    back = bench.run("run", chain(bench))
    assert differences(bench.run("fresh", chain(bench)).folder, back.folder) == []
