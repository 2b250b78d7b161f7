"""Audits: what they count, that they can fail, and that nothing of them touches the run."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from datapipe.engine.cluster import DaskEngine
from datapipe.engine.local import Engine, LocalEngine
from datapipe.errors import RecipeError
from datapipe.recipe import load_recipe
from datapipe.registry import Registry
from datapipe.run.prune import prune, surplus
from datapipe.run.reopen import reopen
from tests.run.copies import SHORT, STAGES, Chain, chain, documents, jaccard, write
from tests.run.workbench import TOYS, Done, Workbench, differences, run_file, table

RATE = 0.5
ROWS = documents(80, seed=3)
FEW = {("near", "longest"), ("exact", "newest")}
RULES = ("first", "longest", "newest", "oldest", "best:bytes")


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """Documents with copies of every kind, in three files."""
    made = Workbench(tmp_path)
    write(made, ROWS, files=3)
    return made


def recipe_of(bench: Workbench, run: str, made: Chain, **audit: Any) -> Path:
    """A recipe file with an audit, or without."""
    path = bench.recipe_file(run, made)
    if audit:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump({**recipe, "audit": audit}, sort_keys=False), encoding="utf-8")
    return path


def run(bench: Workbench, name: str, made: Chain, *, engine: Engine | None = None, **audit: Any) -> Done:
    journal = bench.folder / f"journal-{name}"
    journal.mkdir(exist_ok=True)
    return run_file(recipe_of(bench, name, made, **audit), engine or LocalEngine(), journal)


def told(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((done.folder / "audit.json").read_text())
    return found


def cases_of(done: Done, stage: str) -> list[dict[str, Any]]:
    """The cases that were planted for a stage, by id."""
    folder = done.folder / "audit" / stage / "planted-cases"
    files = [path for path in folder.glob("*-????.parquet") if not path.name.startswith("records")]
    return [row for path in sorted(files) for row in table(path).to_pylist()]


def real_differences(one: Path, other: Path) -> list[str]:
    """Files that differ between two runs, besides those of an audit."""
    names = [name for name in differences(one, other) if not name.startswith("audit")]
    if "recipe.yaml" in names:
        heads = [yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8")) for folder in (one, other)]
        for head in heads:
            head.pop("audit")
            head.pop("run")
        if heads[0] == heads[1]:
            names.remove("recipe.yaml")
    return names


# ---------------------------------------------------------------------------------------------- nothing else changes


@pytest.mark.parametrize(
    ("stage", "rule"),
    [
        pytest.param(stage, rule, marks=() if (stage, rule) in FEW else pytest.mark.full)
        for stage in ("near", "exact")
        for rule in RULES
    ],
)
def test_a_run_with_an_audit_writes_the_bytes_of_one_without(bench: Workbench, stage: str, rule: str) -> None:
    dated = {"dated": "date"} if rule in {"newest", "oldest"} else {}
    made = chain(bench, stage, survivor=rule, **dated)
    made |= {"masked": {"use": "toy.secret"}, "out": {"use": "write.jsonl"}}
    made |= {"again": {"use": "dedup.url", "from": "masked"}, "last": {"use": "write.parquet"}}
    plain, audited = run(bench, "plain", made), run(bench, "audited", made, rate=RATE)
    assert real_differences(plain.folder, audited.folder) == []
    assert told(audited)[stage]["judged"] > 10
    assert told(audited)["masked"]["judged"] > 10


@pytest.mark.full
def test_beside_every_stage_of_deduplication_an_audit_changes_nothing(bench: Workbench) -> None:
    made = chain(bench, *STAGES)
    plain, audited = run(bench, "plain", made), run(bench, "audited", made, rate=1)
    assert real_differences(plain.folder, audited.folder) == []
    assert list(told(audited)) == ["exact", "near"]


@pytest.mark.parametrize("workers", [2, *(pytest.param(n, marks=pytest.mark.full) for n in (1, 4))])
def test_any_number_of_workers_audits_alike(
    bench: Workbench, dask: Callable[[int], DaskEngine], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datapipe.run.group.RANGE_ROWS", SHORT)
    monkeypatch.setattr("datapipe.run.merging.MERGE_INPUTS", 2)
    made = chain(bench, "exact", "near")
    alone = run(bench, "alone", made, rate=RATE)
    together = run(bench, "together", made, engine=dask(workers), rate=RATE)
    assert [name for name in differences(alone.folder, together.folder) if "/logs/" not in name] == []
    assert told(alone)["near"]["judged"] > 10


@pytest.mark.full
def test_ranges_and_merges_find_the_same_cases(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = chain(bench, "near")
    whole = told(run(bench, "whole", made, rate=RATE))
    monkeypatch.setattr("datapipe.run.group.RANGE_ROWS", SHORT)
    monkeypatch.setattr("datapipe.run.merging.MERGE_INPUTS", 2)
    assert told(run(bench, "cut", made, rate=RATE)) == whole


# ---------------------------------------------------------------------------------------------- what is counted


def test_copies_that_are_the_same_are_all_found_and_counted_by_kind(bench: Workbench) -> None:
    done = run(bench, "run", chain(bench, "exact"), rate=1)
    found = told(done)["exact"]
    assert found["planted"] == found["judged"] == found["found"] == len(ROWS)
    assert set(found["kinds"]) == {"copy", "restyled"}
    assert sum(each["found"] for each in found["kinds"].values()) == len(ROWS)
    assert (found["recall"], found["recall_high"]) == (1, 1)
    assert found["recall_low"] == pytest.approx(1 / (1 + 1.96**2 / len(ROWS)), abs=1e-3)


def test_the_documents_of_cases_are_chosen_by_their_ids_and_a_smaller_rate_chooses_among_them(
    tmp_path: Path,
) -> None:
    """Wherever they stand: the 10% is part of the 50%, in files cut another way."""
    chosen = []
    for files, rate in ((1, 0.1), (4, 0.5)):
        bench = Workbench(tmp_path / str(files))
        bench.folder.mkdir()
        write(bench, ROWS, files=files)
        cases = cases_of(run(bench, "run", chain(bench, "exact"), rate=rate), "exact")
        chosen.append({case["id"]: case["text"] for case in cases})
    assert 2 <= len(chosen[0]) <= 20
    assert 20 <= len(chosen[1]) <= 60
    assert chosen[0].items() <= chosen[1].items()


def test_near_duplicates_are_as_alike_as_their_kind_says(bench: Workbench) -> None:
    done = run(bench, "run", chain(bench, "near"), rate=1)
    texts = {row["id"]: row["text"] for row in ROWS}
    cases = cases_of(done, "near")
    assert len({case["planted-cases.case"] for case in cases}) == 5
    for case in cases:
        level = float(case["planted-cases.case"].removeprefix("jaccard_"))
        assert level <= jaccard(texts[case["id"].partition("#")[0]], case["text"]) <= level + 0.03


def test_a_map_judges_its_cases_and_each_kind_is_counted_by_what_became_of_it(bench: Workbench) -> None:
    made = chain(bench, "exact")
    del made["exact"]
    made["masked"] = {"use": "toy.secret"}
    found = told(run(bench, "run", made, rate=1))["masked"]
    assert found["planted"] == found["found"] == 2 * len(ROWS)
    assert found["kinds"]["twice"]["found"] == len(ROWS)
    made["masked"]["large"] = False
    blind = told(run(bench, "run", made, rate=1))["masked"]
    assert blind["kinds"]["large"]["found"] == 0
    assert blind["kinds"]["large"]["recall_high"] < 0.1
    assert blind["kinds"]["small"]["recall"] == 1
    assert blind["found"] == 2 * len(ROWS) - blind["kinds"]["large"]["planted"]
    made["masked"] |= {"large": True, "most": 2}  # nothing leaves
    assert told(run(bench, "run", made, rate=1))["masked"]["kinds"]["twice"]["found"] == 0


def test_only_documents_that_a_map_kept_lend_themselves(bench: Workbench) -> None:
    """Else a case would be found for what stood there before."""
    rows = [{**row, "text": f"xyzzy {row['text']} xyzzy"} if at % 2 else row for at, row in enumerate(ROWS)]
    write(bench, rows, files=3)
    made = chain(bench, "exact")
    del made["exact"]
    done = run(bench, "run", {**made, "masked": {"use": "toy.secret"}}, rate=1)
    assert {case["id"].partition("#")[0] for case in cases_of(done, "masked")} == {row["id"] for row in ROWS[::2]}


def test_no_value_that_was_planted_stands_elsewhere_than_in_its_case(
    bench: Workbench, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    made = chain(bench, "exact")
    del made["exact"]
    with caplog.at_level("DEBUG"):
        done = run(bench, "run", {**made, "masked": {"use": "toy.secret"}, "out": {"use": "write.jsonl"}}, rate=1)
    assert "xyzzy" not in "".join(capsys.readouterr()) + caplog.text
    holders = set()
    for path in done.folder.rglob("*"):
        if path.is_file():
            data = str(table(path).to_pylist()) if path.suffix == ".parquet" else _plain(path)
            if "xyzzy" in data:
                holders.add(path.relative_to(done.folder).parts[:3])
    assert holders == {("audit", "masked", "planted-cases")}


def _plain(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode(errors="replace")


@pytest.mark.parametrize(
    ("stage", "off"), [("near", {"min_similarity_to_survivor": 1.0}), ("near", {"bands": 1, "rows": 100})]
)
def test_a_stage_that_is_switched_off_is_seen_to_find_less(bench: Workbench, stage: str, off: dict[str, Any]) -> None:
    well = told(run(bench, "well", chain(bench, stage), rate=1))[stage]
    ill = told(run(bench, "ill", chain(bench, stage, **off), rate=1))[stage]
    assert well["recall_low"] > 0.7
    assert ill["recall_high"] < well["recall_low"]


def test_what_an_earlier_run_holds_is_found_too(tmp_path: Path) -> None:
    first, second = Workbench(tmp_path / "first"), Workbench(tmp_path / "second")
    for bench, rows in ((first, ROWS[:40]), (second, ROWS[40:])):
        bench.folder.mkdir()
        write(bench, rows, files=2, name="x" if bench is first else "y")
    old = run(first, "run", chain(first, "near", index=True))
    made = chain(second, "near", index=True, against=[str(old.folder)])
    plain, audited = run(second, "plain", made), run(second, "audited", made, rate=1)
    assert real_differences(plain.folder, audited.folder) == []
    assert told(audited)["near"]["recall_low"] > 0.7


def test_cases_are_made_of_children_and_of_what_stages_above_left(bench: Workbench) -> None:
    """Below an Expand, a change of text, and behind a `where`."""
    docs = chain(bench, "exact")["docs"]
    made: Chain = {
        "docs": docs,
        "parts": {"use": "split.paragraphs", "max_tokens": 80, "min_tokens": 10},
        "upper": {"use": "toy.upper"},
        "exact": {"use": "dedup.exact", "normalise": False, "where": "date < '2026-07'"},
    }
    done = run(bench, "run", made, rate=1)
    cases = cases_of(done, "exact")
    assert cases
    early = {row["id"] for row in ROWS if row["date"] < "2026-07"}
    assert {case["id"].partition("#")[0] for case in cases} <= early
    assert all(case["text"] == case["text"].upper() for case in cases)
    assert told(done)["exact"]["recall"] == 1


# ---------------------------------------------------------------------------------------------- again


def test_run_again_an_audit_measures_nothing_and_says_the_same(bench: Workbench) -> None:
    made = chain(bench, "exact", "near")
    run(bench, "run", made, rate=RATE)
    before = {path: path.stat().st_mtime_ns for path in (bench.folder / "run").rglob("*.parquet")}
    first = told(run(bench, "run", made, rate=RATE))
    after = {path: path.stat().st_mtime_ns for path in (bench.folder / "run").rglob("*.parquet")}
    assert after == before
    assert first["near"]["judged"] > 10


@pytest.mark.full
def test_new_input_and_other_settings_are_audited_as_in_a_fresh_run(bench: Workbench) -> None:
    made = chain(bench, "exact", "near")
    run(bench, "run", made, rate=RATE)
    write(bench, documents(30, seed=9), files=1, name="z")
    made["near"]["min_similarity"] = 0.8
    grown, fresh = run(bench, "run", made, rate=RATE), run(bench, "fresh", made, rate=RATE)
    assert told(grown) == told(fresh)
    assert cases_of(grown, "near") == cases_of(fresh, "near")


def test_an_audit_that_is_no_longer_asked_for_is_pruned(bench: Workbench) -> None:
    made = chain(bench, "exact", "near")
    run(bench, "run", made, rate=RATE)
    done = run(bench, "run", made, rate=RATE, stages=["near"])
    assert list(told(done)) == ["near"]
    assert not (done.folder / "audit/exact").exists()
    assert surplus(reopen(str(done.folder), Registry(TOYS), str(TOYS))) == []
    run(bench, "run", made)
    plain = run(bench, "plain", made)
    prune(reopen(str(done.folder), Registry(TOYS), str(TOYS)), bool)
    assert differences(plain.folder, done.folder) == []


@pytest.mark.parametrize(
    ("stages", "problem"),
    [(["nera"], "did you mean near?"), (["docs"], "`read.jsonl` cannot be audited"), (["nothing"], "no stage")],
)
def test_stages_that_cannot_be_audited_are_named(bench: Workbench, stages: Sequence[str], problem: str) -> None:
    path = recipe_of(bench, "run", chain(bench, "near"), stages=list(stages))
    with pytest.raises(RecipeError, match=problem.replace("?", r"\?")):
        load_recipe(path, Registry(TOYS))
