"""Rounds that ask documents, many files, and earlier runs: measured once, compared with what stood before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datapipe.contract import check_stage
from datapipe.engine.cluster import DaskEngine
from datapipe.errors import InputError
from datapipe.registry import Registry
from tests.run.workbench import TOYS, Done, Workbench, corpus, differences

Chain = dict[str, dict[str, Any]]
REGISTRY = Registry(TOYS)
LETTERS = ("abc", "cab", "bca ab", "xyz", "abc abc", "ab cab", "lonely is this line of many words", "zyx")


def chain(**options: Any) -> Chain:
    return {"docs": {"use": "toy.lines", "source": "lines"}, "group": {"use": "toy.asking", **options}}


def by_hand(texts: list[tuple[str, str]]) -> dict[str, str]:
    """Which ids leave, and for whom: (id, text) in the order in which documents stand before each other."""
    first: dict[tuple[int, frozenset[str]], str] = {}
    left = {}
    for key, text in texts:
        alike = (len(text.split()), frozenset(text))
        if alike in first:
            left[key] = first[alike]
        first.setdefault(alike, key)
    return left


def came(done: Done) -> list[tuple[str, str]]:
    """Ids and texts as they come to the group, by id."""
    return sorted((key, row["text"]) for key, row in corpus(done, "docs").items())


def left(done: Done) -> set[str]:
    return set(corpus(done, "docs")) - set(corpus(done, "group"))


def test_a_round_that_asks_keeps_the_contract() -> None:
    assert check_stage(REGISTRY.load("toy.asking"), registry=REGISTRY) == []


def test_only_documents_that_are_asked_for_are_measured_and_once(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.write("a.txt", list(LETTERS))
    done = bench.run("run", chain(journal=str(tmp_path / "journal")))
    assert left(done) == set(by_hand(came(done)))
    assert len(left(done)) == 4
    asked = [text for text in LETTERS if text != "lonely is this line of many words"]
    assert sorted((tmp_path / "journal").read_text().splitlines()) == sorted(asked)
    bench.run("run", chain(journal=str(tmp_path / "journal")))
    assert len((tmp_path / "journal").read_text().splitlines()) == len(asked)


def test_new_documents_are_measured_beside_the_stored_ones(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.write("a.txt", list(LETTERS))
    bench.run("run", chain(journal=str(tmp_path / "journal")))
    bench.write("b.txt", ["bac", "seven words make one more lonely line"])
    grown = bench.run("run", chain(journal=str(tmp_path / "journal")))
    fresh = bench.run("fresh", chain())
    assert corpus(grown, "group") == corpus(fresh, "group")
    assert differences(fresh.folder, grown.folder) == []
    extra = ["bac", "lonely is this line of many words", "seven words make one more lonely line"]
    journal = (tmp_path / "journal").read_text().splitlines()
    assert sorted(journal) == sorted([*LETTERS, *extra[:1], extra[2]])


def test_what_was_measured_of_a_shard_that_is_gone_goes_with_it(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.write("a.txt", ["abc", "cab", "bca"])
    small: Chain = {"docs": {"use": "toy.lines", "source": "lines", "shard_bytes": 1}, "group": {"use": "toy.asking"}}
    measured = bench.run("run", small).folder / "group/exchange/measured"
    assert len(list(measured.glob("*.parquet"))) == 3
    bench.write("a.txt", ["abc", "xyz"])
    bench.run("run", small)
    assert len(list(measured.glob("*.parquet"))) == len(list(measured.glob("*.json"))) == 2


@pytest.mark.parametrize("inputs", [2, 3])
def test_many_files_are_merged_first(bench: Workbench, monkeypatch: pytest.MonkeyPatch, inputs: int) -> None:
    monkeypatch.setattr("datapipe.run.group.RANGE_ROWS", 7)
    plain = {use: bench.run(f"{use}-plain", _use(use)) for use in ("toy.two_rounds", "toy.settled", "toy.asking")}
    monkeypatch.setattr("datapipe.run.merging.MERGE_INPUTS", inputs)
    monkeypatch.setattr("datapipe.corpus.exchange.WINDOW_ROWS", 3)
    for use, before in plain.items():
        merged = bench.run(f"{use}-merged", _use(use))
        assert list((merged.folder / "group/exchange/round-0").glob("merged-0-*.parquet"))
        changed = [name for name in differences(before.folder, merged.folder) if "/exchange/" not in name]
        assert changed == []


def _use(use: str) -> Chain:
    return {"docs": {"use": "toy.lines", "source": "lines"}, "group": {"use": use}}


def test_answers_are_the_same_bytes_on_workers(bench: Workbench, dask: Callable[[int], DaskEngine]) -> None:
    alone = bench.run("alone", chain())
    assert left(alone)
    assert differences(alone.folder, bench.run("dask", chain(), engine=dask(2)).folder) == []


# ---------------------------------------------------------------------------------------------- earlier runs


def months(tmp_path: Path, *contents: list[str]) -> list[Workbench]:
    benches = []
    for number, lines in enumerate(contents):
        bench = Workbench(tmp_path / f"month{number}")
        bench.folder.mkdir(parents=True)
        bench.write(f"m{number}.txt", lines)
        benches.append(bench)
    return benches


def test_documents_of_earlier_runs_come_first_and_their_texts_are_not_read_again(tmp_path: Path) -> None:
    first, second, third = months(tmp_path, ["abc", "xyz", "one two"], ["cab", "pq", "two one"], ["bca", "qp", "new"])
    journal = {"journal": str(tmp_path / "journal")}
    old = first.run("run", chain(index=True, **journal))
    ids = {text: key for key, text in came(old)}
    for path in first.input.iterdir():
        path.unlink()
    middle = second.run("run", chain(index=True, against=[str(old.folder)], **journal))
    assert {text for key, text in came(middle) if key in left(middle)} == {"cab", "two one"}
    verdicts = {row["text"]: row["group.survivor"] for row in corpus(middle, "group", dropped=True).values()}
    assert verdicts == {"cab": ids["abc"], "two one": ids["one two"], "pq": None}
    last = third.run("run", chain(against=[str(old.folder), str(middle.folder)], **journal))
    assert {text for key, text in came(last) if key in left(last)} == {"bca", "qp"}
    lines = (tmp_path / "journal").read_text().splitlines()
    assert sorted(lines) == sorted(["abc", "xyz", "one two", "cab", "pq", "two one", "bca", "qp", "new"])


def test_a_change_of_an_earlier_run_is_noticed(tmp_path: Path) -> None:
    first, second = months(tmp_path, ["abc"], ["cab", "pq"])
    old = first.run("run", chain(index=True))
    against = chain(against=[str(old.folder)])
    assert len(left(second.run("run", against))) == 1
    first.write("m9.txt", ["qp"])
    first.run("run", chain(index=True))
    assert len(left(second.run("run", against))) == 2


def test_what_does_not_serve_is_told(tmp_path: Path) -> None:
    first, second = months(tmp_path, ["abc", "ab"], ["cab", "pq"])
    old = first.run("run", {"docs": {"use": "toy.lines", "source": "lines"}, "group": {"use": "toy.unique"}})
    with pytest.raises(InputError, match="no stage that use"):
        second.run("run", chain(against=[str(old.folder)]))
    with pytest.raises(InputError, match="is no run"):
        second.run("run", chain(against=[str(tmp_path / "nowhere")]))
    (lone,) = months(tmp_path / "lone", ["abc", "ab", "one two three"])
    bare = lone.run("run", chain())  # nothing was asked of its last document
    (third,) = months(tmp_path / "third", ["four five six"])
    with pytest.raises(InputError, match="index: true"):
        third.run("run", chain(against=[str(bare.folder)]))
    lone.run("run", chain(index=True))  # as it says
    assert left(third.run("run", chain(against=[str(bare.folder)]))) == set()
    with pytest.raises(InputError, match="own run"):
        second.run("run", chain(against=[str(second.folder / "run")]))
