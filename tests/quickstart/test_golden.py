"""The quickstart gives what it gave: counts of every stage, and digests of every column.

`pytest tests/quickstart --update-golden` writes golden.json anew; look at what changed before committing it.
Digests of a stage's values are compared where the libraries that shape them have the versions of the golden run;
counts always.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datapipe.corpus.record import read_records
from datapipe.corpus.store import Store

GOLDEN = Path(__file__).with_name("golden.json")


def summary(run: Path) -> dict[str, Any]:
    """What is held of each stage."""
    store = Store(str(run))
    found: dict[str, Any] = {}
    for folder in sorted(run.iterdir()):
        if not (folder / "stage.json").exists():
            continue
        about = json.loads((folder / "stage.json").read_text(encoding="utf-8"))
        records = read_records(store, folder.name)
        layers = {name: [part.digests for part in record.layer] for name, record in records.items()}
        found[folder.name] = {
            "libraries": {path: payload["libraries"] for path, payload in about["values"].items()},
            "totals": about["totals"],
            "columns": {} if about["kind"] == "Sink" else layers,  # a file's own bytes depend on its writer's version
        }
    return found


def test_the_golden_run(quickstart: Path, request: pytest.FixtureRequest) -> None:
    now = summary(quickstart)
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    then = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert [(name, now[name]["totals"]) for name in now] == [(name, then[name]["totals"]) for name in then]
    same = [name for name in now if _upstream(now, name) == _upstream(then, name)]
    assert "pages" in same
    assert {name: now[name]["columns"] for name in same} == {name: then[name]["columns"] for name in same}


def _upstream(found: dict[str, Any], name: str) -> Any:
    """Libraries of a stage and, since they all read its text, of `extract`."""
    return found[name]["libraries"], found["text"]["libraries"] if name != "pages" else None
