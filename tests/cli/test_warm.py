"""`datapipe warm` compiles into the cache folder and says where that is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.toy_run import call

ROOT = Path(__file__).parents[2]
COMPARE = "datapipe.algo.minhash", "datapipe.algo.winnowing", "datapipe.algo.pairs", "datapipe.algo.hash_sets"
OTHERS = "datapipe.algo.item_match", "datapipe.algo.item_grams", "datapipe.algo.item_index", "datapipe.algo.pii.scan"
MODULES = (*COMPARE, *OTHERS, "datapipe.algo.near.candidates")
COLD = f"""
import importlib
from click.testing import CliRunner
from numba.core.dispatcher import Dispatcher
from datapipe.cli.warm import warm
CliRunner().invoke(warm, [], catch_exceptions=False)
for name in {MODULES!r}:
    for key, kernel in vars(importlib.import_module(name)).items():
        if isinstance(kernel, Dispatcher) and not kernel.targetoptions.get("no_cpython_wrapper"):
            print("compiled" if kernel.signatures else "cold", name, key)
"""


def test_seconds_and_folder_are_printed() -> None:
    shown = call("warm").output
    assert "kernels " in shown
    assert "cache " in shown


def test_kernels_of_single_stages_are_compiled_too() -> None:
    """In a process of its own: here other tests compile them."""
    found = subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=True, cwd=ROOT)
    lines = [line.split() for line in found.stdout.splitlines()]
    assert {module for state, module, _ in lines if state == "compiled"} == set(MODULES)
    assert [line for line in lines if line[0] == "cold"] == []
