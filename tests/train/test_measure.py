"""The measurement on a GPU, tried without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What a machine with torch and transformers alone need not have.
WITHOUT = """
import runpy, sys

for name in ("accelerate", "click", "numba", "orjson", "peft", "pyarrow", "pydantic", "xxhash"):
    sys.modules[name] = None  # is not found
sys.argv[0] = "measure.py"
runpy.run_path("tests/gpu/measure.py", run_name="__main__")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    program = [sys.executable, "-c", WITHOUT, *arguments]
    return subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=280)


def test_equivalence_is_measured_with_torch_and_transformers_alone() -> None:
    done = run("--tiny", "--seconds", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.partition(" (")[0] for line in done.stdout.splitlines() if "holds" in line] == [
        f"{kernel} {kind}: holds" for kernel in ("sdpa", "eager") for kind in ("float32", "bfloat16")
    ]
    assert done.stdout.count("out of time") == 3
    assert "tokens/s:" not in done.stdout


@pytest.mark.full
def test_without_a_gpu_it_says_so() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no CUDA device here" in done.stderr


@pytest.mark.full
def test_tiny_run_measures_every_cell() -> None:
    done = run("--tiny")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "packed ÷ padded:" in done.stdout
    assert done.stdout.count("| tiny | 214,464 |") == 2
    assert "not measured" not in done.stdout
