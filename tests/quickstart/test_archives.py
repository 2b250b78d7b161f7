"""Real archives, some damaged on purpose, through the whole of `datapipe run`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

DOCUMENTS = ("response", "conversion", "resource", "revisit")
# Where warcio gives up, or counts a record that is cut off as whole; found by reading on behind the damage.
WHOLE = {
    "example-bad-non-chunked.warc.gz": 2,
    "example-bad.warc.gz.bad": 3,
    "warcfile.warc.lz4": 16,
    "clipped.warc.gz": 0,
    "example-space-in-url.arc": 0,
    "bad.arc": 1,
    "whirlwind.warc.wat.gz": 1,  # its documents are records of metadata
}
DAMAGED = {
    "clipped.warc.gz": 1,  # cut off
    "example-space-in-url.arc": 1,  # 12 bytes short of what its header says
    "example-trunc.warc": 1,  # its last record is cut off
    "bad.arc": 2,  # two records whose headers name no length
}
RECIPE = """
run: {run}
stages:
  pages:
    {{use: read.warc, paths: ["{data}/*/*arc*"], source: real, statuses: [1xx, 2xx, 3xx, 4xx, 5xx], media_types: []}}
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`datapipe run` in process; a recipe must stand in the folder."""
    command = [sys.executable, "-m", "datapipe", "run", "recipe.yaml", "--local", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_real_archives_give_their_records_and_damage_is_told(real_data: Path, tmp_path: Path) -> None:
    recipe = RECIPE.format(run=tmp_path / "run", data=real_data / "warc")
    (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "damaged records" in done.stderr
    assert run(tmp_path, "--strict").returncode == 1
    whole: dict[str, int] = {}
    damaged: dict[str, int] = {}
    for base in (tmp_path / "run/pages").glob("*-[0-9][0-9][0-9][0-9].parquet"):
        files = pq.read_table(base, columns=["file"])["file"].to_pylist()
        reasons = pq.read_table(base.with_suffix(".reasons.parquet"))["reason"].to_pylist()
        for file, reason in zip(files, reasons, strict=True):
            counts = damaged if reason == "damaged_input" else whole
            counts[str(file)] = counts.get(str(file), 0) + 1
    for line in (real_data / "warc/RECORDS.tsv").read_text(encoding="utf-8").splitlines():
        name, kinds, _ = line.split("\t")
        listed = sum(count for kind, count in ast.literal_eval(kinds).items() if kind in DOCUMENTS)
        assert whole.get(name, 0) == WHOLE.get(Path(name).name, listed), name
    assert {Path(file).name: count for file, count in damaged.items()} == DAMAGED
