"""The command line: quick to start, errors as one line, and what each command prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from datapipe.cli import main as entry
from datapipe.errors import DatapipeError, GateNotMet, InputError, Problem, RecipeError
from datapipe.recipe import load_recipe
from datapipe.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
TOYS = ROOT / "tests/recipe/stages_dir"

GOOD = """\
run: runs/x
stages:
  pages: {use: read.toy, paths: [a], source: web}
  text: {use: body}
  quality: {use: filter.size, where: text != None}
  out: {use: write.files}
"""


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        entry.main(arguments)
    printed = capsys.readouterr()
    return int(caught.value.code or 0), printed.out, printed.err


def recipe(folder: Path, text: str = GOOD) -> str:
    (folder / "r.yaml").write_text(text)
    return str(folder / "r.yaml")


# ---------------------------------------------------------------------------------------------- the program


def test_help_imports_nothing_heavy_and_starts_quickly() -> None:
    code = (
        "import sys; sys.argv = ['datapipe', '--help']\n"
        "from datapipe.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('pyarrow', 'dask', 'numba', 'numpy', 'pydantic', 'rich', 'yaml', 'stages')\n"
        "print('heavy:', [name for name in heavy if name in sys.modules])"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    seconds = time.perf_counter() - began
    assert "heavy: []" in done.stdout
    assert seconds < 2  # 0.2 s on an idle machine; the list above is what keeps it so
    assert [name for name in entry.COMMANDS if f"\n  {name} " not in done.stdout] == []


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "datapipe", "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.startswith("datapipe, version ")


@pytest.mark.parametrize("name", entry.COMMANDS)
def test_every_command_has_an_example(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, _ = call(capsys, name, "--help")
    assert code == 0
    assert f"\n    datapipe {name}" in out


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DatapipeError("one\ntwo", remedy="mend"), 1, "error: one two; mend\n"),
        (InputError("bad"), 2, "error: bad\n"),
        (InputError("\x1b[31mlabel \u202e \ud800 é 港"), 2, "error: \\x1b[31mlabel \\u202e \\ud800 é 港\n"),
        (RecipeError((Problem("r.yaml:1", "\x1b]0;x\x07"), Problem("b", "c"))), 2, "r.yaml:1: \\x1b]0;x\\x07\nb: c\n"),
        (GateNotMet("low"), 3, "error: low\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
        (click.UsageError("what?"), 2, "Error: what?\n"),
    ],
)
def test_errors_become_a_line_and_a_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    @click.command("stages")
    def broken() -> None:
        raise error

    monkeypatch.setattr("datapipe.cli.stages.stages", broken)
    got, out, err = call(capsys, "stages")
    assert (got, out) == (code, "")
    assert err.endswith(line)
    assert "Traceback" not in err


def test_bugs_keep_their_traceback_and_what_they_say_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command("stages")
    def broken() -> None:
        try:
            int(f"{broken.name} of Anna")
        except ValueError as error:
            raise KeyError(str(error)) from error

    monkeypatch.setattr("datapipe.cli.stages.stages", broken)
    got, out, err = call(capsys, "stages")
    assert (got, out) == (1, "")
    assert err.count("Traceback (most recent call last):") == 2
    assert 'File "' in err
    assert "raise KeyError" in err
    assert [line for line in err.splitlines() if line in {"ValueError", "KeyError"}] == ["ValueError", "KeyError"]
    assert "stages of Anna" not in err


@pytest.mark.parametrize("command", ["--help", "stages"])
def test_a_closed_pipe_is_quiet(command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, "-m", "datapipe", command]
    done = subprocess.run(program, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "chekc")
    assert code == 2
    assert "No such command 'chekc'" in err


# ---------------------------------------------------------------------------------------------- stages, schema


def test_the_list_of_stages_imports_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text('"""Raises when imported."""\nraise RuntimeError\nSTAGE = stage.Map()\n')
    (tmp_path / "worse.py").write_text("STAGE = (\n")
    code, out, _ = call(capsys, "stages", "--stages", str(tmp_path))
    assert code == 0
    assert "filter.length" in out
    assert f"Raises when imported. [{tmp_path}]" in out
    assert "(cannot be parsed)" in out
    headings = [line.strip() for line in out.splitlines()]
    assert headings.index("Source") < headings.index("Map") < headings.index("Sink") < headings.index("other")


def test_the_page_of_a_stage_tells_everything(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "stages", "filter.size", "--stages", str(TOYS))
    assert code == 0
    for part in (
        "filter.size  (Map, version 1",
        "For tests only. Costs nothing.",
        "whole number | null",
        "characters; fewer leave as too_few_characters",
        '{"name": "character"}',
        "decides only",
        "reads   text",
        "characters (int32)",
        "longer than most",
        "pyarrow",
        "where, resource",
    ):
        assert part in out


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "filter.classifier",
            ["in a recipe   classifier: {use: filter.classifier, model: …}", "files count by what they hold"],
        ),
        ("read.jsonl", ["in a recipe   jsonl: {use: read.jsonl, paths: […], source: …}"]),
        ("split.parts", ["adds    split (string), STAGE.cluster (string)", "STAGE is its name in the recipe"]),
        ("filter.fineweb2", ["by_language: datapipe stages filter.fineweb2 --languages", "datapipe what-if tells"]),
    ],
)
def test_the_page_of_a_stage_shows_how_to_use_it(
    capsys: pytest.CaptureFixture[str], name: str, lines: list[str]
) -> None:
    _, out, _ = call(capsys, "stages", name)
    for line in lines:
        assert line in out


def test_the_thresholds_of_a_stage_are_told_by_language(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "stages", "filter.fineweb2", "--languages")
    assert code == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    # as in configs/languages/zh.yaml and, for the rest, in the paper's configuration
    assert rows["all"] == ["others", "0.12", "off", "0.1", "0.3"]
    assert rows["zh"] == ["Chinese", "0.05", "0.95", "0.3", "·"]
    _, out, _ = call(capsys, "stages", "filter.length", "--languages")
    assert "the same in every language: min_words, max_words" in out
    _, out, _ = call(capsys, "stages", "filter.repetition", "--languages")
    assert out == "filter.repetition has no option whose threshold depends on the language\n"


@pytest.mark.parametrize("name", Registry(TOYS).names())
def test_every_stage_has_a_page(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, err = call(capsys, "stages", name, "--stages", str(TOYS))
    assert code == 0, err
    assert "(it says nothing of itself)" not in out


def test_an_unknown_stage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "stages", "filter.lenght")
    near = "did you mean filter.length or filter.lines or filter.language?"
    told = f"error: there is no stage 'filter.lenght'; {near}; a stage of your own needs --stages DIR\n"
    assert (code, err) == (2, told)


def test_a_stage_can_be_tested(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = call(capsys, "stages", "filter.size", "--stages", str(TOYS), "--test")
    assert code == 1  # it declares a column that it does not give
    assert "odd" in err
    code, _, err = call(capsys, "stages", "--test")
    assert code == 2
    assert "NAME" in err


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "schema", "--stages", str(TOYS))
    assert code == 0
    assert json.loads(out)["title"] == "datapipe recipe"


# ---------------------------------------------------------------------------------------------- check


def test_check_shows_the_graph(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = call(capsys, "check", recipe(tmp_path), "--stages", str(TOYS), "--set", "run=runs/z")
    assert code == 0
    assert "html → text" in out
    assert "text → quality.characters, quality.odd  where text != None" in out
    assert "4 stages, no problems; run runs/z, seed 0" in out


def test_check_lists_every_problem(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = recipe(tmp_path, GOOD + "  a: {use: nothing}\n  b: {use: filter.size, leest: 1}\n")
    code, out, err = call(capsys, "check", path, "--stages", str(TOYS))
    assert (code, out) == (2, "")
    assert [line.partition(": ")[0] for line in err.splitlines()] == [f"{path}:7", f"{path}:8"]


def test_check_prints_the_resolved_recipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = recipe(tmp_path)
    _, out, _ = call(capsys, "check", path, "--stages", str(TOYS), "--resolved")
    assert out == load_recipe(Path(path), Registry(TOYS)).resolved_yaml()
