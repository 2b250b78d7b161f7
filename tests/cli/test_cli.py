"""The command line: quick to start, errors as one line, and what each command prints."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from datapipe.cli import main as entry
from datapipe.cli.look import look
from datapipe.errors import DatapipeError, GateNotMet, InputError
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


def test_bugs_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("stages")
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("datapipe.cli.stages.stages", broken)
    with pytest.raises(ZeroDivisionError):
        entry.main(["stages"])


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


@pytest.mark.parametrize("name", Registry(TOYS).names())
def test_every_stage_has_a_page(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, err = call(capsys, "stages", name, "--stages", str(TOYS))
    assert code == 0, err
    assert "(it says nothing of itself)" not in out


def test_an_unknown_stage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "stages", "filter.lenght")
    near = "did you mean filter.length or filter.language or filter.url?"
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


# ---------------------------------------------------------------------------------------------- init

WARC = b"WARC/1.0\r\nWARC-Type: response\r\n"
HTML = b"\xef\xbb\xbf\n<!DOCTYPE html><p>x"
TEXT = "a text that is long enough to be told from a title"


def fill(folder: Path) -> None:
    (folder / "web").mkdir()
    (folder / "web/a.warc.gz").write_bytes(gzip.compress(WARC))
    (folder / "web/noname").write_bytes(HTML)
    (folder / "web/b.html").write_bytes(HTML)
    (folder / "web/image.bin").write_bytes(b"\0\1")
    rows = [{"key": "x", "title": "t", "prose": TEXT, "doc_id": f"d{n}"} for n in range(3)]
    (folder / "d.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows) + "broken\n[1]\n")
    (folder / "t.csv").write_text(f'n,body\n1,"{TEXT}"\n')
    (folder / "a.json").write_text(json.dumps([{"id": f"d{n}", "article": TEXT} for n in range(3)], indent=1))
    (folder / "notes.txt").write_text(TEXT)
    (folder / "paper").write_bytes(b"%PDF-1.4")
    (folder / "set/train").mkdir(parents=True)
    (folder / "set/dataset_dict.json").write_text('{"splits": ["train"]}')
    table = pa.table({"text": [TEXT]})
    for place, start in (("b.feather", pa.ipc.new_file), ("set/train/data-00000-of-00001.arrow", pa.ipc.new_stream)):
        with (folder / place).open("wb") as out, start(out, table.schema) as opened:
            opened.write_table(table)
    pq.write_table(pa.table({"content": [TEXT], "uri": ["http://a"], "id": [1]}), folder / "p.parquet")


def test_init_writes_a_recipe_that_passes_check(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    code, out, err = call(capsys, "init", "web", "d.jsonl", "p.parquet", "--run", "runs/é")
    assert code == 0, err
    assert "1 other file left out" in out
    made = load_recipe(Path("recipe.yaml"), Registry())
    uses = {node.use: node for node in made.nodes.values()}
    assert made.run == "runs/é"
    assert uses["read.jsonl"].config.model_dump()["columns"] == {"text": "prose", "id": "doc_id"}
    assert uses["read.parquet"].config.model_dump()["columns"] == {"text": "content", "url": "uri"}
    assert uses["read.warc"].config.model_dump()["paths"] == ("web/**/*.warc.gz",)
    assert uses["extract"].parents == ("pages", "files")
    assert uses["filter.language"].parents == ("text", "records", "tables")
    assert list(uses)[-4:] == ["filter.length", "filter.gopher", "dedup.exact", "write.parquet"]
    sources = [node.config.model_dump()["source"] for node in made.nodes.values() if node.stage.kind == "Source"]
    assert len(set(sources)) == 4


@pytest.mark.parametrize(
    ("inputs", "uses"),
    [
        (["web/a.warc.gz"], ["read.warc", "extract"]),
        (["web/b.html"], ["read.html", "extract"]),
        (["d.jsonl"], ["read.jsonl"]),
        (["*.parquet"], ["read.parquet"]),
        (["t.csv"], ["read.csv"]),
        (["a.json"], ["read.json"]),
        (["notes.txt"], ["read.text"]),
        (["b.feather"], ["read.arrow"]),
        (["set"], ["read.hub"]),
        (["paper"], ["read.pdf", "extract_pdf", "filter.language"]),
        (["web/b.html", "paper", "t.csv"], ["read.html", "extract", "read.pdf", "extract_pdf", "read.csv"]),
        (["web/noname", "d.jsonl"], ["read.html", "extract", "read.jsonl"]),
    ],
)
def test_init_for_each_kind_of_input(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inputs: list[str],
    uses: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    code, _, err = call(capsys, "init", *inputs, "--output", "made.yaml")
    assert code == 0, err
    made = load_recipe(Path("made.yaml"), Registry())
    assert [node.use for node in made.nodes.values()][: len(uses)] == uses
    assert made.run == "runs/made"
    tables = {node.use: node.config.model_dump().get("columns") for node in made.nodes.values()}
    assert tables.get("read.csv", {"text": "body"}) == {"text": "body"}
    assert tables.get("read.json", {"text": "article", "id": "id"}) == {"text": "article", "id": "id"}


def test_init_leaves_out_files_without_a_text_and_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "numbers.csv").write_text("a,b\n1,2\n")
    (tmp_path / "in" / "texts.jsonl").write_text('{"text": "some words"}\n')
    code, out, err = call(capsys, "init", "in")
    assert (code, err) == (0, "")
    assert "1 JSON lines file → read.jsonl" in out
    assert "1 other file left out" in out


def test_init_finds_saved_data_sets_below_a_folder_and_reads_nothing_that_it_left_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    fill(tmp_path / "in")
    (tmp_path / "in/web/no text.html.bin").write_bytes(b"\0")
    code, out, err = call(capsys, "init", "in")
    assert code == 0, err
    assert "2 other files left out" in out
    made = load_recipe(Path("recipe.yaml"), Registry())
    given = {node.use: node.config.model_dump().get("paths") for node in made.nodes.values()}
    assert given["read.hub"] == ("in/set",)
    assert given["read.html"] == ("in/web/**/*.html", "in/web/noname") or given["read.html"] == (
        "in/**/*.html",
        "in/web/noname",
    )
    assert given["read.pdf"] == ("in/paper",)
    assert given["read.arrow"] == ("in/**/*.feather",)


def test_init_overwrites_only_when_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    (tmp_path / "recipe.yaml").write_text("mine")
    code, _, err = call(capsys, "init", "d.jsonl")
    assert (code, err.count("\n")) == (2, 1)
    assert (tmp_path / "recipe.yaml").read_text() == "mine"
    assert call(capsys, "init", "d.jsonl", "--force")[0] == 0
    assert (tmp_path / "recipe.yaml").read_text() != "mine"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["gone"], "there are no files at gone"),
        (["web/image.bin"], "no web archive, HTML, PDF, text, JSON lines, JSON array, CSV, Parquet, Arrow or saved"),
        (["short.jsonl"], "short.jsonl has no column of text; its columns: a, b"),
        (["bad.parquet"], "bad.parquet cannot be read as Parquet"),
        (["bad.arrow"], "bad.arrow cannot be read as Arrow"),
        (["empty.csv"], "empty.csv has no line that names its columns"),
    ],
)
def test_init_says_what_is_wrong_with_inputs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    (tmp_path / "short.jsonl").write_text('{"a": "x", "b": 1}\n')
    (tmp_path / "bad.parquet").write_text("PAR1")
    (tmp_path / "bad.arrow").write_text("ARROW1")
    (tmp_path / "empty.csv").write_text("")
    code, _, err = call(capsys, "init", *inputs)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "recipe.yaml").exists()


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst", "lz4", "plain"])
def test_packed_files_are_looked_into(tmp_path: Path, packing: str) -> None:
    pack = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "zst": zstandard.ZstdCompressor().compress,
        "lz4": lz4.frame.compress,
        "plain": bytes,
    }[packing]
    (tmp_path / "records").write_bytes(pack(json.dumps({"body": TEXT}).encode()))
    found, unknown = look([os.fspath(tmp_path)])
    assert (found[0].reader, found[0].columns, unknown) == ("read.jsonl", {"text": "body"}, 0)
