"""What a Group finds: in the order that each round asks for, and known to all that reads it when it changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datapipe.contract import check_stage, sample_batches
from datapipe.engine.cluster import DaskEngine
from datapipe.registry import Registry
from datapipe.stage import Group
from tests.run.workbench import TOYS, Done, Workbench, corpus, differences

Chain = dict[str, dict[str, Any]]
REGISTRY = Registry(TOYS)

# ---------------------------------------------------------------------------------------------- who reads a verdict

READERS = [
    pytest.param({"use": "toy.popular", "most": None}, 0, id="measures it"),
    pytest.param({"use": "toy.popular", "most": 2}, 1, id="measures it and decides by it"),
    pytest.param({"use": "toy.common", "most": 2}, 1, id="decides by it alone"),
    pytest.param({"use": "toy.count", "min_words": 9, "where": "unique.copies > 2"}, 1, id="is chosen by it"),
]


def _with_reader(bench: Workbench, reader: dict[str, Any]) -> Chain:
    return {
        "docs": {"use": "toy.lines", "source": "lines"},
        "unique": {"use": "dedup.exact", "normalise": False},
        "reader": reader,
        "last": {"use": "toy.count", "min_words": 1},
    }


@pytest.mark.parametrize(("reader", "leave"), READERS)
def test_new_copies_of_old_documents_reach_who_reads_how_many_there_are(
    tmp_path: Path, reader: dict[str, Any], leave: int
) -> None:
    """The same documents stay; only what is known of them has changed."""
    bench = Workbench(tmp_path)
    lines = [f"text number {n}" for n in range(8)]
    bench.write("a.txt", lines)
    bench.write("b.txt", [*lines[:3], "another text here"])
    chain = _with_reader(bench, reader)
    assert bench.run("run", chain).dropped("reader") == {}
    bench.write("c.txt", lines[2:6])
    grown, fresh = bench.run("run", chain), bench.run("fresh", chain)

    for stage in chain:
        assert corpus(grown, stage) == corpus(fresh, stage)
        assert grown.dropped(stage) == fresh.dropped(stage)
    copies = {row["text"]: row["unique.copies"] for row in corpus(fresh, "unique").values()}
    assert copies == {text: 1 + (n < 3) + (2 <= n < 6) for n, text in enumerate(lines)} | {"another text here": 1}
    assert sum(fresh.dropped("reader").values()) == leave
    measured = {"reader/", "last/"}  # a reader may keep measures of documents that now leave before it
    assert [n for n in differences(fresh.folder, grown.folder) if not n.startswith(tuple(measured))] == []


def test_who_reads_no_verdict_is_not_done_again(tmp_path: Path) -> None:
    """New copies change nothing for a stage that reads the text of documents that stay."""
    bench = Workbench(tmp_path)
    bench.write("a.txt", ["one text here", "two texts here"])
    chain = _with_reader(bench, {"use": "toy.count", "min_words": 1})
    bench.run("run", chain)
    bench.write("c.txt", ["two texts here", "three texts here"])
    grown = bench.run("run", chain)
    assert len(grown.measured["last"]) <= 2  # in whichever file the copy stays


# ---------------------------------------------------------------------------------------------- rounds


def _rounds(use: str) -> Chain:
    return {
        "docs": {"use": "toy.lines", "source": "lines"},
        "group": {"use": use},
        "last": {"use": "toy.count", "min_words": 1},
    }


@pytest.fixture
def many_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of a few keys, so that what follows a round reads many files."""
    monkeypatch.setattr("datapipe.run.group.RANGE_ROWS", 7)


def _files(done: Done, number: int) -> int:
    return len(list((done.folder / f"group/exchange/round-{number}").glob("*.parquet")))


def _places(rows: dict[str, dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Copies, and the place in order of id among documents of as many words; by hand."""
    copies = Counter(row["text"] for row in rows.values())
    seen: Counter[int] = Counter()
    found = {}
    for key in sorted(rows):
        words = len(rows[key]["text"].split())
        found[key] = (copies[rows[key]["text"]], seen[words])
        seen[words] += 1
    return found


def _check_places(done: Done) -> None:
    rows = corpus(done, "group")
    assert len(rows) > 70
    assert {key: (row["group.copies"], row["group.place"]) for key, row in rows.items()} == _places(rows)


@pytest.mark.usefixtures("many_ranges")
def test_the_second_round_sees_its_rows_by_key_and_then_as_it_asks(bench: Workbench) -> None:
    done = bench.run("run", _rounds("toy.two_rounds"))
    assert _files(done, 0) > 5
    _check_places(done)


def test_the_second_round_of_one_file_sees_its_rows_in_order_too(bench: Workbench) -> None:
    done = bench.run("run", _rounds("toy.two_rounds"))
    assert _files(done, 0) == 1
    _check_places(done)


@pytest.mark.usefixtures("many_ranges")
def test_rounds_give_the_same_bytes_on_workers(bench: Workbench, dask: Callable[[int], DaskEngine]) -> None:
    for use in ("toy.two_rounds", "toy.settled"):
        alone = bench.run(f"{use}-alone", _rounds(use))
        assert differences(alone.folder, bench.run(f"{use}-dask", _rounds(use), engine=dask(2)).folder) == []


@pytest.mark.usefixtures("many_ranges")
def test_who_settles_sees_the_whole_in_order_of_keys(bench: Workbench) -> None:
    done = bench.run("run", _rounds("toy.settled"))
    assert _files(done, 0) > 5
    came, stayed = corpus(done, "docs"), corpus(done, "group")
    ids: dict[str, list[str]] = {}
    for key, row in came.items():
        ids.setdefault(row["text"], []).append(key)
    assert set(stayed) == {min(group) for group in ids.values()}
    assert done.dropped("group") == {"copy": len(came) - len(ids)}
    pairs = sum(len(group) * (len(group) - 1) // 2 for group in ids.values())
    assert pairs > 1
    assert {row["group.pairs"] for row in stayed.values()} == {pairs}


@pytest.mark.parametrize("name", ["toy.two_rounds", "toy.settled"])
def test_groups_of_rounds_keep_the_contract(name: str) -> None:
    assert check_stage(REGISTRY.load(name), registry=REGISTRY) == []


def test_the_contract_finds_a_round_that_needs_an_order_and_asks_for_none() -> None:
    stage = REGISTRY.load("toy.two_rounds")
    assert isinstance(stage, Group)
    first, second = stage.rounds
    samples = sample_batches(("text", "id"))
    backwards = {name: batch.take(pa.array(range(len(batch))[::-1], pa.int64())) for name, batch in samples.items()}
    assert check_stage(stage, batches=backwards) == []
    assert check_stage(replace(stage, rounds=(first, replace(second, sort=()))), batches=backwards) != []
