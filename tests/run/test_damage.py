"""Damaged files, full and closed disks, two drivers: one clear line each, and nothing already done is lost.

Every error names what it is about and a remedy; following the remedy ends with the bytes of a fresh run.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datapipe.corpus import lease
from datapipe.corpus.store import Store
from datapipe.errors import ConservationError, CorruptData, DatapipeError, InputError, LeaseHeld, RunError
from tests.run.workbench import Workbench, corpus, differences, shards_by_file, stages, table

CHANGED = stages(docs={"sample": 0.9}, count={"min_words": 2}, again={"min_words": 2})  # reads every kind of file


def _one_line(error: pytest.ExceptionInfo[DatapipeError]) -> str:
    """The message, which is one line and says what to do."""
    text = str(error.value)
    assert "\n" not in text
    assert error.value.remedy
    return text


# ---------------------------------------------------------------------------------------------- damaged files


def _rewrite(path: Path, changed: pa.Table) -> None:
    pq.write_table(changed, path)


def _swap(path: Path) -> None:
    """Exchange the values of the first row and of one that has others, but not their numbers."""
    whole = table(path)
    values = [{name: value for name, value in row.items() if name != "row"} for row in whole.to_pylist()]
    other = next((number for number, row in enumerate(values) if row != values[0]), None)
    assert other is not None, "all rows hold the same"
    order = list(range(len(whole)))
    order[0], order[other] = other, 0
    moved = whole.take(pa.array(order))
    _rewrite(path, moved.set_column(0, "row", whole["row"]) if "row" in whole.column_names else moved)


def _foreign(path: Path) -> None:
    """The file of another shard of the same stage."""
    kind = ".reasons.parquet" if path.name.endswith(".reasons.parquet") else ".parquet"
    same = [p for p in path.parent.glob(f"*-*{kind}") if p.name.count(".") == path.name.count(".")]
    shutil.copyfile(next(p for p in sorted(same) if p.read_bytes() != path.read_bytes()), path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "zero bytes": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "tail lost": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "other schema": lambda path: _rewrite(path, pa.table({"x": list(range(len(table(path))))})),
    "swapped rows": _swap,
    "lost row": lambda path: _rewrite(path, table(path).slice(1)),
    "foreign file": _foreign,
    "missing": Path.unlink,
}
FILES = {
    "base": "docs/{}.parquet",
    "source reasons": "docs/{}.reasons.parquet",
    "layer": "count/{}.parquet",
    "layer of text": "upper/{}.parquet",
    "keys": "unique/exchange/{}.parquet",
    "documents with keys": "unique/exchange/{}.reasons.parquet",
    "verdict layer": "again/{}.parquet",
}


NO_VALUES = ("documents with keys", "swapped rows")  # rows of nothing but their numbers


def _cases() -> list[object]:
    """Each damage to a layer and one to each other file in CI; all others under `full`."""
    few = {("layer", damage) for damage in DAMAGES} | set(zip(FILES, DAMAGES, strict=False))
    every = [(name, damage) for name in FILES for damage in DAMAGES if (name, damage) != NO_VALUES]
    return [case if case in few else pytest.param(*case, marks=pytest.mark.full) for case in every]


class Ward:
    """A finished run, of which each test damages a copy, and what fresh runs give."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self._patients = 0
        self.well = bench.run("well")
        self.changed = bench.run("changed", CHANGED)
        self.shard = shards_by_file(self.well)["f2.txt"][0]
        self.varied = shards_by_file(self.well)["f1.txt"][0]  # of texts that differ in words to the end

    def patient(self) -> Path:
        self._patients += 1
        return Path(shutil.copytree(self.well.folder, self.bench.folder / f"patient-{self._patients}"))

    def healed(self, folder: Path) -> None:
        self.bench.run(folder.name)
        assert differences(self.well.folder, folder) == []


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Ward:
    return Ward(Workbench(tmp_path_factory.mktemp("ward")).fill(files=4))


