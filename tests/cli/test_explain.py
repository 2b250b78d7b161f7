"""`datapipe explain` tells a document's story in plain sentences, masked and escaped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datapipe.errors import InputError
from tests.cli.toy_run import call, finished

PRIVATE = "http://lines.example/p.txt/0"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("explain")).folder / "run"


def test_a_kept_document_is_told_stage_by_stage_and_nothing_private_or_live_is_shown(run: Path) -> None:
    shown = call("explain", run, PRIVATE).output
    assert shown.startswith(f"{PRIVATE}\nid ")
    assert "2. count (toy.count) kept it.\n     words  10   (min_words 3)" in shown
    assert "ONE TWO THREE FOUR [e-mail] [number] \\x1b[31MRED \\u202eLAST" in shown
    assert not any(secret in shown for secret in ("jane", "JANE", "1234567", "\x1b", "\u202e"))
    assert shown.rstrip().endswith("It is in what the run gives.")


def test_a_copy_names_what_stays_in_its_place(run: Path) -> None:
    stories = [call("explain", run, f"http://lines.example/f1.txt/{line}").output for line in (3, 11)]
    assert any("dropped it: copy" in told for told in stories) or all("kept it" in told for told in stories)


def test_json_holds_the_same_masked_values(run: Path) -> None:
    told = json.loads(call("explain", run, PRIVATE, "--json").output)
    assert told["url"] == PRIVATE
    assert [stage["outcome"] for stage in told["stages"]] == ["read", "kept", "kept", "kept", "kept"]
    assert told["stages"][1]["measures"]["words"] == {"value": 10, "thresholds": ["min_words 3"]}
    assert "[e-mail] [number]" in told["stages"][2]["text"][0]


def test_an_unknown_document_is_one_line_with_what_is_near(run: Path) -> None:
    with pytest.raises(InputError, match=r"no document .*did you mean http://lines.example/p.txt/0\?$"):
        call("explain", run, "https://lines.example/p.txt")
    with pytest.raises(InputError, match="compared exactly"):
        call("explain", run, "nobody")
