"""A pruned run is a fresh run: same bytes, nothing else in the folder; and it still runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datapipe.corpus import lease
from datapipe.corpus.store import Store
from datapipe.errors import LeaseHeld
from datapipe.registry import Registry
from datapipe.run.prune import Surplus, prune, surplus
from datapipe.run.reopen import reopen
from tests.run.copies import chain, documents, write
from tests.run.workbench import TOYS, Workbench, differences, stages


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """Two files, which is enough to lose rows, shards and files."""
    return Workbench(tmp_path).fill(files=2)


TIGHT = {"min_words": 4}


def pruned(folder: Path, agree: Callable[[list[Surplus]], bool] = bool) -> list[Surplus]:
    return prune(reopen(str(folder), Registry(TOYS), str(TOYS)), agree)


def test_after_tightening_a_pruned_run_has_the_bytes_of_a_fresh_one(bench: Workbench) -> None:
    bench.run("run")
    tight = bench.run("run", stages(count=TIGHT))
    fresh = bench.run("fresh", stages(count=TIGHT))
    assert differences(tight.folder, fresh.folder)
    assert any("rows that no longer come in" in each.what for each in pruned(tight.folder))
    assert differences(tight.folder, fresh.folder) == []
    assert pruned(tight.folder) == []


def test_a_stage_with_a_where_keeps_the_rows_that_it_applies_to(bench: Workbench) -> None:
    made = stages(again={"where": "count.words > 4"})
    bench.run("run", made)
    made["count"] |= TIGHT
    tight, fresh = bench.run("run", made), bench.run("fresh", made)
    pruned(tight.folder)
    assert differences(tight.folder, fresh.folder) == []


def test_a_pruned_run_goes_on_as_any_other(bench: Workbench) -> None:
    bench.run("run")
    tight = bench.run("run", stages(count=TIGHT))
    pruned(tight.folder)
    assert bench.run("run", stages(count=TIGHT)).context.tasks == 0
    loose = bench.run("run")
    assert differences(loose.folder, bench.run("fresh").folder) == []


def test_stages_that_left_the_recipe_go_and_other_folders_stay(bench: Workbench) -> None:
    bench.run("run")
    made = stages()
    del made["again"]
    run = bench.run("run", made)
    (run.folder / "notes").mkdir()
    (run.folder / "notes/mine.txt").write_text("mine")
    removed = pruned(run.folder)
    assert [each.path for each in removed if not each.path.startswith("logs/")] == ["again"]
    assert not (run.folder / "again").exists()
    assert (run.folder / "notes/mine.txt").read_text() == "mine"


def test_shards_that_the_source_no_longer_has_go_from_every_stage(bench: Workbench) -> None:
    bench.write("f0.txt", [f"w{n} b c d e" for n in range(20)])
    small = stages(docs={"shard_bytes": 150})
    bench.run("run", small)
    bench.write("f0.txt", ["only one line is left"])
    run = bench.run("run", small)
    pruned(run.folder)
    assert differences(run.folder, bench.run("fresh", small).folder) == []


def test_half_written_files_go_once_nobody_has_written_to_them_for_a_minute(bench: Workbench) -> None:
    run = bench.run("run")
    old, new = run.folder / "count/.a.parquet.12345678.tmp", run.folder / "count/.b.parquet.12345678.tmp"
    old.write_bytes(b"x" * 100)
    new.write_bytes(b"x")
    os.utime(old, (1, 1))
    removed = [each for each in pruned(run.folder) if not each.path.startswith("logs/")]
    assert [(each.path, each.bytes) for each in removed] == [("count/.a.parquet.12345678.tmp", 100)]
    assert new.exists()


def test_a_log_goes_with_its_worker(bench: Workbench) -> None:
    run = bench.run("run")
    gone = run.folder / f"logs/worker-{2**22 + 1}.last"
    gone.write_text("{}")
    alive = run.folder / f"logs/worker-{os.getpid()}.last"
    assert f"logs/{gone.name}" in [each.path for each in pruned(run.folder)]
    assert not gone.exists()
    assert alive.exists()


def test_listing_and_refusing_remove_nothing(bench: Workbench) -> None:
    bench.run("run")
    run = bench.run("run", stages(count=TIGHT))
    files = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    context = reopen(str(run.folder), Registry(TOYS), str(TOYS))
    assert surplus(context)
    assert pruned(run.folder, lambda found: False) == []
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == files


def test_a_run_that_goes_on_is_not_pruned(bench: Workbench) -> None:
    run = bench.run("run")
    with lease.held(Store(str(run.folder)), "upper"), pytest.raises(LeaseHeld, match="'upper'"):
        pruned(run.folder)


def test_layers_of_other_runs_are_not_touched(bench: Workbench) -> None:
    lender = bench.run("lender")
    before = {path: path.read_bytes() for path in lender.folder.rglob("*.parquet")}
    borrower = bench.run("borrower", stages(count=TIGHT), reuse=["lender"])
    pruned(borrower.folder)
    assert {path: path.read_bytes() for path in lender.folder.rglob("*.parquet")} == before
    assert bench.run("borrower", stages(count=TIGHT), reuse=["lender"]).context.tasks == 0


# ---------------------------------------------------------------------------------------------- exchanges

ASKING: dict[str, dict[str, Any]] = {"docs": {"use": "toy.lines", "source": "lines"}, "group": {"use": "toy.asking"}}
INDEXED: dict[str, dict[str, Any]] = {"docs": ASKING["docs"], "group": {"use": "toy.asking", "index": True}}


def asking(folder: Path) -> Workbench:
    bench = Workbench(folder)
    bench.write("a.txt", ["abc", "cab", "xyz", "one two", "lonely is this line"])
    bench.write("b.txt", ["bca", "zxy", "two one", "nobody else has it at all today"])
    return bench


def exchanged(folder: Path, removed: list[Surplus]) -> list[str]:
    """What was removed of the exchange, seen from there."""
    return [each.path.removeprefix("group/exchange/") for each in removed if each.path.startswith("group/exchange/")]


def test_what_later_runs_need_stays(tmp_path: Path) -> None:
    run = asking(tmp_path).run("run", INDEXED)
    before = {path: path.read_bytes() for path in (run.folder / "group").rglob("*") if path.is_file()}
    pruned(run.folder)
    assert {path: path.read_bytes() for path in before} == before
    later = Workbench(tmp_path / "later")
    later.folder.mkdir()
    later.write("c.txt", ["cba", "today nobody has it at all else"])
    after = {**ASKING, "group": {"use": "toy.asking", "against": [str(run.folder)]}}
    assert later.run("run", after).kept("group") == 0


def test_files_of_rounds_that_no_longer_stand_go(tmp_path: Path) -> None:
    bench = asking(tmp_path)
    run = bench.run("run", ASKING)
    fresh = bench.run("fresh", ASKING)
    for name in ("round-0/0000-0100.json", "round-0/0000-0100-000.parquet", "round-7/0000-4096.json"):
        (run.folder / "group/exchange" / name).parent.mkdir(exist_ok=True)
        (run.folder / "group/exchange" / name).write_bytes(b"old")
    gone = exchanged(run.folder, pruned(run.folder))
    assert gone == ["round-0/0000-0100-000.parquet", "round-0/0000-0100.json", "round-7/0000-4096.json"]
    assert differences(run.folder, fresh.folder) == []
    assert bench.run("run", ASKING).told.tasks == 0


def test_rounds_that_may_go_on_stay(tmp_path: Path) -> None:
    bench = asking(tmp_path)
    run = bench.run("run", ASKING)
    for path in (run.folder / "group/exchange/round-1").iterdir():
        path.unlink()
    kept = sorted((run.folder / "group/exchange/round-0").iterdir())
    pruned(run.folder)
    assert sorted((run.folder / "group/exchange/round-0").iterdir()) == kept


def test_measures_go_that_nothing_asks_for(tmp_path: Path) -> None:
    """Those of a run that kept all for later ones and does no more, and of documents that no longer come in."""
    bench = asking(tmp_path)
    bench.run("run", INDEXED)
    run, fresh = bench.run("run", ASKING), bench.run("fresh", ASKING)
    assert any(name.startswith("group/exchange/measured/") for name in differences(fresh.folder, run.folder))
    assert [name[:9] for name in exchanged(run.folder, pruned(run.folder))] == ["measured/", "measured/"]
    assert differences(fresh.folder, run.folder) == []
    assert bench.run("run", ASKING).told.tasks == 0


def test_a_stage_whose_rounds_ask_twice_is_pruned_to_a_fresh_run(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    write(bench, documents(60, seed=11), files=2)
    bench.run("run", chain(bench, "near", index=True))
    indexed = [path.name for path in (tmp_path / "run/near/exchange/measured").iterdir()]
    run, fresh = bench.run("run", chain(bench, "near")), bench.run("fresh", chain(bench, "near"))
    assert differences(fresh.folder, run.folder)
    pruned(run.folder)
    assert differences(fresh.folder, run.folder) == []
    assert len(indexed) == 4


def test_a_run_that_compares_with_an_earlier_one_that_is_gone_is_pruned_of_the_rest(tmp_path: Path) -> None:
    bench = asking(tmp_path)
    old = bench.run("old", INDEXED)
    later = Workbench(tmp_path / "later")
    later.folder.mkdir()
    later.write("c.txt", ["cba", "uvw"])
    made = {**ASKING, "group": {"use": "toy.asking", "against": [str(old.folder)]}}
    run = later.run("run", made)
    shutil.rmtree(old.folder)
    rounds = sorted((run.folder / "group/exchange").rglob("*"))
    pruned(run.folder)
    assert sorted((run.folder / "group/exchange").rglob("*")) == rounds


def test_the_exchange_of_a_stage_that_compares_no_longer_goes(tmp_path: Path) -> None:
    bench = asking(tmp_path)
    bench.run("run", ASKING)
    counting: dict[str, dict[str, Any]] = {"docs": ASKING["docs"], "group": {"use": "toy.count", "min_words": 2}}
    run, fresh = bench.run("run", counting), bench.run("fresh", counting)
    assert [each.path for each in pruned(run.folder) if "exchange" in each.path] == ["group/exchange"]
    assert differences(fresh.folder, run.folder) == []