@pytest.mark.parametrize(("name", "damage"), _cases())
def test_a_damaged_file_is_named_and_made_anew(ward: Ward, name: str, damage: str) -> None:
    run = ward.patient()
    path = run / FILES[name].format(ward.varied if damage == "swapped rows" else ward.shard)
    DAMAGES[damage](path)
    if damage != "missing":
        with pytest.raises(CorruptData) as told:
            ward.bench.run(run.name, CHANGED)
        line = _one_line(told)
        assert str(path) in line
        assert "delete it and run again" in line
        path.unlink()
    done = ward.bench.run(run.name, CHANGED)
    # Layers may hold measures of documents that no longer come in; all else is as in a fresh run.
    differ = differences(ward.changed.folder, run)
    assert [file for file in differ if not file.startswith(("count/", "upper/", "again/"))] == []
    for stage in stages():
        assert corpus(done, stage) == corpus(ward.changed, stage)


@pytest.mark.parametrize(("name", "again"), [("count", {"count"}), ("docs", {"count"}), ("again", {"again"})])
def test_what_was_finished_is_not_done_again_for_one_damaged_file(ward: Ward, name: str, again: set[str]) -> None:
    run = ward.patient()
    (run / f"{name}/{ward.shard}.parquet").unlink()
    done = ward.bench.run(run.name)
    assert {line.split()[0] for line in done.read} <= {"f2.txt"}
    assert set(done.measured) <= again
    assert all(text.lower().startswith("f2n") for texts in done.measured.values() for text in texts)
    assert differences(ward.well.folder, run) == []


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_damaged_verdicts_are_resolved_anew(ward: Ward, damage: str) -> None:
    run = ward.patient()
    (path,) = (run / "unique/exchange/round-0").glob("*.parquet")
    DAMAGES[damage](path)
    for layer in (run / "unique").glob("*-*.parquet"):
        layer.unlink()
    if damage != "missing":
        with pytest.raises(CorruptData) as told:
            ward.bench.run(run.name)
        assert str(path) in _one_line(told)
        path.unlink()
    ward.healed(run)


BAD_RECORDS = {"zero": b"", "half": b"{", "other": b'{"shard": 1}', "binary": b"\x00" * 300}


@pytest.mark.parametrize(
    ("stage", "data"), [*(("count", bad) for bad in BAD_RECORDS), ("docs", "half"), ("unique/exchange", "half")]
)
def test_a_damaged_record_is_named_and_made_anew(ward: Ward, stage: str, data: str) -> None:
    run = ward.patient()
    path = run / stage / f"{ward.shard}.json"
    path.write_bytes(BAD_RECORDS[data])
    with pytest.raises(CorruptData) as told:
        ward.bench.run(run.name)
    assert f"{path} is no record; delete it and run again" in _one_line(told)
    path.unlink()
    ward.healed(run)


@pytest.mark.parametrize(
    ("stage", "damage"),
    [
        ("docs", "zero bytes"),
        ("docs", "truncated"),
        ("count", "tail lost"),
        ("count", "other schema"),
        ("unique/exchange", "truncated"),
    ],
)
def test_damaged_folded_records_are_named(ward: Ward, stage: str, damage: str) -> None:
    run = ward.patient()
    path = run / stage / "records.parquet"
    DAMAGES[damage](path)
    with pytest.raises(CorruptData) as told:
        ward.bench.run(run.name)
    assert f"{path} is damaged; delete the folder {path.parent} and run again" in _one_line(told)
    shutil.rmtree(path.parent)
    ward.healed(run)


def test_files_half_written_by_a_killed_driver_are_swept(ward: Ward) -> None:
    run = ward.patient()
    for stage in ("docs", "count", "unique/exchange", "unique/exchange/round-0"):
        (run / stage / ".0123456789-0000.parquet.01234567.tmp").write_bytes(b"PAR1")
    ward.healed(run)


def test_books_that_do_not_balance_are_an_error(ward: Ward) -> None:
    """A record that lies about its documents: here one of them is exchanged for another."""
    run = ward.patient()
    record = ward.well.records("upper")[ward.shard]
    forged = record.model_copy(update={"kept": record.kept.model_copy(update={"sum": "1" * 32})})
    (run / "upper" / f"{ward.shard}.json").write_text(forged.model_dump_json())
    with pytest.raises(ConservationError) as told:
        ward.bench.run(run.name)
    assert f"stage 'upper', shard {ward.shard}" in _one_line(told)
    shutil.rmtree(run / "upper")
    ward.healed(run)


