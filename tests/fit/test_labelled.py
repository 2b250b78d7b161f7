"""Labelled texts from JSON lines: what counts, what is left out, and who is held out."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datapipe.errors import InputError
from datapipe.fit.labelled import Labelled, Reading, held_out, labelled, path_of


def lines(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def words(number: int) -> str:
    """A text of its own for each number; digits would be one in normal form."""
    return " ".join("abcdefghij"[int(digit)] * 3 for digit in str(number))


def pairs(found: Labelled) -> set[tuple[str, str]]:
    return set(zip([str(text) for text in found.texts], found.labels.tolist(), strict=True))


def test_lines_without_what_is_needed_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [
        {"text": "One fine day.", "label": "good"},
        {"text": "Another day, another text.", "label": 1},
        {"text": "A third one here.", "label": True},
        {"text": "  ", "label": "good"},
        {"text": 3, "label": "good"},
        {"text": "no label"},
        {"text": "a label of a kind that is none", "label": [1]},
        "not JSON",
        "[1]",
    ]
    found = labelled([lines(tmp_path / "a.jsonl", rows)], Reading())
    assert pairs(found) == {
        ("One fine day.", "good"),
        ("Another day, another text.", "1"),
        ("A third one here.", "true"),
    }
    assert found.left_out == {"no JSON object": 2, "no label": 2, "no text": 2}


def test_a_label_that_is_a_text_or_that_a_terminal_obeys_is_none(tmp_path: Path) -> None:
    made = ["x" * 64, "x" * 65, "two\nlines", "\x1b[31mred", " spaced ", "a|b", "\u202eturned"]
    rows = [{"text": "word " * (n + 1), "label": label} for n, label in enumerate(made)]
    found = labelled([lines(tmp_path / "a.jsonl", rows)], Reading())
    assert set(found.labels.tolist()) == {"x" * 64, "a|b"}
    assert found.left_out == {"a label that is no name": 5}


def test_fields_and_labels_may_have_other_names_and_other_labels_are_left_out(tmp_path: Path) -> None:
    rows = [{"body": words(n), "class": str(n)} for n in range(3)]
    reading = Reading({"text": "body", "label": "class"}, {"0": "good", "2": "spam"})
    found = labelled([lines(tmp_path / "a.jsonl", rows)], reading)
    assert pairs(found) == {(words(0), "good"), (words(2), "spam")}
    assert found.left_out == {"another label": 1}


def test_a_text_counts_once_and_not_at_all_with_two_labels(tmp_path: Path) -> None:
    rows = [
        {"text": "The same text.", "label": "a"},
        {"text": "the same TEXT", "label": "a"},
        {"text": "The same text.", "label": "a"},
        {"text": "Whose is it?", "label": "a"},
        {"text": "whose is it", "label": "b"},
        {"text": "by itself", "label": "b"},
    ]
    found = labelled([lines(tmp_path / "a.jsonl", rows)], Reading())
    assert sorted(label for _, label in pairs(found)) == ["a", "b"]
    assert found.left_out == {"the same text again": 2, "the same text with another label": 2}


def test_the_order_of_lines_and_files_means_nothing(tmp_path: Path) -> None:
    rows = [{"text": words(n // 2), "label": "ab"[n % 3 == 0], "group": n % 7} for n in range(200)]
    one = labelled([lines(tmp_path / "a.jsonl", rows)], Reading(limit=50))
    random.Random(3).shuffle(rows)
    other = labelled(
        [lines(tmp_path / "z.jsonl", rows[:30]), lines(tmp_path / "b.jsonl", rows[30:])], Reading(limit=50)
    )
    assert one.texts.equals(other.texts)
    assert one.keys.tolist() == other.keys.tolist()
    assert one.digest() == other.digest()


@pytest.mark.parametrize(
    ("row", "group"),
    [
        ({"group": "thread 1", "host": "a.example"}, "thread 1"),
        ({"host": "a.example"}, "a.example"),
        ({"url": "https://A.example/page?x"}, "a.example"),
        ({"url": 7}, None),
        ({}, None),
    ],
)
def test_what_belongs_together_is_told_by_group_host_or_url(
    tmp_path: Path, row: dict[str, Any], group: str | None
) -> None:
    rows = [{"text": words(n), "label": "a", **row} for n in range(3)]
    alike = [{"text": "another text", "label": "a", "group": group}] if group else []
    found = labelled([lines(tmp_path / "a.jsonl", rows + alike)], Reading())
    assert len(set(found.keys.tolist())) == (1 if group else 3)
    assert found.grouped == (4 if group else 0)


def test_no_group_is_on_both_sides_and_about_the_share_is_held_out(tmp_path: Path) -> None:
    rows = [{"text": words(n), "label": "a", "group": n // 4} for n in range(4000)]
    found = labelled([lines(tmp_path / "a.jsonl", rows)], Reading())
    away = held_out(found, 0.25)
    assert not set(found.keys[away].tolist()) & set(found.keys[~away].tolist())
    assert 0.2 < away.mean() < 0.3
    more = held_out(found, 0.5)
    assert not np.any(away & ~more)  # a larger share holds the smaller


def test_files_without_a_usable_line_are_told_in_one_line(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"content": "x", "label": "a"}])
    with pytest.raises(InputError, match=r"no line has text and label .* --fields"):
        labelled([path], Reading())


def test_a_file_may_have_one_label_for_all_its_lines(tmp_path: Path) -> None:
    good = lines(tmp_path / "a.jsonl", [{"text": words(1)}, {"text": words(2), "label": "bad"}])
    other = lines(tmp_path / "b.jsonl", [{"text": words(3), "label": "bad"}, {"text": words(4)}])
    found = labelled([f"good={good}", other], Reading())
    assert pairs(found) == {(words(1), "good"), (words(2), "good"), (words(3), "bad")}
    assert found.left_out == {"no label": 1}


def test_a_file_whose_name_has_an_equals_sign_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines(Path("date=1.jsonl"), [{"text": words(1), "label": "x"}])
    assert pairs(labelled(["date=1.jsonl"], Reading())) == {(words(1), "x")}
    assert path_of(str(tmp_path / "date=1/a.jsonl")) == (None, str(tmp_path / "date=1/a.jsonl"))


def test_lines_without_the_fields_asked_for_are_told_with_those_they_have(tmp_path: Path) -> None:
    file = lines(tmp_path / "a.jsonl", ["[1]", {"content": "jane@example.org", "class": "a", "\x1b[31m": 1}])
    with pytest.raises(InputError) as told:
        labelled([file], Reading())
    assert "no line has text and label that can be used; the first has content, class;" in str(told.value)
    assert "jane" not in str(told.value)
    assert "\x1b" not in str(told.value)
