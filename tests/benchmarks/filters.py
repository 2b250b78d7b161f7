"""Speed of gopher, c4 and fineweb together: against datatrove's classes, a core, and through a whole recipe.

    DATAPIPE_REAL_DATA=... PYTHONPATH=. python tests/benchmarks/filters.py

Medians of some rounds in one process, in MB of UTF-8 a second; datatrove runs once, in an environment of its own that
is made when it is not there, with one process, on the English web texts. The recipe reads JSONL, runs the three
filters and writes JSONL, with one process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from datapipe.text import forget
from stages.filter import c4, fineweb, gopher
from tests.peers.comparing import ROOT, english_web, texts_of, theirs

ROUNDS = 7
ROWS = 256
COMPARED = 450  # documents that datatrove is timed on: a minute and a half
MEGABYTES = 300  # through the recipe, so that starting is a small share
RECIPE = """
run: {folder}/run
seed: 1
stages:
  texts: {{use: read.jsonl, paths: ["{folder}/texts.jsonl"], source: bench}}
  gopher: {{use: filter.gopher}}
  fineweb: {{use: filter.fineweb}}
  c4: {{use: filter.c4}}
  out: {{use: write.jsonl}}
cluster: {{kind: local, workers: 1}}
"""


def seconds_of(texts: list[str], language: str) -> float:
    """Median seconds of the three filters, measures and decisions, over batches."""
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string()), "language": pa.array([language] * len(texts))})
    configs = [(module.STAGE, module.Config()) for module in (gopher, c4, fineweb)]
    rounds = []
    for _ in range(ROUNDS + 1):
        forget()
        began = time.perf_counter()
        for start in range(0, len(texts), ROWS):
            part = batch.slice(start, ROWS)
            for stage, config in configs:
                measured = stage.process(part, config, None)
                given = pa.RecordBatch.from_arrays(
                    [*measured.columns, part["language"]], names=[*measured.schema.names, "language"]
                )
                stage.decide(given, config)
            forget()
        rounds.append(time.perf_counter() - began)
    return statistics.median(rounds[1:])


def size(texts: list[str]) -> float:
    """Megabytes."""
    return sum(len(text.encode()) for text in texts) / 1e6


def seconds_through_a_recipe(texts: list[str], copies: int) -> float:
    """Seconds of a whole run over copies of the texts, starting, sink and ending included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "texts.jsonl").open("w") as file:
            for copy in range(copies):
                for text in texts:
                    file.write(json.dumps({"text": f"{copy} {text}", "language": "en"}) + "\n")
        (folder / "recipe.yaml").write_text(RECIPE.format(folder=folder))
        began = time.perf_counter()
        command = [sys.executable, "-m", "datapipe", "run", str(folder / "recipe.yaml")]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


def main() -> None:
    """Print everything."""
    folder = os.environ.get("DATAPIPE_REAL_DATA")
    if not folder:
        sys.exit("set DATAPIPE_REAL_DATA to the folder of real data")
    data = Path(folder)
    english, chinese = english_web(data), texts_of(data / "raw" / "oiwiki_zh.jsonl.gz")
    for language, texts in (("en", english), ("zh", chinese)):
        print(f"{language}: {size(texts):.1f} MB, {size(texts) / seconds_of(texts, language):.1f} MB/s a core")
    with tempfile.TemporaryDirectory() as name:
        peer = sum(found["seconds"] for found in theirs(Path(name), english[:COMPARED], "own").values())
    mine = seconds_of(english[:COMPARED], "en")
    print(f"datatrove's four classes {peer:.1f} s, ours {mine:.3f} s: {peer / mine:.0f} times")
    started = seconds_through_a_recipe(english[:1], 1)
    copies = int(MEGABYTES / size(english)) + 1
    whole, megabytes = seconds_through_a_recipe(english, copies), copies * size(english)
    print(f"through a recipe: {megabytes:.0f} MB in {whole:.1f} s, {megabytes / whole:.1f} MB/s")
    print(f"a run of one text takes {started:.1f} s; without that {megabytes / (whole - started):.1f} MB/s")


if __name__ == "__main__":
    main()
