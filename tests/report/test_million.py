"""A report over the layers of a million documents stays within a minute and 2 GB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from datapipe.engine.local import LocalEngine
from datapipe.recipe import load_recipe
from datapipe.registry import Registry
from datapipe.run.driver import open_run, run_recipe

# In a process of its own, so that its memory is its own.
MEASURE = """
import json, resource, sys, time
from datapipe.registry import Registry
from datapipe.report.gating import opener
from datapipe.report.writing import full_report, write_report
from datapipe.corpus.store import Store
from datapipe.run.reopen import reopen
wall, cpu = time.perf_counter(), time.process_time()
report = full_report(reopen(sys.argv[1], Registry()), opener(Registry()))
write_report(report, Store(sys.argv[1]))
told = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
print(json.dumps(told | {"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}))
"""
STAGES = """
  docs: {use: read.jsonl, paths: ['%s/*.jsonl'], source: many}
  length: {use: filter.length, min_words: 3}
  symbols: {use: filter.symbols}
  lines: {use: filter.fineweb, min_terminal_lines: null}
  loops: {use: filter.repetition}
  unique: {use: dedup.exact}
  out: {use: write.jsonl}
"""


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_report_over_a_million_documents_takes_less_than_a_minute_and_two_gigabytes(tmp_path: Path) -> None:
    for file in range(4):
        with (tmp_path / f"{file}.jsonl").open("w") as target:
            for number in range(250_000):
                words = " ".join(f"w{(file * 250_000 + number) * 7 % 99_991:x}{place}" for place in range(number % 12))
                target.write(
                    json.dumps({"text": f"{words}.", "url": f"https://h{number % 9973}.example/{file}"}) + "\n"
                )
    recipe = tmp_path / "r.yaml"
    gates = 'gates: ["stages.length.kept >= 0.5", "run.complete == True"]\n'
    recipe.write_text(f"run: {tmp_path}/run\n{gates}stages:{STAGES % tmp_path}")
    run_recipe(open_run(load_recipe(recipe, Registry()), LocalEngine()))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, f"{tmp_path}/run"], check=True, capture_output=True, text=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    print(f"report over 1,000,000 documents: {told}")  # noqa: T201 - a figure for closing notes
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    length = report["stages"]["length"]
    assert length["came"]["documents"] == 1_000_000
    assert sum(length["measures"]["words"]["kept"]) == length["stayed"]["documents"]
    assert [gate["passed"] for gate in report["gates"]] == [True, True]
    assert told["cpu"] < 60
    assert told["mb"] < 2_000
