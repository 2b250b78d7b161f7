"""A cheap engine first, the better engine for those that its text lets through."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

from tests.stages.extract.test_extract import PAGE, PARAGRAPHS, page

ROOT = Path(__file__).parents[3]
RECIPE = """
run: {folder}/run
stages:
  pages: {{use: read.html, paths: ["{folder}/pages"], source: web}}
  draft: {{use: extract, engine: resiliparse, format: markdown}}
  length: {{use: filter.length, min_words: 50}}
  text: {{use: extract, engine: trafilatura}}
  out: {{use: write.jsonl}}
"""


def test_the_better_engine_sees_survivors_alone_and_its_text_is_written(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    for name, markup in {
        "long": PAGE,
        "short": page("Too short."),
        "second": page("\n".join(PARAGRAPHS[::-1])),
    }.items():
        (tmp_path / "pages" / f"{name}.html").write_text(markup, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(folder=tmp_path), encoding="utf-8")
    command = [sys.executable, "-m", "datapipe", "run", str(tmp_path / "recipe.yaml"), "--local"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [
        json.loads(line)
        for file in (tmp_path / "run/out").rglob("*.jsonl.gz")
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    assert {row["file"]: row["text"].split("\n")[0] for row in rows} == {
        "long.html": "The bridge",  # resiliparse's would begin with "# "
        "second.html": "The bridge",
    }
    stories = subprocess.run(
        [sys.executable, "-m", "datapipe", "show", str(tmp_path / "run"), "--reason", "too_few_words"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "short.html" in stories.stdout
