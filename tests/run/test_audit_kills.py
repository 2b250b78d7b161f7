"""An audit whose driver is killed goes on where it was: the counts and bytes of one that nobody disturbed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.run.copies import SHORT, chain, documents, write
from tests.run.test_audit import RATE, run
from tests.run.workbench import Workbench, differences

ROOT = Path(__file__).parents[2]
MOMENTS = (
    "audit/near/planted-cases/*.json",
    "audit/near/near/exchange/*.json",
    "audit/near/near/exchange/round-0/*.json",
    "audit/near/near/exchange/round-1/*.json",
    "audit/near/near/exchange/round-3/*.json",
    "audit/near/near/*.json",
)
FEW = {MOMENTS[3]}


@pytest.mark.parametrize("moment", [pytest.param(m, marks=() if m in FEW else pytest.mark.full) for m in MOMENTS])
@pytest.mark.timeout(600)
def test_a_driver_killed_in_an_audit_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    monkeypatch.setattr("datapipe.run.group.RANGE_ROWS", SHORT)
    bench = Workbench(tmp_path)
    write(bench, documents(80, seed=3), files=4)
    made: dict[str, Any] = chain(bench, "near")
    alone = run(bench, "alone", made, rate=RATE)
    for attempt in range(5):
        folder = bench.folder / f"killed-{attempt}"
        path = bench.recipe_file(folder.name, made)
        recipe = {**yaml.safe_load(path.read_text(encoding="utf-8")), "audit": {"rate": RATE}}
        path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-m", "tests.run.kill_driver", str(path), "0", str(SHORT)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as driver:
            while driver.poll() is None and not any(folder.glob(moment)):
                time.sleep(0.0005)
            driver.kill()
        in_time = not (folder / "audit.json").exists()
        again = run(bench, folder.name, made, rate=RATE)
        different = [name for name in differences(alone.folder, again.folder) if "/logs/" not in name]
        assert different == []
        assert json.loads((folder / "audit.json").read_text())["near"]["judged"] > 10
        if in_time:
            return
    pytest.fail("no kill came in time")
