"""Packed data that may not be trained on: gates that failed, and tokenizers that differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datapipe.errors import GateNotMet, InputError
from datapipe.train.gates import check_gates, check_tokenizers, failed_gates, unjudged


def packed(folder: Path, *, tokenizer: dict[str, str] | None = None, **more: Any) -> str:
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "tokenizer" / "tokenizer.json").write_text("{}", encoding="utf-8")
    told = {"length": 8, "sources": {}, "files": [], "tokenizer": tokenizer or {"tokenizer.json": "aa"}, **more}
    (folder / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("gates", "failed"),
    [
        (None, ()),
        ({}, ()),
        ({"a": {"passed": True}}, ()),
        ({"b": {"passed": False}, "a": {"passed": False, "value": 3}, "c": {"passed": True}}, ("a", "b")),
        ({"a": {}}, ("a",)),
        ({"a": None}, ("a",)),
    ],
)
def test_gates_not_told_to_have_passed_have_failed(tmp_path: Path, gates: Any, failed: tuple[str, ...]) -> None:
    assert failed_gates(packed(tmp_path / "out", gates=gates)) == failed


def test_data_without_gates_are_not_judged_rather_than_good(tmp_path: Path) -> None:
    told = {"none": None, "empty": {}, "met": {"a": {"passed": True}}, "missed": {"a": {"passed": False}}}
    folders = [packed(tmp_path / name, gates=gates) for name, gates in told.items()]
    assert unjudged(folders) == (str(tmp_path / "none"), str(tmp_path / "empty"))


def test_what_was_let_out_all_the_same_has_failed_and_needs_a_reason_of_its_own(tmp_path: Path) -> None:
    forced = {"contamination.total == 0": {"passed": False, "told": "it is 3", "forced": "a trial"}}
    assert failed_gates(packed(tmp_path / "out", gates=forced)) == ("contamination.total == 0",)


def test_what_waits_to_be_let_out_has_failed(tmp_path: Path) -> None:
    assert failed_gates(packed(tmp_path / "run" / "_pending" / "out")) == ("_pending",)


def test_training_is_refused_by_the_names_of_the_gates_unless_there_is_a_reason(tmp_path: Path) -> None:
    good, bad = packed(tmp_path / "good"), packed(tmp_path / "bad", gates={"contamination": {"passed": False}})
    with pytest.raises(GateNotMet, match=r"bad \(contamination\).*--force --reason") as caught:
        check_gates([good, bad], None)
    assert caught.value.exit_code == 3
    assert check_gates([good, bad], "a trial") == {bad: ("contamination",)}
    assert check_gates([good], None) == {}


def test_packed_data_of_two_tokenizers_are_refused(tmp_path: Path) -> None:
    one, other = packed(tmp_path / "a"), packed(tmp_path / "b", tokenizer={"tokenizer.json": "bb"})
    assert check_tokenizers([one]) == Path(one) / "tokenizer"
    with pytest.raises(InputError, match=r"another tokenizer than .*tokenizer.json"):
        check_tokenizers([one, other])
    (Path(one) / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"has no tokenizer"):
        check_tokenizers([one])
    with pytest.raises(InputError, match=r"holds no packed sequences"):
        check_gates([str(tmp_path / "none")], None)
