"""`match: ngrams` through whole runs: what an earlier run has counts, and its texts are not read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datapipe.engine.cluster import DaskEngine
from datapipe.errors import InputError
from tests.run.workbench import Done, Workbench, corpus, differences

SEVEN = "a b c d e f g"  # five n-grams of three words
OLD = [SEVEN, "今天天气很好我们去公园", "nothing like it"]
NEW = [
    "a b c d e f x",  # 4 of 5
    "a b c d x y z",  # 2 of 5
    "今天天气很好我们去学校",  # 7 of 9
    "今天天气很好我们去公园",
    "one that is new",
]


def chain(use: str, **options: Any) -> dict[str, dict[str, Any]]:
    settings = {"match": "ngrams", "ngram": 3, "min_share": 0.75, "max_seen": None, "min_words": None}
    return {"docs": {"use": "toy.lines", "source": "lines"}, "group": {"use": use, **settings, **options}}


def bench_of(folder: Path, name: str, lines: list[str]) -> Workbench:
    bench = Workbench(folder)
    folder.mkdir(parents=True)
    bench.write(name, lines)
    return bench


def left(done: Done) -> dict[str, str]:
    """What is left of each text."""
    before = corpus(done, "docs")
    return {before[key]["text"]: row["text"] for key, row in corpus(done, "group").items()}


@pytest.mark.parametrize("use", ["dedup.lines", "dedup.paragraphs"])
def test_what_an_earlier_run_has_is_cut_of_a_later_one(tmp_path: Path, use: str) -> None:
    first, second = bench_of(tmp_path / "one", "m1.txt", OLD), bench_of(tmp_path / "two", "m2.txt", NEW)
    old = first.run("run", chain(use))
    assert left(old) == {text: text for text in OLD}
    for path in first.input.iterdir():
        path.unlink()
    new = second.run("run", chain(use, against=[str(old.folder)]))
    gone = {NEW[0], NEW[2], NEW[3]}
    assert left(new) == {text: "" if text in gone else text for text in NEW}
    alone = second.run("alone", chain(use))
    assert left(alone)[NEW[0]] == NEW[0]  # nobody has it before
    dropped = second.run("dropped", chain(use, against=[str(old.folder)], max_seen=0.8))
    assert dropped.dropped("group") == {"mostly_seen": 1}


def test_runs_with_other_n_grams_do_not_compare(tmp_path: Path) -> None:
    first, second = bench_of(tmp_path / "one", "m1.txt", OLD), bench_of(tmp_path / "two", "m2.txt", NEW)
    old = first.run("run", chain("dedup.lines", ngram=4))
    with pytest.raises(InputError, match=r"ngram"):
        second.run("run", chain("dedup.lines", against=[str(old.folder)]))


def test_workers_and_ranges_of_keys_make_no_difference(
    tmp_path: Path, dask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = bench_of(tmp_path / "one", "m1.txt", [*OLD, *NEW])
    bench.write("m2.txt", [*NEW, *OLD])
    made = chain("dedup.paragraphs")
    plain = bench.run("plain", made)
    workers: DaskEngine = dask(2)
    assert differences(plain.folder, bench.run("dask", made, engine=workers).folder) == []
    monkeypatch.setattr("datapipe.run.group.RANGE_ROWS", 7)
    assert corpus(bench.run("ranges", made), "group") == corpus(plain, "group")
