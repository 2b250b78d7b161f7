"""Snapshots in turn: what stood in an earlier run leaves here, and no text of that run is read again.

The texts of the earlier runs are made unreadable first: their input is removed, and every file of theirs but the
records, the keys and the measured documents becomes rubbish.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from datapipe.engine.cluster import DaskEngine
from datapipe.errors import InputError
from tests.run.copies import Document, chain, documents, jaccard, layers, texts, write
from tests.run.workbench import Done, Workbench, corpus, differences

DROPPING = ("url", "exact", "near", "vectors")
CUTTING = ("paragraphs", "lines", "runs")
ROWS = documents(180, seed=3)
FEW = {("url", 2), ("exact", 3), ("paragraphs", 2), ("lines", 3), ("runs", 3)}


def cut(rows: Sequence[Document], snapshots: int) -> list[Sequence[Document]]:
    share = len(rows) // snapshots
    return [rows[at * share : (at + 1) * share] for at in range(snapshots)]


class Snapshots:
    """The same documents in one run, and in turn: each run with all before it in `against`."""

    def __init__(self, folder: Path, parts: Sequence[Sequence[Document]]) -> None:
        self.parts = parts
        self.together = self._bench(folder / "together")
        self.benches = [self._bench(folder / f"snapshot-{at}") for at in range(len(parts))]
        for at, rows in enumerate(parts):
            for bench in (self.together, self.benches[at]):
                write(bench, rows, files=2, name=f"s{at}-")

    @staticmethod
    def _bench(folder: Path) -> Workbench:
        folder.mkdir(parents=True)
        return Workbench(folder)

    def joint(self, stage: str, **options: object) -> Done:
        return self.together.run("run", chain(self.together, stage, **options))

    def in_turn(self, stage: str, **options: object) -> list[Done]:
        done: list[Done] = []
        for bench in self.benches:
            against = [str(each.folder) for each in done]
            done.append(bench.run("run", chain(bench, stage, index=True, against=against, **options)))
            kept = {"texts": texts(done[-1], stage), "layers": list(layers(done[-1], stage))}
            self.__dict__.setdefault(stage, []).append(kept)
            ruin(bench, done[-1].folder)
        return done

    def texts(self, stage: str) -> dict[str, str]:
        """What the runs in turn keep together, as it was before it was ruined."""
        return {key: text for kept in self.__dict__[stage] for key, text in kept["texts"].items()}

    def layers(self, stage: str) -> list[Document]:
        return [row for kept in self.__dict__[stage] for row in kept["layers"]]


def ruin(bench: Workbench, run: Path) -> None:
    """Leave nothing of a run that can be read but its books, its keys and what it measured."""
    shutil.rmtree(bench.input)
    ruined = [
        path for path in run.rglob("*.parquet") if path.name != "records.parquet" and "exchange" not in path.parts
    ]
    assert ruined
    for path in ruined:
        path.write_bytes(b"no Parquet file")


@pytest.mark.parametrize(
    ("stage", "snapshots"),
    [
        pytest.param(stage, count, marks=() if (stage, count) in FEW else pytest.mark.full)
        for stage in ("url", "exact", *CUTTING)
        for count in (2, 3)
    ],
)
def test_snapshots_in_turn_keep_what_one_run_over_all_keeps(tmp_path: Path, stage: str, snapshots: int) -> None:
    made = Snapshots(tmp_path, cut(ROWS, snapshots))
    joint = made.joint(stage)
    made.in_turn(stage)
    assert made.texts(stage) == texts(joint, stage)
    seen = [{row["id"]: _evidence(row, stage) for row in rows} for rows in (made.layers(stage), layers(joint, stage))]
    assert seen[0] == seen[1]


def _evidence(row: Document, stage: str) -> object:
    """What does not depend on documents that came later: how many copies there are does."""
    return row[f"{stage}.survivor"] if stage in DROPPING else row[f"{stage}.spans"]


@pytest.mark.parametrize("stage", ["exact", "lines"])
def test_what_earlier_runs_have_decides(tmp_path: Path, stage: str) -> None:
    """Without `against` the test above would fail."""
    made = Snapshots(tmp_path, cut(ROWS, 2))
    second = made.benches[1].run("alone", chain(made.benches[1], stage))
    kept = texts(made.joint(stage), stage)
    assert any(kept.get(key) != text for key, text in texts(second, stage).items())


def test_the_document_that_stays_is_named_by_its_id_in_the_earlier_run(tmp_path: Path) -> None:
    made = Snapshots(tmp_path, cut(ROWS, 2))
    made.in_turn("exact")
    old = {row["id"] for row in made.parts[0]}
    survivors = {row["exact.survivor"] for row in made.layers("exact") if row["id"] not in old} - {None}
    assert survivors & old
    by_id = {row["id"]: row["text"].lower() for row in ROWS}
    for row in made.layers("exact"):
        assert row["exact.survivor"] is None or by_id[row["exact.survivor"]] == by_id[row["id"]]


# ---------------------------------------------------------------------------------------------- near duplicates

LINKED = 0.75


def clusters(rows: Sequence[Document]) -> list[set[str]]:
    """Documents that chains of links of LINKED or more hold together, each pair compared."""
    of = {row["id"]: {row["id"]} for row in rows}
    for at, row in enumerate(rows):
        for other in rows[:at]:
            if of[row["id"]] is not of[other["id"]] and jaccard(row["text"], other["text"]) >= LINKED:
                joined = of[row["id"]] | of[other["id"]]
                of.update(dict.fromkeys(joined, joined))
    return list({id(cluster): cluster for cluster in of.values()}.values())


def bridged_rows() -> list[Document]:
    """80 documents, and pairs that are linked by a third which comes at the end."""
    rows = documents(80, seed=4)
    ends = []
    for at in range(3):
        lines = [" ".join(f"{a}{b}{at}".translate(DIGITS) for b in range(12)) for a in "abcdefghij"]
        first, last = lines.copy(), lines.copy()
        first[2] = f"other {first[2].partition(' ')[2]}"
        last[7] = f"words {last[7].partition(' ')[2]}"
        first[4], last[5] = f"new {first[4].partition(' ')[2]}", f"more {last[5].partition(' ')[2]}"
        pair = [document(f"bridge{at}-{name}", "\n".join(text)) for name, text in (("one", first), ("two", last))]
        rows[10 + at * 7 : 10 + at * 7] = pair
        ends.append(document(f"bridge{at}-joint", "\n".join(lines)))
    return [*rows, *ends]


DIGITS = str.maketrans("0123456789", "abcdefghij")


def document(key: str, text: str) -> Document:
    return {"id": key, "url": f"https://bridge.example/{key}", "text": text, "date": "2026-01-01"}


def test_near_duplicates_in_turn_equal_one_run_but_for_documents_that_a_new_one_bridges(tmp_path: Path) -> None:
    rows = bridged_rows()
    made = Snapshots(tmp_path, [rows[:50], rows[50:]])
    joint = made.joint("near")
    made.in_turn("near")
    old = {row["id"] for row in made.parts[0]}
    order = [row["id"] for row in rows]
    expected, bridged = set(order), set()
    old_clusters = clusters(made.parts[0])
    for cluster in clusters(rows):
        stayed = {min(part, key=order.index) for part in old_clusters if part <= cluster}
        survivors = stayed or {min(cluster, key=order.index)}
        expected -= cluster - survivors
        bridged |= survivors - {min(survivors, key=order.index)}
    assert bridged == {"bridge0-two", "bridge1-two", "bridge2-two"}
    assert set(made.texts("near")) == expected
    assert set(corpus(joint, "near")) == expected - bridged
    told = [key for row in made.layers("near") for key in row["near.bridged"] or ()]
    assert sorted(told) == sorted(bridged)
    assert {row["id"] for row in made.layers("near") if row["near.survivor"] in old and row["id"] not in old}


def test_three_snapshots_of_near_duplicates_keep_one_of_each_cluster(tmp_path: Path) -> None:
    """No document joins two clusters here, so that in turn and together are the same."""
    rows = documents(150, seed=5)
    made = Snapshots(tmp_path, cut(rows, 3))
    joint = made.joint("near")
    made.in_turn("near")
    assert set(made.texts("near")) == set(corpus(joint, "near"))
    assert not any(row["near.bridged"] for row in made.layers("near"))
    survivors = [
        {row["id"]: row["near.survivor"] for row in found} for found in (made.layers("near"), layers(joint, "near"))
    ]
    assert survivors[0] == survivors[1]
    late = {row["id"] for row in made.parts[2]}
    owners = {row["near.survivor"] for row in made.layers("near") if row["id"] in late} - {None}
    assert all(owners & {row["id"] for row in part} for part in made.parts[:2])


def test_a_run_that_is_asked_for_an_index_afterwards_has_the_bytes_of_one_that_kept_it_at_once(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    write(bench, ROWS[:60], files=2)
    bench.run("run", chain(bench, "near"))
    later = bench.run("run", chain(bench, "near", index=True))
    assert differences(bench.run("fresh", chain(bench, "near", index=True)).folder, later.folder) == []


@pytest.mark.full
def test_workers_give_the_same_bytes_with_earlier_runs(tmp_path: Path, dask: Callable[[int], DaskEngine]) -> None:
    made = Snapshots(tmp_path, cut(ROWS, 2))
    first, second = made.benches
    for stage in (*DROPPING, *CUTTING):
        old = first.run(f"{stage}-old", chain(first, stage, index=True))
        options = {"against": [str(old.folder)], "index": True}
        options |= {"resource": str(old.folder)} if stage == "vectors" else {}
        alone = second.run(f"{stage}-alone", chain(second, stage, **options))
        for workers in (1, 2, 4):
            shared = second.run(f"{stage}-{workers}", chain(second, stage, **options), engine=dask(workers))
            assert differences(alone.folder, shared.folder) == []


# ---------------------------------------------------------------------------------------------- vectors


def vectors_in_turn(made: Snapshots) -> tuple[dict[str, object], dict[str, object], list[Done]]:
    """The survivors of one run over all, in the blocks of the first snapshot, and of runs in turn."""
    done: list[Done] = []
    found: dict[str, object] = {}
    for bench in made.benches:
        options: Document = {"index": True, "against": [str(each.folder) for each in done]}
        if done:
            options["resource"] = str(done[0].folder)
        done.append(bench.run("run", chain(bench, "vectors", **options)))
        found |= {row["id"]: row["vectors.survivor"] for row in layers(done[-1], "vectors")}
        ruin(bench, done[-1].folder)
    joint = made.joint("vectors", resource=str(done[0].folder))
    return {row["id"]: row["vectors.survivor"] for row in layers(joint, "vectors")}, found, done


def test_vectors_in_turn_equal_one_run_in_the_same_blocks(tmp_path: Path) -> None:
    """No document joins two clusters here: they lie around vectors that are far from each other."""
    made = Snapshots(tmp_path, cut(ROWS, 3))
    joint, in_turn, done = vectors_in_turn(made)
    assert in_turn == joint
    late = {row["id"] for row in made.parts[2]}
    owners = {joint[key] for key in late} - {None}
    assert all(owners & {row["id"] for row in part} for part in made.parts[:2])
    assert done[1].context.paths.resources == done[0].context.paths.resources


def test_runs_whose_blocks_are_others_do_not_compare(tmp_path: Path) -> None:
    first, second = Snapshots(tmp_path, cut(ROWS[:90], 2)).benches
    old = first.run("run", chain(first, "vectors", index=True))
    with pytest.raises(InputError, match=r"rest on what this run prepared.*resource: "):
        second.run("run", chain(second, "vectors", against=[str(old.folder)]))