# ---------------------------------------------------------------------------------------------- disks


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts file systems below the test's folder; needs root, which CI has."""
    mounted: list[Path] = []

    def of(name: str, *arguments: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        made = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True, check=False)
        if made.returncode:
            if os.environ.get("CI"):
                pytest.fail(f"cannot mount in CI: {made.stderr}")
            pytest.skip(f"needs leave to mount: {made.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield of
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_nothing_done_is_lost(bench: Workbench, mount: Callable[..., Path]) -> None:
    disk = mount("disk", "-t", "tmpfs", "-o", "size=240k", "none")
    with pytest.raises(RunError) as told:
        bench.run("disk/run")
    assert "no space left on device; free space there and run again: nothing already done is lost" in _one_line(told)
    assert str(disk / "run") in _one_line(told)
    assert not list(disk.rglob("*.tmp"))
    stand = {p: p.stat().st_mtime_ns for p in disk.rglob("*-*.parquet")}
    assert stand
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    done = bench.run("disk/run")
    records = [p for p in stand if done.records(p.parent.relative_to(disk / "run").as_posix())]
    assert records
    assert differences(bench.run("fresh").folder, done.folder) == []
    again = {p: p.stat().st_mtime_ns for p in stand}
    assert sum(again[p] != stand[p] for p in stand) <= 6  # the shard that was in hand: base, layers, reasons


def test_a_read_only_folder_is_one_line(bench: Workbench, mount: Callable[..., Path]) -> None:
    mount("closed", "-t", "tmpfs", "-o", "size=2m,ro", "none")
    with pytest.raises(RunError) as told:
        bench.run("closed/run")
    assert _one_line(told).endswith("read-only file system; choose a run folder that can be written")


def test_a_file_in_place_of_the_run_folder_is_one_line(bench: Workbench) -> None:
    (bench.folder / "run").write_text("in the way")
    with pytest.raises(RunError) as told:
        bench.run()
    assert str(bench.folder / "run") in _one_line(told)


def test_an_input_that_cannot_be_opened_is_one_line(bench: Workbench) -> None:
    good = bench.run()
    (bench.input / "g.txt").mkdir()  # a folder where a file should be: root may read any file
    with pytest.raises(InputError, match=r"cannot read .*g\.txt: Is a directory; check the file") as told:
        bench.run()
    _one_line(told)
    (bench.input / "g.txt").rmdir()
    assert bench.run().told.tasks == 0
    assert differences(bench.run("fresh").folder, good.folder) == []


# ---------------------------------------------------------------------------------------------- two drivers


def test_a_second_driver_refuses_and_names_the_holder(bench: Workbench) -> None:
    slow = stages(count={"pause": 0.01})
    first = threading.Thread(target=bench.run, args=("run", slow))
    first.start()
    deadline = time.monotonic() + 20
    while not (bench.folder / "run/count/lease.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(LeaseHeld) as told:
        bench.run("run", slow)
    first.join()
    line = _one_line(told)
    assert f"is being run by process {os.getpid()} on {socket.gethostname()}" in line
    assert "'docs'" in line
    assert differences(bench.run("fresh").folder, bench.run().folder) == []


@pytest.mark.parametrize("stage", stages())
def test_every_stage_that_is_run_is_held(bench: Workbench, stage: str) -> None:
    with lease.held(Store(str(bench.folder / "run")), stage), pytest.raises(LeaseHeld, match=f"stage '{stage}'"):
        bench.run()


def test_the_lease_of_a_dead_driver_is_taken_over(bench: Workbench) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    started = psutil.Process(dead.pid).create_time()
    dead.wait()
    folder = bench.folder / "run/count"
    folder.mkdir(parents=True)
    held = {"host": socket.gethostname(), "process": dead.pid, "started": started, "token": "x", "renewed": time.time()}
    (folder / "lease.json").write_text(json.dumps(held))
    done = bench.run()
    assert not (folder / "lease.json").exists()
    assert differences(bench.run("fresh").folder, done.folder) == []
