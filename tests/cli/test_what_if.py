"""`datapipe what-if` prints what would be kept and dropped, and what would have to be measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datapipe.errors import InputError
from tests.cli.toy_run import call, finished
from tests.run.workbench import Workbench


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("what_if")).folder / "run"


def test_the_effect_of_a_threshold_is_a_table_by_reason(run: Path) -> None:
    shown = call("what_if", run, "count", "min_words=1").output
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if line.strip()}
    assert rows["kept"][2] == "39"
    assert rows["too_short"][2] == "0"
    assert int(rows["kept"][3]) == -int(rows["too_short"][3]) > 0
    assert f"newly kept {rows['kept'][3][1:]}, newly dropped 0" in shown
    assert "--set count.min_words=1" in shown


def test_a_measure_option_needs_a_new_run(run: Path) -> None:
    with pytest.raises(InputError, match="needs a new run of the stage"):
        call("what_if", run, "count", "unit=2")


def test_thresholds_of_marks_are_decided_from_what_the_run_stores(tmp_path: Path) -> None:
    """Three, four and no different phrases of gambling: the run drops none, what-if tells for each threshold."""
    rest = "，今天天气很好我们去公园里走一走吧" * 4
    texts = ["百家乐、老虎机、时时彩" + rest, "百家乐、老虎机、时时彩、北京赛车" + rest, "昨天下雨" + rest]
    lines = [json.dumps({"text": text, "language": "zh"}) for text in texts]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    columns = {"text": "text", "language": "language"}
    source = {"use": "read.jsonl", "paths": [str(tmp_path / "in.jsonl")], "source": "s", "columns": columns}
    chain: dict[str, dict[str, Any]] = {
        "docs": source,
        "spam": {"use": "mark.spam"},
        "machine": {"use": "mark.machine_text"},
    }
    assert Workbench(tmp_path).run("run", chain).dropped("spam") == {}

    def after(stage: str, *changes: str) -> dict[str, int]:
        shown = call("what_if", tmp_path / "run", stage, *changes).output
        rows = [line.split() for line in shown.splitlines() if len(line.split()) == 4]
        return {row[0]: int(row[2]) for row in rows if row[2].isdigit()}

    assert after("spam", "drop=[gambling]") == {"kept": 1, "gambling": 2}
    assert after("spam", "drop=[gambling]", "min_phrases=4") == {"kept": 2, "gambling": 1}
    assert after("spam", "drop=[gambling]", "min_density=500") == {"kept": 3}
    assert after("machine", "drop=[model]", "min_refusals=1") == {"kept": 3}
