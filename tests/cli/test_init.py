"""`datapipe init`: what it finds in files and folders, and the recipe it writes."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from datapipe.cli.look import look
from datapipe.recipe import load_recipe
from datapipe.registry import Registry
from tests.cli.test_cli import call

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


def test_init_names_what_it_counted_whatever_the_case_and_passes_damaged_files_over(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    line = json.dumps({"text": TEXT}) + "\n"
    (tmp_path / "in/a.jsonl").write_text(line)
    (tmp_path / "in/B.JSONL").write_text(line)
    (tmp_path / "in/c.json.gz").write_bytes(gzip.compress(line.encode()))
    cut = gzip.compress(line.encode() * 50)
    (tmp_path / "in/d.jsonl.gz").write_bytes(cut[: len(cut) // 2])
    (tmp_path / "in/junk").write_bytes(b"\x28\xb5\x2f\xfdjunk")
    code, out, err = call(capsys, "init", "in")
    assert (code, err) == (0, "")
    assert "4 JSON lines files" in out
    made = load_recipe(Path("recipe.yaml"), Registry())
    (node,) = (node for node in made.nodes.values() if node.use == "read.jsonl")
    stage: Any = node.stage
    found = [split.name for split in stage.splits(node.config)]
    assert sorted(found) == sorted(name for name in ("B.JSONL", "a.jsonl", "c.json.gz", "d.jsonl.gz"))


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


def test_conversations_of_any_form_are_told_from_texts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    turns = [{"role": "user", "content": TEXT}, {"role": "assistant", "content": TEXT}]
    records: dict[str, Any] = {
        "sharegpt.jsonl": {"conversations": [{"from": "human", "value": TEXT}, {"from": "gpt", "value": TEXT}]},
        "openai.jsonl": {"messages": turns},
        "pairs.jsonl": {"prompt": TEXT, "chosen": TEXT, "rejected": TEXT},
        "texts.jsonl": {"text": TEXT, "output": TEXT},
    }
    (tmp_path / "my").mkdir()
    for name, record in records.items():
        (tmp_path / "my" / name).write_text(f"{json.dumps(record)}\n" * 3)
    alpaca = {"instruction": TEXT, "input": "", "output": TEXT}
    (tmp_path / "my/alpaca.json").write_text(json.dumps([alpaca] * 3))
    pq.write_table(pa.table({"messages": [turns]}), tmp_path / "my/chat.parquet")
    code, out, err = call(capsys, "init", "my/*")
    assert code == 0, err
    assert "5 conversation files → read.conversations" in out
    assert "left out" not in out
    made = load_recipe(Path("recipe.yaml"), Registry())
    names = ("alpaca.json", "chat.parquet", "openai.jsonl", "pairs.jsonl", "sharegpt.jsonl")
    assert made.nodes["chats"].config.model_dump()["paths"] == tuple(f"my/{name}" for name in names)
    assert made.nodes["records"].config.model_dump()["paths"] == ("my/texts.jsonl",)
    assert made.chain("messages") == ("chats", "checked", "messages")
    assert call(capsys, "init", "my/chat.parquet", "--force")[0] == 0
    assert list(load_recipe(Path("recipe.yaml"), Registry()).nodes) == ["chats", "checked", "messages"]
