"""Output of Sinks is let out only when all gates hold, whatever happens on the way there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from datapipe.cli.main import cli, main
from datapipe.corpus.record import read_records
from datapipe.corpus.store import Store
from datapipe.errors import InputError, RecipeError, RunError
from datapipe.registry import Registry
from datapipe.report.gating import opener, settle
from datapipe.report.model import GateFacts
from datapipe.run.releasing import PENDING, move_out, waits
from tests.report.conftest import Bench

HOLDS = "stages.length.kept >= 0.05"
FAILS = "stages.length.kept >= 0.99"
OPENER = opener(Registry())


def settled(bench: Bench, reason: str | None = None) -> tuple[GateFacts, ...]:
    return settle(bench.open(), OPENER, reason)


def released(bench: Bench, stage: str = "out") -> dict[str, bytes]:
    """The files of a Sink that are let out, by name."""
    return dict(_files(bench.folder / "run" / stage))


def pending(bench: Bench, stage: str = "out") -> dict[str, bytes]:
    return dict(_files(bench.folder / "run" / stage / PENDING))


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")) if folder.exists() else ():
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith((PENDING, ".")) and name not in {"stage.json", "records.parquet"}:
            yield name, path.read_bytes()


def test_output_waits_until_all_gates_hold_and_is_then_what_it_would_have_been(bench: Bench) -> None:
    bench.run()
    plain = released(bench)
    bench.run(gates=(HOLDS, FAILS))
    assert [gate.passed for gate in settled(bench)] == [True, False]
    assert released(bench) == {}
    assert pending(bench) == plain
    bench.run(gates=(HOLDS,))
    assert [gate.passed for gate in settled(bench)] == [True]
    assert released(bench) == plain
    assert not (bench.folder / "run" / "out" / PENDING).exists()


def test_nothing_is_written_anew_once_it_is_let_out(bench: Bench) -> None:
    bench.run(gates=(HOLDS,))
    settled(bench)
    before = {path: path.stat().st_mtime_ns for path in (bench.folder / "run" / "out").glob("*.gz")}
    assert len(before) == 3
    context = bench.run(gates=(HOLDS,))
    assert not waits(context)
    assert {path: path.stat().st_mtime_ns for path in (bench.folder / "run" / "out").glob("*.gz")} == before


def test_one_changed_shard_takes_the_whole_set_back(bench: Bench) -> None:
    bench.run(gates=(HOLDS,))
    settled(bench)
    source = bench.folder / "in" / "1.jsonl"
    source.write_text(source.read_text() + '{"text": "one more text of some words"}\n', encoding="utf-8")
    bench.run(gates=(HOLDS,))
    assert released(bench) == {}
    assert len(pending(bench)) == 3
    settled(bench)
    assert len(released(bench)) == 3


def test_output_is_taken_back_where_a_gate_fails_later(bench: Bench) -> None:
    bench.run(gates=(HOLDS,))
    settled(bench)
    bench.run(gates=(FAILS,))
    assert len(released(bench)) == 3
    settled(bench)
    assert (len(released(bench)), len(pending(bench))) == (0, 3)


def test_without_gates_all_is_let_out(bench: Bench) -> None:
    bench.run(gates=(FAILS,))
    bench.run()
    assert settled(bench) == ()
    assert len(released(bench)) == 3


def test_folders_by_a_column_wait_and_are_let_out_alike(bench: Bench) -> None:
    bench.run(gates=(HOLDS,), out={"by": "source"})
    assert all(name.startswith("web/") for name in pending(bench))
    settled(bench)
    assert {name.partition("/")[0] for name in released(bench)} == {"web"}


def test_a_reason_lets_output_out_until_the_output_or_the_failures_change(bench: Bench) -> None:
    bench.run(gates=(FAILS,))
    (gate,) = settled(bench, "a trial of jane.roe@firm.example")
    assert (gate.passed, gate.forced) == (False, "a trial of [e-mail]")
    assert len(released(bench)) == 3
    assert settled(bench)[0].forced == gate.forced
    assert len(released(bench)) == 3
    bench.run(gates=(FAILS, "stages.unique.kept > 2"))
    assert [each.forced for each in settled(bench)] == [None, None]
    assert released(bench) == {}


PACKED: dict[str, dict[str, Any]] = {
    "tokens": {"use": "tokenize", "tokenizer": {"train": {"vocabulary": 300}}, "from": "unique"},
    "packed": {"use": "pack", "length": 64},
    "sets": {"use": "write.packed", "length": 64},
}


def test_a_packed_set_says_in_its_manifest_what_the_gates_found(bench: Bench) -> None:
    bench.run(gates=(HOLDS, "packing.sets.fill > 1"), **PACKED)
    assert "gates" not in json.loads(pending(bench, "sets")["manifest.json"])
    settled(bench, "a trial")
    files = released(bench, "sets")
    told = json.loads(files["manifest.json"])["gates"]
    assert told[HOLDS]["passed"] is True
    assert told["packing.sets.fill > 1"] | {"told": ""} == {"passed": False, "told": "", "forced": "a trial"}
    assert {"state.json", "dataset_info.json", "tokenizer/tokenizer.json"} <= files.keys()
    context = bench.run(gates=(HOLDS,), **PACKED)
    settled(bench)
    assert context.tasks == 0
    assert released(bench, "sets").keys() == files.keys()
    assert json.loads(released(bench, "sets")["manifest.json"])["gates"].keys() == {HOLDS}
    assert bench.run(gates=(HOLDS,), **PACKED).tasks == 0


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("held", [True, False])
def test_wherever_moving_is_killed_no_record_names_a_missing_file_and_the_next_try_ends_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, held: bool
) -> None:
    context = bench.run(gates=(HOLDS,))
    out = context.recipe.nodes["out"]
    plain = pending(bench)

    def move(*, pending: bool) -> None:
        move_out(bench.open(), out, pending=pending, gates={})

    for step in range(0, 60, 1 if held else 4):
        move(pending=not held)
        before, after = (released, pending) if held else (pending, released)
        assert (before(bench), after(bench)) == (plain, {})
        calls = iter(range(step))
        with monkeypatch.context() as patch:
            for name in ("second_name", "write", "remove"):
                patch.setattr(Store, name, _dying(getattr(Store, name), calls))
            died = False
            try:
                move(pending=held)
            except _Killed:
                died = True
        (bench.folder / "run/out/lease.json").unlink(missing_ok=True)  # as that of a process that has ended
        records = read_records(Store(str(bench.folder / "run")), "out")
        assert {name.rpartition("/")[2] for record in records.values() for name in record.files} == plain.keys()
        move(pending=held)
        assert (before(bench), after(bench)) == ({}, plain)
        if not died:
            break
    assert step > 8


def _dying(function: Any, calls: Iterator[int]) -> Any:
    def call(*arguments: Any) -> Any:
        if next(calls, None) is None:
            raise _Killed
        return function(*arguments)

    return call


def test_a_run_that_is_not_done_meets_no_gate_and_nothing_moves(bench: Bench) -> None:
    bench.run(gates=(HOLDS,))
    settled(bench)
    bench.run("run", ("docs", "length"), gates=(HOLDS,), length={"min_words": 6})
    (gate,) = settled(bench)
    assert not gate.passed
    assert "not done" in gate.told
    assert len(released(bench)) == 3
    with pytest.raises(RunError, match="is not done"):
        settled(bench, "a trial")


def test_a_gate_compares_with_another_run(bench: Bench) -> None:
    bench.run("old")
    same = f"stages.length.kept >= 0.95 * other('{bench.folder}/old').stages.length.kept"
    bench.run(gates=(same,), length={"min_words": 10})
    (gate,) = settled(bench)
    assert not gate.passed
    bench.run(gates=(same,))
    assert settled(bench)[0].passed


def test_a_name_that_no_report_has_is_one_line(bench: Bench) -> None:
    bench.run(gates=("contamination.total == 0", "stages.length.keep > 0"))
    with pytest.raises(InputError, match=r"gate `stages.length.keep > 0`: stages.length has no `keep`.*kept"):
        settled(bench)
    with pytest.raises(RecipeError, match=r"gates.0: there is no stage 'lenght'; did you mean length"):
        bench.run(gates=("stages.lenght.kept > 0",))
    with pytest.raises(RecipeError, match=r"gates.0: .* does not parse"):
        bench.run(gates=("stages.length.kept >",))


def test_the_commands_exit_with_3_where_a_gate_is_not_met(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    path, run = str(bench.write(gates=(HOLDS, FAILS))), str(bench.folder / "run")

    def code(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        return int(str(caught.value.code))

    assert code("run", path, "--local") == 3
    assert FAILS in capsys.readouterr().err
    assert code("gate", run) == 3
    assert code("gate", run, "--force") == 2
    assert code("gate", run, "--force", "--reason", "a trial") == 0
    assert "forced" in capsys.readouterr().out
    assert code("run", path, "--local") == 0
    assert code("report", run) == 0
    card = (bench.folder / "run" / "README.md").read_text(encoding="utf-8")
    assert "Reason: a trial" in card
    assert json.loads((bench.folder / "run" / "report.json").read_text())["gates"][1]["forced"] == "a trial"
    assert (bench.folder / "run" / "report.md").exists()


def test_the_schema_of_reports_is_printed() -> None:
    done = CliRunner().invoke(cli, ["schema", "--report"])
    assert json.loads(done.output)["title"] == "Report"


def test_small_files_that_no_record_names_move_with_the_output(bench: Bench) -> None:
    talks = {"use": "write.conversations", "from": "talk"}
    path = bench.folder / "in" / "0.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n')
    gates = ("stages.talk.kept > 0",)
    stages = {"talk": {"use": "read.conversations", "source": "talks", "from": [], "paths": [str(path)]}, "said": talks}
    bench.run(gates=gates, docs={"paths": [str(bench.folder / "in" / "1.jsonl")]}, **stages)
    assert "README.md" in pending(bench, "said")
    assert released(bench, "said") == {}
    before = pending(bench, "said")
    settled(bench)
    assert (released(bench, "said"), pending(bench, "said")) == (before, {})
    bench.run(gates=gates, docs={"paths": [str(bench.folder / "in" / "1.jsonl")]}, **stages)
    assert (released(bench, "said"), pending(bench, "said")) == (before, {})
