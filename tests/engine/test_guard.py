"""The guard: whatever one document does to the code, it alone leaves, and nothing says what it contained."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datapipe.engine.guard import SLICE_ROWS, Guard
from datapipe.engine.task import Call, Limits
from tests.run.workbench import TOYS, Done, Workbench, contents, differences

LIMITS = Limits(cpu_seconds=1, memory_bytes=1 << 30)
BAD = {"HANG": "timed_out", "ABORT": "crashed", "BLOAT": "too_big", "RAISE": "crashed"}
SECRET = "a private word"
LINES = 40

CHAIN: dict[str, dict[str, Any]] = {
    "docs": {"use": "toy.lines", "source": "lines"},
    "count": {"use": "toy.guarded", "min_words": 3},
    "again": {"use": "toy.count", "min_words": 3},
}


def _fill(bench: Workbench) -> Workbench:
    """Each misdeed in a slice of its own, two of them in one slice, and a short text that leaves as ever."""
    for number, mark in enumerate(BAD):
        lines = [f"f{number}n{line} good words" for line in range(LINES)]
        lines[3 + 5 * number] = f"{mark} {SECRET}"
        lines[30] = "short"
        bench.write(f"f{number}.txt", lines)
    bench.write("f4.txt", [f"RAISE {SECRET}", "f4n1 good words", f"ABORT {SECRET}", "SPEAK good words"])
    return bench


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workbench, Done]:
    bench = _fill(Workbench(tmp_path_factory.mktemp("hostile")))
    return bench, bench.run("run", CHAIN, limits=LIMITS)


def test_each_misdeed_leaves_with_its_reason_and_every_other_document_stays(hostile: tuple[Workbench, Done]) -> None:
    _, done = hostile
    assert done.dropped("count") == {"timed_out": 1, "crashed": 4, "too_big": 1, "too_short": 4}
    assert done.kept("count") == 4 * (LINES - 2) + 2
    texts = [text for text in done.measured["again"] if text != "SPEAK good words"]
    assert sorted(texts) == sorted(
        [f"f{n}n{line} good words" for n in range(4) for line in range(LINES) if line not in {3 + 5 * n, 30}]
        + ["f4n1 good words"]
    )


def test_the_rows_set_aside_are_not_tried_again_unless_asked(hostile: tuple[Workbench, Done]) -> None:
    bench, done = hostile
    assert done.measured["count"]
    shutil.copytree(done.folder, bench.folder / "again")
    assert bench.run("again", CHAIN, limits=LIMITS).told.tasks == 0
    changed = {**CHAIN, "count": CHAIN["count"] | {"min_words": 1}}
    loosened = bench.run("again", changed, limits=LIMITS)
    assert "count" not in loosened.measured
    assert loosened.dropped("count") == {"timed_out": 1, "crashed": 4, "too_big": 1}


def test_asked_to_it_tries_those_rows_and_no_others(tmp_path: Path) -> None:
    """A limit that was too low: with more time the document comes through, and the run is as if it always had."""
    bench = Workbench(tmp_path)
    bench.write("f.txt", [f"f0n{line} good words" for line in range(20)] + ["RAISE it"])
    bench.run("run", CHAIN, limits=LIMITS)
    before = contents(bench.folder / "run")
    tried = bench.run("run", CHAIN, limits=Limits(cpu_seconds=1, retry_failed=True))
    assert tried.measured["count"] == ["RAISE it", "RAISE it"]  # in its slice, then alone
    assert contents(bench.folder / "run") == before


def test_nothing_tells_what_the_documents_contained(
    hostile: tuple[Workbench, Done], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    _, done = hostile
    for path in done.folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    guard = Guard()
    with caplog.at_level(logging.DEBUG):
        details = _details(guard, [f"RAISE {SECRET}", f"ABORT {SECRET}"])
    assert details == {0: "ValueError", 1: "the interpreter ended with SIGABRT"}
    told = "".join(details.values()) + caplog.text + "".join(capfd.readouterr())
    assert SECRET not in told
    assert "RAISE" not in told
    guard.close()


def test_one_stage_at_a_time_sets_the_same_rows_aside(tmp_path: Path) -> None:
    bench = Workbench(tmp_path)
    bench.write("f.txt", [*(f"f0n{line} good words" for line in range(20)), "RAISE it", "ABORT it"])
    whole = bench.run("whole", CHAIN, limits=LIMITS)
    assert whole.dropped("count") == {"crashed": 2}
    for name in CHAIN:
        steps = bench.run("steps", CHAIN, only=[name], limits=LIMITS)
    assert differences(whole.folder, steps.folder) == []


# ---------------------------------------------------------------------------------------------- slices and rows


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    guard = Guard()
    yield guard
    guard.close()


CALL = Call("count", "toy.guarded", "{}", str(TOYS))


def _ask(guard: Guard, texts: list[str], limits: Limits = LIMITS) -> tuple[list[Any], list[Any]]:
    out, reasons, _ = guard.process(CALL, None, _batch(texts), limits)
    return out.column("words").to_pylist(), reasons.to_pylist()


def _details(guard: Guard, texts: list[str]) -> dict[int, str]:
    return guard.process(CALL, None, _batch(texts), LIMITS)[2]


def _batch(texts: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(texts, pa.large_string())], names=["text"])


def _asked(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each question that goes to the child."""
    rows: list[int] = []
    ask = guard._ask

    def counted(call: Any, resource: Any, batch: pa.RecordBatch, *rest: Any, **named: Any) -> Any:
        rows.append(len(batch))
        return ask(call, resource, batch, *rest, **named)

    monkeypatch.setattr(guard, "_ask", counted)
    return rows


def test_good_rows_go_by_slices_and_only_a_bad_slice_row_by_row(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _asked(guard, monkeypatch)
    texts = [f"{n} word" for n in range(2 * SLICE_ROWS + 5)]
    texts[SLICE_ROWS + 2] = "RAISE now"
    words, reasons = _ask(guard, texts)
    assert asked == [SLICE_ROWS, SLICE_ROWS, *[1] * SLICE_ROWS, 5]
    assert words == [None if n == SLICE_ROWS + 2 else 2 for n in range(len(texts))]
    assert reasons == ["crashed" if n == SLICE_ROWS + 2 else None for n in range(len(texts))]


@pytest.mark.parametrize(("mark", "reason"), [("ABORT", "crashed"), ("RAISE", "crashed"), ("BLOAT", "too_big")])
def test_a_bad_row_alone_and_at_the_ends_of_a_slice(guard: Guard, mark: str, reason: str) -> None:
    assert _ask(guard, [mark]) == ([None], [reason])
    assert _ask(guard, [mark, "one", mark]) == ([None, 1, None], [reason, None, reason])


def test_a_loop_is_ended_in_the_time_that_was_granted(guard: Guard) -> None:
    began = time.monotonic()
    assert _ask(guard, ["one", "HANG"]) == ([1, None], [None, "timed_out"])
    assert time.monotonic() - began < 30


def test_a_stage_that_prints_does_not_break_the_talk(guard: Guard) -> None:
    assert _ask(guard, ["SPEAK up", "one"]) == ([2, 1], [None, None])


def test_no_rows_and_no_child_left(guard: Guard) -> None:
    assert _ask(guard, ["one"]) == ([1], [None])
    child = guard._child
    assert child is not None
    guard.close()
    assert child.poll() is not None
