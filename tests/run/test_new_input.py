"""Input that grows, moves, changes or goes: only what is new is read, and what stands stays as it is."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from datapipe.corpus.record import Record, write_record
from datapipe.corpus.store import Store
from datapipe.engine import resample
from datapipe.engine.source import content_digest
from datapipe.errors import CorruptData, InputError
from datapipe.run import sources
from datapipe.stage import Split
from tests.run.workbench import Done, Workbench, assert_like, corpus, differences, shards_by_file, stages, text_of

ROW_WISE = ("docs", "count", "upper")  # stages whose layers hang on a document alone
SMALL = stages(docs={"shard_bytes": 150})
NEW = ("a9.txt", "f2b.txt", "z.txt")  # before, between and after the old names


def _lines(file: int, lines: int = 20) -> list[str]:
    return [text_of(file, line) for line in range(lines)]


def _bytes_of(done: Done, names: set[str]) -> dict[Path, tuple[bytes, int]]:
    """The files of some shards in the row-wise stages, and when they were written."""
    found = [path for stage in ROW_WISE for path in (done.folder / stage).glob("*-*.parquet")]
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in found if p.name.split(".")[0] in names}


def _files_read(done: Done) -> set[str]:
    return {line.split()[0] for line in done.read}


# ---------------------------------------------------------------------------------------------- more


@pytest.mark.parametrize("chain", [stages(), SMALL], ids=["one shard a file", "several shards a file"])
def test_new_files_alone_are_read_and_all_old_files_stay(bench: Workbench, chain: dict[str, dict[str, Any]]) -> None:
    first = bench.run("run", chain)
    records = first.records("docs")
    old = _bytes_of(first, set(records))
    assert len(old) == 2 * len(ROW_WISE) * len(records)
    for number, name in enumerate(NEW):
        bench.write(name, _lines(10 + number))
    grown = bench.run("run", chain)
    assert _files_read(grown) == set(NEW)
    assert _bytes_of(grown, set(records)) == old
    assert {shard: grown.records("docs")[shard] for shard in records} == records
    assert len(grown.measured["count"]) == 3 * 19
    assert_like(grown, bench.run("fresh", chain))


def test_a_new_month_after_the_input_moved_reads_the_new_files_alone(bench: Workbench, tmp_path: Path) -> None:
    first = bench.run()
    names = set(first.records("docs"))
    old = _bytes_of(first, names)
    ids = set(corpus(first, "docs"))
    moved = tmp_path / "elsewhere" / "input"
    shutil.copytree(bench.input, moved, copy_function=shutil.copyfile)
    for path in moved.iterdir():
        os.utime(path, ns=(10**18, 10**18))
    shutil.rmtree(bench.input)
    there = stages(docs={"paths": [str(moved / "*.txt")]})
    same = bench.run("run", there)
    assert same.told.tasks == 0
    assert same.read == []
    assert same.measured == {}
    assert set(corpus(same, "docs")) == ids

    bench.input = moved
    for number, name in enumerate(NEW):
        bench.write(name, _lines(10 + number))
    grown = bench.run("run", there)
    assert _files_read(grown) == set(NEW)
    assert _bytes_of(grown, names) == old


def test_a_file_that_is_only_touched_is_looked_at_once_and_not_read(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.run()
    looked_at: list[str] = []

    def digest(split: Split) -> str:
        looked_at.append(split.name)
        return content_digest(split)

    monkeypatch.setattr(sources, "content_digest", digest)
    os.utime(bench.input / "f1.txt", ns=(10**18, 10**18))
    for _ in range(2):
        again = bench.run()
        assert again.told.notes == []
        assert again.read == []
        assert again.told.tasks == 0
    assert looked_at == ["f1.txt"]
    assert corpus(again, "again") == corpus(first, "again")


@pytest.mark.parametrize("shares", [(None, 0.5), (0.2, 0.8)], ids=["less", "more"])
def test_a_kill_while_the_sample_changes_costs_nothing_read(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, shares: tuple[float | None, float]
) -> None:
    """The reasons of the new sample stand beside the record of the old one; two shards of four are done."""
    before, after = (stages(docs={"sample": share}) for share in shares)
    bench.run("run", before)
    written: list[str] = []

    def killed(store: Store, record: Record) -> None:
        written.append(record.shard)
        if len(written) == 3:
            raise KeyboardInterrupt
        write_record(store, record)

    monkeypatch.setattr(resample, "write_record", killed)
    with pytest.raises(KeyboardInterrupt):
        bench.run("run", after)
    monkeypatch.undo()
    done, fresh = bench.run("run", after), bench.run("fresh", after)
    assert set(_files_read(done)) <= {row["file"] for row in corpus(fresh, "docs").values()}
    assert all(corpus(done, name) == corpus(fresh, name) for name in stages())
    assert done.records("docs").keys() == fresh.records("docs").keys()
    assert [r.dropped for r in done.records("docs").values()] == [r.dropped for r in fresh.records("docs").values()]


def test_exchanged_reasons_are_noticed_when_the_sample_changes(bench: Workbench) -> None:
    done = bench.run()
    one, other = (record.reasons for record in list(done.records("docs").values())[:2])
    assert one is not None
    assert other is not None
    shutil.copyfile(done.folder / other.path, done.folder / one.path)
    with pytest.raises(CorruptData, match="does not hold the reasons that its record describes"):
        bench.run("run", stages(docs={"sample": 0.5}))


def test_an_empty_file_is_a_shard_without_documents(bench: Workbench) -> None:
    bench.write("empty.txt", [])
    (bench.input / "empty.txt").write_bytes(b"")
    done = bench.run()
    (shard,) = shards_by_file(done)["empty.txt"]
    assert [done.records(stage)[shard].incoming.documents for stage in stages()] == [0] * 5
    assert bench.run().told.tasks == 0


# ---------------------------------------------------------------------------------------------- other


@pytest.mark.parametrize(
    ("chain", "lines"),
    [
        pytest.param(stages(), 0, id="empty"),
        pytest.param(stages(), 20, id="one shard"),
        pytest.param(SMALL, 3, id="fewer shards"),
        pytest.param(SMALL, 45, id="more shards"),
        pytest.param(SMALL, 0, id="no more documents", marks=pytest.mark.full),
        pytest.param(SMALL, 20, id="as many shards", marks=pytest.mark.full),
    ],
)
def test_a_file_changed_in_place_is_named_and_read_anew(
    bench: Workbench, chain: dict[str, dict[str, Any]], lines: int
) -> None:
    first = bench.run("run", chain)
    others = {shard for name, own in shards_by_file(first).items() if name != "f2.txt" for shard in own}
    old = _bytes_of(first, others)
    bench.write("f2.txt", _lines(20, lines))
    changed = bench.run("run", chain)
    assert changed.told.notes == ["f2.txt has changed since it was read: it is read anew"]
    assert _files_read(changed) <= {"f2.txt"}
    assert _bytes_of(changed, others) == old
    assert differences(bench.run("fresh", chain).folder, changed.folder) == []
    assert bench.run("run", chain).told.tasks == 0


@pytest.mark.parametrize("finished", [1, 2])
def test_reading_a_changed_file_anew_can_be_interrupted(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, finished: int
) -> None:
    """Shards of the old and of the new file must not pass for one."""
    first = bench.run("run", SMALL)
    assert len(shards_by_file(first)["f2.txt"]) >= 3
    bench.write("f2.txt", _lines(20, 20))
    left = [finished]

    def interrupted(store: Store, name: str, data: bytes) -> None:
        if re.fullmatch(r"docs/[0-9a-f]{16}-\d{4}\.json", name):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
        write(store, name, data)

    write = Store.write
    monkeypatch.setattr(Store, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.run("run", SMALL)
    monkeypatch.undo()
    done = bench.run("run", SMALL)
    assert differences(bench.run("fresh", SMALL).folder, done.folder) == []


def test_a_file_that_changes_while_its_text_is_needed_again_is_refused(bench: Workbench) -> None:
    """Same size and time, other content: only the ids of what is read again can tell."""
    bench.run("run", stages(count={"min_words": 6}))
    path = bench.input / "f2.txt"
    time = path.stat().st_mtime_ns
    path.write_text(path.read_text(encoding="utf-8").replace("f2n", "x2n"), encoding="utf-8")
    os.utime(path, ns=(time, time))
    with pytest.raises(InputError, match=r"f2\.txt has changed since its documents were listed; .*new run folder"):
        bench.run("run", stages(count={"min_words": 1}))


# ---------------------------------------------------------------------------------------------- gone


def test_a_vanished_file_is_an_error_that_names_it(bench: Workbench) -> None:
    first = bench.run()
    before = corpus(first, "again")
    (bench.input / "f2.txt").unlink()
    with pytest.raises(
        InputError, match=r"^f2\.txt, read by an earlier run of 'docs', is gone, or no .*allow_missing=true"
    ):
        bench.run()
    (bench.input / "f1.txt").unlink()
    with pytest.raises(InputError, match=r"^f1\.txt and 1 more,"):
        bench.run()
    allowed = bench.run("run", stages(docs={"allow_missing": True}))
    assert allowed.told.tasks == 0
    assert corpus(allowed, "again") == before


def test_a_vanished_file_whose_text_is_needed_again_is_an_error_that_says_so(bench: Workbench) -> None:
    bench.run()
    (bench.input / "f2.txt").unlink()
    with pytest.raises(
        InputError, match=r"the input of shard [0-9a-f]{16}-0000 is gone, or has changed; bring it back"
    ):
        bench.run("run", stages(docs={"allow_missing": True}, count={"min_words": 1}))


def test_a_renamed_file_is_a_vanished_and_a_new_one(bench: Workbench) -> None:
    first = bench.run()
    (bench.input / "f2.txt").rename(bench.input / "g2.txt")
    both = bench.run("run", stages(docs={"allow_missing": True}))
    assert _files_read(both) == {"g2.txt"}
    assert both.kept("docs") == first.kept("count") + first.dropped("count")["too_short"]


# ---------------------------------------------------------------------------------------------- part


def test_a_sample_is_part_of_a_larger_one_and_only_the_newly_admitted_are_read(bench: Workbench) -> None:
    ids = []
    previous: set[str] = set()
    for share in ("10%", "30%", 0.8, None):
        chain = stages(docs={"sample": share})
        done = bench.run("run", chain)
        rows = corpus(done, "docs")
        ids.append(set(rows))
        new = [row for key, row in rows.items() if key not in previous]
        if previous:
            assert _files_read(done) == {row["file"] for row in new}
            assert sorted(done.measured["count"]) == sorted(row["text"] for row in new)
        assert_like(done, bench.run(f"fresh-{share}", chain))
        previous = set(rows)
    assert ids[0] < ids[1] < ids[2] < ids[3]
    assert 0 < len(ids[0]) < 20 < len(ids[2]) < 76 == len(ids[3])

    smaller = bench.run("run", stages(docs={"sample": "30%"}))
    assert smaller.read == []
    assert smaller.measured == {}
    assert set(corpus(smaller, "docs")) == ids[1]


def test_a_sample_does_not_hide_what_could_not_be_read(bench: Workbench) -> None:
    done = bench.run("run", stages(docs={"sample": 0.1}))
    assert done.dropped("docs")["damaged_input"] == 4


@pytest.mark.parametrize("chain", [stages(docs={"limit": 25}), stages(docs={"limit": 25, "shard_bytes": 150})])
def test_a_limit_reads_the_first_records_in_order_of_file_name(
    bench: Workbench, chain: dict[str, dict[str, Any]]
) -> None:
    done = bench.run("run", chain)
    places = sorted((row["file"], row["record"]) for row in corpus(done, "docs").values())
    first = [("f0.txt", n) for n in range(20)] + [("f1.txt", n) for n in range(5)]
    assert places == [place for place in first if place[1] != 7]
    assert bench.run("run", chain).told.tasks == 0
    for name in chain:
        steps = bench.run("steps", chain, only=[name])
    assert differences(done.folder, steps.folder) == []


def test_a_limit_survives_new_files_behind_it(bench: Workbench) -> None:
    chain = stages(docs={"limit": 25})
    done = bench.run("run", chain)
    before = corpus(done, "again")
    bench.write("z.txt", _lines(9))
    again = bench.run("run", chain)
    assert again.read == []
    assert corpus(again, "again") == before
