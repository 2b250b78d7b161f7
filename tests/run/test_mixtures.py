"""Mixtures: exact epochs, shares by tokens, the same half, parts, curriculum, and what packing leaves of the order."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from datapipe.errors import RecipeError
from tests.run.workbench import Done, Workbench, corpus

SIZES = {"s0": 800, "s1": 500, "s2": 300, "s3": 150, "s4": 90, "s5": 60}  # documents of each source
LENGTH = 64


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """Sources of unlike size, with documents of 1 to 90 tokens, in four files."""
    made = Workbench(tmp_path_factory.mktemp("mixtures"))
    rng = np.random.default_rng(7)
    lines = [
        f"{source}x{int(tokens)}r{int(rng.integers(1000))} {source} {number}"
        for source, count in SIZES.items()
        for number, tokens in enumerate(np.minimum(90, rng.lognormal(2.8, 0.9, count).astype(int) + 1))
    ]
    rng.shuffle(lines)
    for file in range(4):
        made.write(f"f{file}.txt", lines[file::4])
    return made


def chain(mix: dict[str, Any], **pack: Any) -> dict[str, dict[str, Any]]:
    return {
        "docs": {"use": "toy.lines", "source": "lines"},
        "numbers": {"use": "toy.numbered"},
        "mixture": {"use": "mix", **mix},
        "packed": {"use": "pack", "length": LENGTH, **pack},
        "out": {"use": "write.packed"},
    }


def ledger(done: Done) -> dict[str, dict[str, int]]:
    told: dict[str, dict[str, int]] = json.loads((done.folder / "out" / "manifest.json").read_text())["sources"]
    return told


def index(done: Done) -> list[dict[str, Any]]:
    """Every stretch of every sequence, in order; sequences are numbered through."""
    found: list[dict[str, Any]] = []
    before = 0
    for path in sorted((done.folder / "out" / "index").glob("*.parquet")):
        rows = pq.read_table(path).to_pylist()
        found += [{**row, "sequence": row["sequence"] + before} for row in rows]
        before = found[-1]["sequence"] + 1
    return found


def taken(done: Done) -> Counter[str]:
    """How often each document was packed."""
    return Counter(row["id"] for row in index(done) if row["start"] == 0)


def sources_of(done: Done) -> dict[str, str]:
    return {key: row["text"].split("x")[0] for key, row in corpus(done, "docs").items()}


def test_whole_epochs_are_exact_to_the_row(bench: Workbench) -> None:
    done = bench.run("whole", chain({"sources": {"s0": {"epochs": 1}, "s1": {"epochs": 2}, "s2": {"epochs": 2}}}))
    of = sources_of(done)
    copies = {"s0": 1, "s1": 2, "s2": 2}
    assert taken(done) == {key: copies[source] for key, source in of.items() if source in copies}
    assert done.dropped("mixture") == {"not_named": SIZES["s3"] + SIZES["s4"] + SIZES["s5"]}


def test_a_broken_epoch_takes_the_same_documents_whatever_stands_beside(bench: Workbench) -> None:
    alone = taken(bench.run("half", chain({"sources": {"s1": {"epochs": 2.5}}})))
    beside = taken(bench.run("beside", chain({"sources": {"s1": {"epochs": 2.5}, "s0": {"epochs": 1}}})))
    of = sources_of(bench.run("beside", chain({"sources": {"s1": {"epochs": 2.5}, "s0": {"epochs": 1}}})))
    assert alone == {key: count for key, count in beside.items() if of[key] == "s1"}
    assert set(alone.values()) == {2, 3}


def test_parts_of_one_two_and_two_passes_are_exact_to_the_row(bench: Workbench) -> None:
    """Pages with conversations, then conversations with a domain, then the domain: once, twice and twice."""
    web, chats, domain = ({name: {"epochs": 1}} for name in ("s0", "s1", "s2"))
    done = bench.run("stages", chain({"parts": [web | chats, chats | domain, domain]}))
    of, copies = sources_of(done), {"s0": 1, "s1": 2, "s2": 2}
    assert taken(done) == {key: copies[source] for key, source in of.items() if source in copies}
    parts = {key: sorted(place["part"] for place in row["positions"]) for key, row in corpus(done, "mixture").items()}
    expected = {"s0": [0], "s1": [0, 1], "s2": [1, 2]}
    assert parts == {key: expected[source] for key, source in of.items() if source in copies}


def test_a_source_that_is_added_changes_no_choice_in_the_others(bench: Workbench, tmp_path: Path) -> None:
    """Files of a new source come in, and it is named in the mixture: of the old ones the same rows are taken."""
    more = Workbench(tmp_path)
    for path in sorted(bench.input.iterdir()):
        more.write(path.name, path.read_text(encoding="utf-8").splitlines())
    mix = {"s0": {"epochs": 0.4}, "s1": {"epochs": 1.7}, "s4": {"epochs": 3.5}}
    before = taken(more.run("before", chain({"sources": mix})))
    more.write("new.txt", [f"s9x{1 + number % 50}r1 s9 {number}" for number in range(300)])
    done = more.run("after", chain({"sources": {**mix, "s9": {"epochs": 2.5}}}))
    of = sources_of(done)
    after = taken(done)
    assert before == {key: count for key, count in after.items() if of[key] != "s9"}
    assert sum(of[key] == "s9" for key in after) == 300


@pytest.mark.parametrize("overlong", ["chunk", "cut", "drop"])
def test_the_ledger_adds_up_by_source(bench: Workbench, overlong: str) -> None:
    """Tokens of all copies = packed + cut + those of documents that are dropped; padding apart."""
    mix = {"sources": {name: {"epochs": 1.5} for name in SIZES}}
    done = bench.run(f"ledger-{overlong}", chain(mix, overlong=overlong))
    rows, told = corpus(done, "mixture"), ledger(done)
    due: Counter[str] = Counter()
    for row in rows.values():
        due[row["source"]] += row["token_count"] * len(row["positions"])
    dropped: Counter[str] = Counter()
    for key in rows.keys() - corpus(done, "packed").keys():
        dropped[rows[key]["source"]] += rows[key]["token_count"] * len(rows[key]["positions"])
    assert bool(dropped) == (overlong == "drop")
    assert {name: each["tokens"] + each["cut"] + dropped[name] for name, each in told.items()} == due
    assert any(each["cut"] for each in told.values()) == (overlong == "cut")
    held: Counter[str] = Counter()
    for stretch in index(done):
        held[stretch["source"]] += stretch["end"] - stretch["start"]
    assert {name: each["tokens"] for name, each in told.items()} == held


def test_token_shares_come_out_as_planned(bench: Workbench) -> None:
    weights = {"s0": 30, "s1": 25, "s2": 20, "s3": 10, "s4": 10, "s5": 5}
    mix = {"sources": {name: {"weight": weight} for name, weight in weights.items()}, "total": 200_000}
    counts = ledger(bench.run("weights", chain(mix)))
    whole = sum(each["tokens"] for each in counts.values())
    for name, weight in weights.items():
        assert abs(counts[name]["tokens"] / whole - weight / 100) < 0.001
    assert abs(whole - 200_000) < 400


def test_parts_follow_each_other_and_a_half_goes_on_where_it_ended(bench: Workbench) -> None:
    half = {"s0": {"epochs": 0.5}}
    done = bench.run("parts", chain({"parts": [{**half, "s5": {"epochs": 1}}, half, {"s1": {"epochs": 1}}]}))
    of = sources_of(done)
    assert taken(done) == {key: 1 for key, source in of.items() if source in {"s0", "s1", "s5"}}
    rows = index(done)
    whole = rows[-1]["sequence"]
    seen = {name: [row["sequence"] / whole for row in rows if row["source"] == name] for name in ("s0", "s1", "s5")}
    assert np.quantile(seen["s0"], 0.98) < np.quantile(seen["s1"], 0.02)
    assert np.quantile(seen["s5"], 0.98) < 0.45


def test_epochs_of_one_source_follow_each_other(bench: Workbench) -> None:
    rows = index(bench.run("epochs", chain({"sources": {"s0": {"epochs": 3}}}, block=20)))
    third = rows[-1]["sequence"] / 3
    per_third = [
        Counter(row["id"] for row in rows if row["start"] == 0 and row["sequence"] // third == at) for at in range(3)
    ]
    for each in per_third:
        assert sum(count > 1 for count in each.values()) < 0.05 * len(each)


def test_sources_keep_their_shares_along_the_order_and_fill_is_not_told_by_it(bench: Workbench) -> None:
    rows = index(bench.run("along", chain({"sources": {name: {"epochs": 8} for name in SIZES}})))
    count = rows[-1]["sequence"] + 1
    names = sorted(SIZES)
    tokens = np.zeros((count, len(names)))
    for row in rows:
        tokens[row["sequence"], names.index(row["source"])] += row["end"] - row["start"]
    ends = np.concatenate([np.zeros((1, len(names))), np.cumsum(tokens, axis=0)])
    window = ends[1000:] - ends[:-1000]
    shares = window / window.sum(axis=1, keepdims=True)
    assert np.abs(shares - tokens.sum(axis=0) / tokens.sum()).max() < 0.01
    fill = tokens.sum(axis=1)
    assert fill[:-1].mean() > 0.994 * LENGTH
    # Chance alone gives 1 / sqrt(count) = 0.013; tests/algo/test_packing.py holds a longer order to 0.02.
    assert abs(np.corrcoef(np.arange(count), fill)[0, 1]) < 0.06


@pytest.mark.parametrize("descending", [False, True])
def test_a_curriculum_survives_packing(bench: Workbench, *, descending: bool) -> None:
    mix = {"order": "numbers.rank", "descending": descending}
    done = bench.run(f"curriculum{descending}", chain(mix, block=50))
    rank = {key: int(row["text"].split()[0].split("r")[1]) for key, row in corpus(done, "docs").items()}
    rows = [row for row in index(done) if row["start"] == 0]
    along = np.corrcoef([row["sequence"] for row in rows], [rank[row["id"]] for row in rows])[0, 1]
    assert (-along if descending else along) > 0.95
    assert set(taken(done)) == set(rank)


def test_another_seed_gives_another_order_and_the_same_one_the_same(bench: Workbench) -> None:
    first, again, other = (
        index(bench.run(name, chain({"seed": seed}))) for name, seed in (("one", 1), ("two", 1), ("three", 2))
    )
    assert first == again
    assert first != other
    assert taken_rows(first) == taken_rows(other)


def taken_rows(rows: list[dict[str, Any]]) -> set[str]:
    return {row["id"] for row in rows}


@pytest.mark.parametrize(
    ("mix", "says"),
    [
        ({"sources": {"s0": {}}}, "give either `epochs` or `weight`"),
        ({"sources": {"s0": {"epochs": 1}}, "parts": [{"s0": {"epochs": 1}}]}, "not both"),
        ({"sources": {"s0": {"epochs": -1}}}, "at least 0|greater than or equal to 0"),
    ],
)
def test_a_mixture_that_says_nothing_clear_is_refused(bench: Workbench, mix: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        bench.recipe("bad", chain(mix))
