"""A changed recipe costs what changed: stored measures are decided anew, only newly admitted documents are measured.

Each case ends with the documents, the reasons and, where nothing had to leave a layer, the bytes of a fresh run.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from datapipe.corpus.record import fold
from datapipe.corpus.store import Store
from tests.run.workbench import Done, Workbench, corpus, differences, shards_by_file, stages

Chain = dict[str, dict[str, Any]]
NAMES = tuple(stages())


def _books(done: Done, stage: str) -> list[Any]:
    """What the records of a stage say of documents; not in which files their columns lie."""
    return [record.model_dump(exclude={"layer", "work", "reasons"}) for record in done.records(stage).values()]


def _same_documents(changed: Done, fresh: Done) -> None:
    """The same documents leave every stage, with the same values and for the same reasons.

    Files are not compared: a layer may hold rows that no longer come in, or lie in another run.
    """
    for stage in fresh.context.recipe.nodes:
        assert corpus(changed, stage) == corpus(fresh, stage)
        assert _books(changed, stage) == _books(fresh, stage)


def _newly(before: dict[str, set[str]], after: Done, stage: str) -> list[dict[str, Any]]:
    return [row for key, row in corpus(after, stage).items() if key not in before[stage]]


def _kept(done: Done) -> dict[str, set[str]]:
    return {stage: set(corpus(done, stage)) for stage in done.context.recipe.nodes}


def _measured_now(old: dict[str, Any], done: Done, stage: str) -> int:
    """Documents that the last run measured: the sum over the records that it wrote."""
    return sum(r.work.processed for r in done.records(stage).values() if old.get(r.shard) != r)


# ---------------------------------------------------------------------------------------------- decisions


@pytest.mark.parametrize("source", [{}, {"shard_bytes": 150}], ids=["one shard a file", "several shards a file"])
def test_loosening_measures_only_the_newly_admitted_and_gives_the_bytes_of_a_fresh_run(
    bench: Workbench, source: dict[str, Any]
) -> None:
    first = bench.run("run", stages(docs=source))
    before = _kept(first)
    old = {stage: first.records(stage) for stage in (*NAMES, "unique/exchange")}
    loose = stages(docs=source, count={"min_words": 2})
    changed, fresh = bench.run("run", loose), bench.run("fresh", loose)

    assert differences(fresh.folder, changed.folder) == []
    admitted = _newly(before, changed, "count")
    assert len(admitted) > 5
    assert "count" not in changed.measured
    assert {line.split()[0] for line in changed.read} == {row["file"] for row in admitted}
    assert _measured_now(old["count"], changed, "count") == 0
    assert _measured_now(old["upper"], changed, "upper") == len(admitted)
    assert _measured_now(old["unique/exchange"], changed, "unique/exchange") == len(admitted)
    assert sorted(changed.measured["again"]) == sorted(row["text"] for row in _newly(before, changed, "unique"))


def test_a_decision_of_the_last_stage_reads_no_text_and_measures_nothing(bench: Workbench) -> None:
    bench.run()
    changed = bench.run("run", stages(again={"min_words": 2}))
    assert changed.read == []
    assert changed.measured == {}
    assert differences(bench.run("fresh", stages(again={"min_words": 2})).folder, changed.folder) == []


def test_tightening_measures_nothing_and_loosening_again_gives_the_bytes_back(bench: Workbench, tmp_path: Path) -> None:
    first = bench.run()
    kept = first.kept("count")
    shutil.copytree(first.folder, tmp_path / "before")
    tight = stages(count={"min_words": 5})
    changed = bench.run("run", tight)
    assert changed.read == []
    assert changed.measured == {}
    assert changed.kept("count") < kept
    _same_documents(changed, bench.run("fresh", tight))

    back = bench.run()
    assert back.read == []
    assert back.measured == {}
    assert differences(tmp_path / "before", back.folder) == []


def test_many_changes_of_mind_end_where_a_fresh_run_does(bench: Workbench) -> None:
    draw = random.Random(4)
    for _ in range(6):
        chain = stages(
            count={"min_words": draw.choice([None, 1, 2, 3, 5])},
            upper={"mark": draw.choice(["", "", "!"])},
            again={"min_words": draw.choice([None, 3, 6]), "unit": draw.choice([1, 1, 2])},
            docs={"sample": draw.choice([None, 0.5, 0.9])},
        )
        changed = bench.run("run", chain)
    _same_documents(changed, bench.run("fresh", chain))


# ---------------------------------------------------------------------------------------------- measures


def test_a_changed_measure_redoes_its_own_stage_alone_where_none_reads_its_columns(bench: Workbench) -> None:
    first = bench.run()
    before = _kept(first)
    # words // 2 >= 1 admits all of two words and more: those of three and more were there before
    pairs = stages(count={"unit": 2, "min_words": 1})
    changed = bench.run("run", pairs)
    admitted = _newly(before, changed, "count")
    assert len(changed.measured["count"]) == changed.kept("docs")
    assert len(admitted) > 5
    assert sorted(changed.measured["again"]) == sorted(row["text"] for row in _newly(before, changed, "unique"))
    assert differences(bench.run("fresh", pairs).folder, changed.folder) == []


def test_a_changed_text_redoes_all_that_read_it_and_nothing_before(bench: Workbench) -> None:
    bench.run()
    marked = stages(upper={"mark": " END"})
    changed = bench.run("run", marked)
    assert "count" not in changed.measured
    assert len(changed.measured["again"]) == changed.kept("unique")
    assert all(text.endswith(" END") for text in changed.measured["again"])
    assert differences(bench.run("fresh", marked).folder, changed.folder) == []


def test_a_condition_measures_the_rows_it_lets_in(bench: Workbench) -> None:
    first = bench.run()
    chosen = stages(again={"where": "count.words > 4"})
    changed = bench.run("run", chosen)
    assert "count" not in changed.measured
    assert changed.read == []  # the text comes from the layer of `upper`
    wide = [row for row in corpus(first, "unique").values() if row["count.words"] > 4]
    assert 0 < len(wide) < changed.kept("unique")
    assert sorted(changed.measured["again"]) == sorted(row["text"] for row in wide)
    assert sum(record.not_applied for record in changed.records("again").values()) == changed.kept("unique") - len(wide)
    assert differences(bench.run("fresh", chosen).folder, changed.folder) == []


# ---------------------------------------------------------------------------------------------- the chain


def _renamed(chain: Chain, old: str, new: str) -> Chain:
    return {new if name == old else name: config for name, config in chain.items()}


def _with(chain: Chain, after: str, name: str, config: dict[str, Any]) -> Chain:
    made: Chain = {}
    for each, given in chain.items():
        made[each] = given
        if each == after:
            made[name] = config
    return made


def _without(chain: Chain, name: str) -> Chain:
    return {each: config for each, config in chain.items() if each != name}


def _equal_but_for(fresh: Done, changed: Done, left: str) -> None:
    """The bytes of a fresh run, beside the folder of a stage that the recipe no longer has."""
    assert [name for name in differences(fresh.folder, changed.folder) if not name.startswith(f"{left}/")] == []


def test_a_renamed_stage_is_done_again_and_no_other(bench: Workbench) -> None:
    bench.run()
    renamed = _renamed(stages(), "again", "twice")
    changed = bench.run("run", renamed)
    assert set(changed.measured) == {"twice"}
    assert changed.read == []
    _equal_but_for(bench.run("fresh", renamed), changed, "again")


def test_a_filter_put_in_the_middle_is_measured_and_nothing_below_it(bench: Workbench) -> None:
    bench.run()
    longer = _with(stages(), "upper", "middle", {"use": "toy.count", "min_words": 5})
    changed = bench.run("run", longer)
    assert set(changed.measured) == {"middle"}
    assert changed.read == []
    _same_documents(changed, bench.run("fresh", longer))


def test_a_change_of_text_put_in_the_middle_redoes_what_reads_it(bench: Workbench) -> None:
    bench.run()
    longer = _with(stages(), "upper", "middle", {"use": "toy.upper", "mark": "!"})
    changed = bench.run("run", longer)
    assert set(changed.measured) == {"again"}
    assert changed.read == []
    assert differences(bench.run("fresh", longer).folder, changed.folder) == []


def test_a_removed_filter_lets_its_documents_on_and_only_they_are_measured(bench: Workbench) -> None:
    first = bench.run()
    before = _kept(first)
    shorter = _without(stages(), "count")
    changed = bench.run("run", shorter)
    assert len(changed.measured["again"]) == len(_newly(before, changed, "unique")) > 10
    _equal_but_for(bench.run("fresh", shorter), changed, "count")


def test_a_removed_group_lets_the_copies_on(bench: Workbench) -> None:
    first = bench.run()
    shorter = _without(stages(), "unique")
    changed = bench.run("run", shorter)
    assert len(changed.measured["again"]) == first.dropped("unique")["copy"]
    assert changed.read == []
    _equal_but_for(bench.run("fresh", shorter), changed, "unique")


# ---------------------------------------------------------------------------------------------- another folder


def _disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and "logs" not in path.parts)


def test_another_run_takes_layers_by_reference_for_hardly_any_disk(bench: Workbench) -> None:
    shutil.rmtree(bench.input)
    draw = random.Random(5)
    for file in range(2):
        lines = [" ".join([f"f{file}n{n}", draw.randbytes(4000).hex(), *["w"] * (n % 6)]) for n in range(150)]
        bench.write(f"f{file}.txt", lines)
    first = bench.run("first")
    variant = stages(count={"min_words": 2}, again={"min_words": 5})
    second = bench.run("second", variant, reuse=["first"])
    assert "count" not in second.measured
    fresh = bench.run("fresh", variant)
    _same_documents(second, fresh)
    admitted = fresh.kept("count") - first.kept("count")
    assert admitted > 25
    assert len(second.measured["again"]) == admitted

    tighter = bench.run("third", stages(count={"min_words": 4}), reuse=["first"])
    assert tighter.read == []
    assert tighter.measured == {}
    _same_documents(tighter, bench.run("fresh3", stages(count={"min_words": 4})))
    assert _disk(tighter.folder) < 0.05 * _disk(first.folder)


def test_a_run_that_reuses_a_run_that_reuses_reads_back_the_same(bench: Workbench) -> None:
    bench.run("first")
    bench.run("second", stages(count={"min_words": 2}), reuse=["first"])
    third = bench.run("third", stages(count={"min_words": 1}), reuse=["second"])
    _same_documents(third, bench.run("fresh", stages(count={"min_words": 1})))
    again = bench.run("third", stages(count={"min_words": 1}), reuse=["second"])
    assert again.told.tasks == 0
    back = bench.run("third", stages(count={"min_words": 2}), reuse=["second"])
    _same_documents(back, bench.run("fresh2", stages(count={"min_words": 2})))


def test_a_borrower_changes_its_mind_again_and_again(bench: Workbench) -> None:
    """New rows join those that it added before, beside the layers that it borrows."""
    bench.run("first", stages(count={"min_words": 5}))
    for words in (4, 3, 2, 1):
        changed = bench.run("second", stages(count={"min_words": words}), reuse=["first"])
        _same_documents(changed, bench.run(f"fresh{words}", stages(count={"min_words": words})))


@pytest.mark.parametrize("mark", ["", "!"], ids=["loosened", "with other texts"])
def test_a_borrower_outlives_what_its_lender_does(bench: Workbench, mark: str) -> None:
    """The lender writes its layers anew; the borrower takes the new ones where they fit, or measures for itself."""
    bench.run("first")
    bench.run("second", stages(again={"min_words": 5}), reuse=["first"])
    bench.run("first", stages(count={"min_words": 1}, upper={"mark": mark}))
    loose = stages(count={"min_words": 2}, again={"min_words": 5})
    _same_documents(bench.run("second", loose, reuse=["first"]), bench.run("fresh", loose))
    assert bench.run("second", loose, reuse=["first"]).told.tasks == 0


def test_a_borrower_reads_for_itself_what_its_lender_has_read_anew(bench: Workbench) -> None:
    bench.run("first")
    bench.run("second", stages(count={"min_words": 2}), reuse=["first"])
    old = (bench.input / "f1.txt").read_text(encoding="utf-8")
    bench.write("f1.txt", ["f1n0 another text altogether", "f1n1 and one more of them"])
    bench.run("first")
    (bench.input / "f1.txt").write_text(old, encoding="utf-8")
    changed = bench.run("second", stages(count={"min_words": 1}), reuse=["first"])
    _same_documents(changed, bench.run("fresh", stages(count={"min_words": 1})))


def test_a_borrower_that_reads_a_changed_file_goes_on_behind_what_it_has_read(bench: Workbench) -> None:
    """The lender has all of the file, as it was; a killed borrower has some shards of it, as it is."""
    small = stages(docs={"shard_bytes": 150})
    bench.run("first", small)
    bench.write("f1.txt", [f"f1n{n} is another line now" for n in range(20)])
    second = bench.run("second", small, reuse=["first"])
    store, records = Store(str(second.folder)), second.records("docs")
    mine = shards_by_file(second)["f1.txt"]
    fold(store, "docs", {name: record for name, record in records.items() if name not in mine[2:]})
    again = bench.run("second", small, reuse=["first"])
    assert any(line.startswith("f1.txt") for line in again.read)
    assert "f1.txt 0" not in again.read
    _same_documents(again, bench.run("fresh", small))
