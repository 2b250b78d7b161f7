"""`datapipe what-if` prints what would be kept and dropped, and what would have to be measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from datapipe.errors import InputError
from tests.cli.toy_run import call, finished


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
