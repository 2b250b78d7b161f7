"""Every stage of deduplication gives the same bytes for any number of workers, and the same survivors in any order."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from datapipe.engine.cluster import DaskEngine
from tests.run.copies import CUTTING, DROPPING, SHORT, STAGES, chain, documents, layers, left, texts, write
from tests.run.workbench import Workbench, corpus, differences

ROWS = documents()


@pytest.mark.parametrize("workers", [2, *(pytest.param(n, marks=pytest.mark.full) for n in (1, 4))])
def test_any_number_of_workers_gives_the_bytes_of_the_local_engine(
    all_stages: Workbench, dask: Callable[[int], DaskEngine], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datapipe.run.group.RANGE_ROWS", SHORT)
    together = all_stages.run(f"workers-{workers}", chain(all_stages, *STAGES), engine=dask(workers))
    assert differences(all_stages.folder / "alone", together.folder) == []


def test_the_length_of_ranges_changes_no_layer(all_stages: Workbench) -> None:
    whole = all_stages.run("whole", chain(all_stages, *STAGES))
    assert [name for name in differences(all_stages.folder / "alone", whole.folder) if "/round-" not in name] == []


# ---------------------------------------------------------------------------------------------- other orders


def _benches(tmp_path: Path, seed: int) -> tuple[Workbench, Workbench]:
    """The same documents over four files, and in another order over three."""
    one, other = Workbench(tmp_path / "one"), Workbench(tmp_path / "other")
    shuffled = list(ROWS)
    random.Random(seed).shuffle(shuffled)
    for bench, rows, files in ((one, ROWS, 4), (other, shuffled, 3)):
        bench.folder.mkdir()
        write(bench, rows, files=files)
    return one, other


RULES = ("longest", "newest", "oldest", "best:bytes")
FEW = {("url", "longest"), ("exact", "newest"), ("near", "best:bytes"), ("vectors", "longest")}


@pytest.mark.parametrize(
    ("stage", "survivor"),
    [
        pytest.param(stage, rule, marks=() if (stage, rule) in FEW else pytest.mark.full)
        for stage in DROPPING
        for rule in RULES
    ],
)
def test_by_a_rule_that_looks_at_documents_the_same_ids_survive_wherever_they_stand(
    tmp_path: Path, stage: str, survivor: str
) -> None:
    dated = {"dated": "date"} if survivor in {"newest", "oldest"} else {}
    one, other = (
        bench.run("run", chain(bench, stage, survivor=survivor, **dated)) for bench in _benches(tmp_path, len(survivor))
    )
    assert set(corpus(one, stage)) == set(corpus(other, stage))
    told = [{row["id"]: row[f"{stage}.survivor"] for row in layers(done, stage)} for done in (one, other)]
    assert told[0] == told[1]
    assert len(left(one, stage)) > 10


@pytest.mark.parametrize("stage", DROPPING)
def test_where_the_first_stays_the_order_of_the_corpus_decides_and_nothing_else(tmp_path: Path, stage: str) -> None:
    one, other = (bench.run("run", chain(bench, stage)) for bench in _benches(tmp_path, 1))
    alike: defaultdict[str, set[str]] = defaultdict(set)
    for row in layers(one, stage):
        alike[row[f"{stage}.survivor"] or row["id"]].add(row["id"])
    order = list(corpus(other, "docs"))
    expected = {min(same, key=order.index) for same in alike.values()}
    assert set(corpus(other, stage)) == expected
    assert expected != set(corpus(one, stage))


@pytest.mark.parametrize("stage", CUTTING)
def test_where_no_copy_stays_the_same_is_cut_wherever_documents_stand(tmp_path: Path, stage: str) -> None:
    one, other = (bench.run("run", chain(bench, stage, keep="none")) for bench in _benches(tmp_path, 2))
    assert texts(one, stage) == texts(other, stage)
    assert sum(bool(row[f"{stage}.spans"]) for row in layers(one, stage)) > 10


def test_the_order_of_the_corpus_is_that_of_file_names_and_lines(tmp_path: Path) -> None:
    """What the tests above rest on."""
    _, other = _benches(tmp_path, 1)
    done = other.run("run", chain(other, "exact"))
    lines = [line for file in sorted(other.input.iterdir()) for line in file.read_text().splitlines()]
    assert list(corpus(done, "docs")) == [json.loads(line)["id"] for line in lines]
