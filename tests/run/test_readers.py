"""Tables, texts and PDFs through a whole run: what goes in comes out, and a file changed in place is read anew."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datapipe.errors import InputError
from tests.run.workbench import Workbench
from tests.stages.pdfs import pdf

TEXTS = [f"document {number} of some words, ünï" for number in range(40)]
ROOT = Path(__file__).parents[2]


def write_csv(path: Path, texts: list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([["n", "text"], *enumerate(texts)])


def write_json(path: Path, texts: list[str]) -> None:
    path.write_bytes(gzip.compress(json.dumps([{"text": text} for text in texts]).encode()))


def write_arrow(path: Path, texts: list[str]) -> None:
    table = pa.table({"text": texts})
    with path.open("wb") as out, pa.ipc.new_stream(out, table.schema) as opened:
        opened.write_table(table, max_chunksize=7)


def write_parquet(path: Path, texts: list[str]) -> None:
    pq.write_table(pa.table({"text": texts}), path, row_group_size=7)


def write_lines(path: Path, texts: list[str]) -> None:
    path.write_text("\n".join(texts), encoding="utf-16")


KINDS: dict[str, tuple[str, Callable[[Path, list[str]], None], dict[str, Any]]] = {
    "read.csv": ("csv", write_csv, {}),
    "read.json": ("json.gz", write_json, {}),
    "read.arrow": ("arrows", write_arrow, {}),
    "read.text": ("txt", write_lines, {"unit": "line"}),
    "read.hub": ("parquet", write_parquet, {}),
}


def written(folder: Path) -> list[str]:
    """Texts in the output of a run."""
    files = sorted((folder / "out").rglob("*.jsonl"))
    return sorted(json.loads(line)["text"] for file in files for line in file.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("use", KINDS)
def test_every_document_comes_out_and_a_file_changed_in_place_is_read_anew(
    tmp_path: Path, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ending, write, options = KINDS[use]
    folder = tmp_path / "in"
    folder.mkdir()
    paths = [folder / f"train-{number}.{ending}" for number in range(2)]
    for number, path in enumerate(paths):
        write(path, TEXTS[number * 20 : number * 20 + 20])
    chain: dict[str, dict[str, Any]] = {
        "docs": {"use": use, "paths": [str(folder)], "source": "s", "shard_bytes": 300, **options},
        "length": {"use": "filter.length", "min_words": 2},
        "out": {"use": "write.jsonl", "columns": ["text"], "compression": "none"},
    }
    bench = Workbench(tmp_path)
    first = bench.run("run", chain)
    assert written(first.folder) == sorted(TEXTS)
    assert len(first.records("docs")) > 2
    assert bench.run("run", chain).told.tasks == 0
    changed = [text.replace("document", "changed document") for text in TEXTS[20:]]
    write(paths[1], changed)
    second = bench.run("run", chain)
    assert written(second.folder) == sorted(TEXTS[:20] + changed)
    assert any("has changed since it was read" in note for note in second.told.notes)
    if use != "read.text":  # whose files are bundled
        assert not any(paths[0].name in note for note in second.told.notes)


def test_a_file_named_by_its_path_may_be_gone_when_that_is_allowed(tmp_path: Path) -> None:
    paths = [tmp_path / "in" / name for name in ("a.jsonl", "b.jsonl")]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        path.write_text(json.dumps({"text": f"document {number}"}) + "\n", encoding="utf-8")
    chain: dict[str, dict[str, Any]] = {
        "docs": {"use": "read.jsonl", "paths": [str(path) for path in paths], "source": "d"},
        "out": {"use": "write.jsonl", "columns": ["text"], "compression": "none"},
    }
    bench = Workbench(tmp_path)
    before = written(bench.run("run", chain).folder)
    paths[1].unlink()
    with pytest.raises(InputError, match=r"b\.jsonl: no such file"):
        bench.run("run", chain)
    chain["docs"]["allow_missing"] = True
    kept = bench.run("run", chain)
    assert (kept.told.tasks, written(kept.folder)) == (0, before)
    paths[0].unlink()
    with pytest.raises(InputError, match="'docs' finds none of its files"):
        bench.run("fresh", chain)


def test_pdfs_give_their_text_or_a_reason_that_can_be_counted_by_folder(tmp_path: Path) -> None:
    files = {
        "reports/a.pdf": pdf([["The tide came in, and two boats with it."]]),
        "reports/b.pdf": pdf([[]], scan=True),
        "scans/c.pdf": pdf([[], []], scan=True),
        "scans/d.pdf.gz": gzip.compress(pdf([[]], scan=True)),
        "scans/locked.pdf": pdf([["no"]], encrypted=True),
        "scans/cut.pdf": pdf([["no"]])[:200],
    }
    for name, data in files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    chain: dict[str, dict[str, Any]] = {
        "papers": {"use": "read.pdf", "paths": [str(tmp_path / "in")], "source": "papers"},
        "text": {"use": "extract_pdf"},
        "out": {"use": "write.jsonl", "columns": ["text"], "compression": "none"},
    }
    done = Workbench(tmp_path).run("run", chain)
    assert written(done.folder) == ["The tide came in, and two boats with it."]
    assert done.dropped("text") == {"pdf_without_text": 3, "pdf_encrypted": 1, "pdf_damaged": 1}
    (shard,) = done.records("papers")
    names = pq.read_table(done.folder / f"papers/{shard}.parquet", columns=["file"])["file"].to_pylist()
    left = pq.read_table(done.folder / f"text/{shard}.reasons.parquet").to_pydict()
    scans = Counter(
        str(names[row]).split("/")[0]
        for row, reason in zip(left["row"], left["reason"], strict=True)
        if reason == "pdf_without_text"
    )
    assert scans == {"reports": 1, "scans": 2}


# ---------------------------------------------------------------------------------------------- memory

SIZE = 3 * 10**9
LIMIT = 10**9
GROUP_BYTES = 128 << 20


def build(path: Path) -> int:
    """A Parquet file of SIZE bytes of texts that do not compress, in row groups of 128 MiB; returns its rows."""
    chance = np.random.default_rng(0)
    rows = 0
    with pq.ParquetWriter(path, pa.schema([("text", pa.large_string())]), compression="snappy") as out:
        while path.stat().st_size < SIZE:
            letters = chance.integers(97, 123, GROUP_BYTES, np.uint8).tobytes()
            offsets: Any = np.arange(0, GROUP_BYTES + 1, 4096, dtype=np.int64)
            buffers = [None, pa.py_buffer(offsets), pa.py_buffer(letters)]
            texts: Any = pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)
            out.write_table(pa.table({"text": texts}), row_group_size=len(texts))
            rows += len(texts)
    return rows


PROGRAM = """
import re, sys
from pathlib import Path
from datapipe.registry import Registry
stage = Registry().load(sys.argv[1])
config = stage.config(paths=[sys.argv[2]], source="s")
(split,) = stage.splits(config)
rows = sum(len(batch) for batch in stage.read(split, config, 0))
print(rows, re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_parquet_of_3_gb_is_read_in_less_than_1_gb(tmp_path: Path) -> None:
    """Each reader in a process of its own; its largest resident size is printed."""
    folder = tmp_path / "set"
    folder.mkdir()
    rows = build(folder / "train-00000.parquet")
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    for use in ("read.parquet", "read.hub"):
        began = time.perf_counter()
        command = [sys.executable, "-c", PROGRAM, use, str(folder)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        found, peak = map(int, done.stdout.split())
        seconds = time.perf_counter() - began
        print(f"{use}: {found:,} rows of {SIZE / 1e9:.1f} GB, peak {peak / 1000:.0f} MB, {seconds:.0f} s")  # noqa: T201
        assert found == rows
        assert peak * 1024 < LIMIT
