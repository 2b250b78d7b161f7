"""Packed sequences from a run: every token in its place, the ledger, any number of workers, kills and new input."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datapipe.engine.cluster import DaskEngine
from datapipe.engine.local import LocalEngine
from datapipe.run.standing import run_state
from tests.run.workbench import Done, Workbench, corpus, differences

NO_LOSS = -100


def chain(*, pack: dict[str, Any] | None = None, write: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    return {
        "docs": {"use": "toy.lines", "source": "lines", "shard_bytes": 200},
        "tokens": {"use": "toy.tokens"},
        "packed": {"use": "pack", "length": 32, **(pack or {})},
        "out": {"use": "write.packed", **(write or {})},
    }


def sequences(done: Done, stage: str = "out") -> list[dict[str, Any]]:
    """All sequences in order, each with the stretches that the index tells of it."""
    found = []
    for path in sorted((done.folder / stage).glob("*.arrow")):
        rows = pa.ipc.open_stream(path.read_bytes()).read_all().to_pylist()
        index = pq.read_table(done.folder / stage / "index" / f"{path.stem}.parquet").to_pylist()
        for number, row in enumerate(rows):
            found.append(row | {"index": [each for each in index if each["sequence"] == number]})
    return found


def manifest(done: Done) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((done.folder / "out" / "manifest.json").read_text())
    return told


def texts(done: Done) -> dict[str, bytes]:
    return {key: row["text"].encode() for key, row in corpus(done, "docs").items()}


@pytest.mark.parametrize("method", ["fit", "concat", "none"])
def test_every_token_of_every_document_stands_once_at_its_place(tmp_path: Path, method: str) -> None:
    done = Workbench(tmp_path).fill(files=4).run("run", chain(pack={"method": method}))
    came, found = texts(done), dict[str, dict[int, int]]()
    for sequence in sequences(done):
        assert len(sequence["input_ids"]) <= 32
        assert sequence["seq_lengths"] == [each["end"] - each["start"] for each in sequence["index"]]
        for stretch in sequence["index"]:
            text = came[stretch["id"]]
            odd = len(text) % 2
            for at in range(stretch["start"], stretch["end"]):
                here = stretch["offset"] + at - stretch["start"]
                token = sequence["input_ids"][here]
                found.setdefault(stretch["id"], {})[at] = token
                carries = (odd or at % 2 == 0) and at > stretch["start"]
                assert sequence["labels"][here] == (token if carries else NO_LOSS)
    assert {key: bytes(each[at] for at in sorted(each)) for key, each in found.items()} == came
    assert len(done.records("out")) > 3
    counts = manifest(done)["sources"][""]
    assert counts["tokens"] == sum(map(len, came.values()))
    assert (counts["documents"], counts["cut"]) == (len(came), 0)
    labels = [label for each in sequences(done) for label in each["labels"]]
    assert counts["trained"] == sum(label != NO_LOSS for label in labels)


def test_what_is_too_long_is_cut_or_leaves_and_the_ledger_says_so(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.write("a.txt", ["x" * 70, "y" * 32, "z" * 5])
    cut = manifest(bench.run("cut", chain(pack={"overlong": "cut"})))
    assert (cut["documents"], cut["tokens"], cut["cut"], cut["sequences"]) == (3, 69, 38, 3)
    assert cut["padding"] == 3 * 32 - 69
    dropped = bench.run("drop", chain(pack={"overlong": "drop"}))
    assert dropped.dropped("packed") == {"too_long": 1}
    assert manifest(dropped)["tokens"] == 37
    whole = manifest(bench.run("chunk", chain()))
    assert (whole["tokens"], whole["cut"], whole["pieces"]) == (107, 0, 5)


def test_a_corpus_that_fills_one_sequence_is_packed(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.write("a.txt", ["one text"])
    assert [bytes(each["input_ids"]) for each in sequences(bench.run("run", chain()))] == [b"one text"]


def test_datasets_opens_the_files(tmp_path: Path) -> None:
    datasets = importlib.import_module("datasets")  # a second, for one test
    done = Workbench(tmp_path).fill(files=3).run("run", chain(write={"file_tokens": 300, "files_of": 2}))
    opened = datasets.load_from_disk(str(done.folder / "out"))
    mine = sequences(done)
    assert len(list((done.folder / "out").glob("*.arrow"))) % 2 == 0
    assert len(opened) == len(mine) == manifest(done)["sequences"]
    assert [row["input_ids"] for row in opened] == [row["input_ids"] for row in mine]
    assert set(opened.column_names) == {"input_ids", "labels", "seq_lengths"}


def test_any_number_of_workers_and_runs_in_turn_give_the_same_bytes(
    tmp_path: Path, dask: Callable[[int], DaskEngine]
) -> None:
    bench = Workbench(tmp_path).fill(files=3)
    small = chain(write={"file_tokens": 300})
    one = bench.run("one", small)
    two = bench.run("two", small, engine=dask(2))
    assert differences(one.folder, two.folder) == []
    bench.run("turn", small)
    bench.fill(files=5)
    turn, fresh = bench.run("turn", small), bench.run("fresh", small)
    assert differences(fresh.folder, turn.folder) == []
    assert all(state.state == "done" for state in run_state(bench.recipe("turn", small)))
    assert bench.run("turn", small).told.tasks == 0


class Stopping(LocalEngine):
    """Stops dead before one of its tasks."""

    def __init__(self, tasks: int) -> None:
        self._left = tasks

    def map(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        for task in tasks:
            if not self._left:
                raise KeyboardInterrupt
            self._left -= 1
            yield function(task)


def test_stopped_before_any_task_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    bench = Workbench(tmp_path).fill(files=2)
    small = chain(write={"file_tokens": 300})
    alone = bench.run("alone", small)
    for tasks in range(100):
        run, stopped = f"run-{tasks}", False
        try:
            bench.run(run, small, engine=Stopping(tasks))
        except KeyboardInterrupt:
            stopped = True
            assert not (tmp_path / run / "out" / "state.json").exists()
        again = bench.run(run, small)
        assert differences(alone.folder, again.folder) == []
        if not stopped:
            assert tasks > 10
            return
    pytest.fail("it never came to an end")


def test_a_stop_while_files_are_written_anew_leaves_the_old_ones_or_none_to_open(tmp_path: Path) -> None:
    bench = Workbench(tmp_path).fill(files=2)
    old = {path.name: path.read_bytes() for path in (bench.run("run", chain()).folder / "out").glob("*.arrow")}
    states = set()
    for tasks in range(100):
        run = tmp_path / f"run-{tasks}"
        shutil.copytree(tmp_path / "run", run)
        try:
            bench.run(run.name, chain(pack={"length": 16}, write={"files_of": 3}), engine=Stopping(tasks))
            break
        except KeyboardInterrupt:
            whole = (run / "out" / "state.json").exists()
            states.add(whole)
            assert not whole or {path.name: path.read_bytes() for path in (run / "out").glob("*.arrow")} == old
    assert states == {True, False}


def test_a_file_that_is_lost_is_made_anew(tmp_path: Path) -> None:
    bench = Workbench(tmp_path).fill(files=2)
    done = bench.run("run", chain())
    before = [each["input_ids"] for each in sequences(done)]
    next((done.folder / "out").glob("*.arrow")).unlink()
    assert [state.state for state in run_state(bench.recipe("run", chain()))][-1] != "done"
    again = bench.run("run", chain())
    assert [each["input_ids"] for each in sequences(again)] == before
    assert not (done.folder / "out" / "exchange").exists()


def test_no_file_of_an_earlier_cut_stays(tmp_path: Path) -> None:
    bench = Workbench(tmp_path).fill(files=2)
    bench.run("run", chain(write={"files_of": 4}))
    done = bench.run("run", chain(write={"files_of": 3}))
    assert sorted(path.name for path in (done.folder / "out").glob("*.arrow")) == [
        f"data-{at:05d}-of-00003.arrow" for at in range(3)
    ]
    assert len(list((done.folder / "out" / "index").iterdir())) == 3
