"""Packed data that may not be trained on: gates that failed, and tokenizers that differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datapipe.errors import GateNotMet, InputError
from datapipe.train.gates import check_gates, check_tokenizers, failed_gates, same_vocabulary


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


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": [{"content": "<s>", "id": 2}]}, True),
        ({"model": {"vocab": {"a": 0, "b": 1, "<s>": 2}}, "added_tokens": [], "version": "1.0"}, True),
        ({"model": {"vocab": [["a", -1.0], ["b", -2.0], ["<s>", 0.0]]}}, True),
        ({"model": {"vocab": {"a": 1, "b": 0}}, "added_tokens": [{"content": "<s>", "id": 2}]}, False),
        ({"model": {"vocab": {"a": 0, "b": 1}}}, False),
    ],
)
def test_tokenizers_are_the_same_where_tokens_have_the_same_numbers(
    tmp_path: Path, other: dict[str, Any], *, same: bool
) -> None:
    one = {"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": [{"content": "<s>", "id": 2}]}
    for name, told in (("one", one), ("other", other)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_text(json.dumps(told), encoding="utf-8")
    assert same_vocabulary(tmp_path / "one", tmp_path / "other") is same
