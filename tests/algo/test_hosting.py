"""What is put into documents stands between their sentences, and nothing else of them changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.chance import Chance
from datapipe.algo.hosting import Case, Host, cases_of, copies_of, hosts_of, is_chinese, sentences_of
from datapipe.schema import COLUMNS


def batch(texts: list[str | None], messages: list[Any] | None = None) -> pa.RecordBatch:
    talks: Any = messages or [None] * len(texts)
    arrays: list[Any] = [pa.array(texts, COLUMNS["text"]), pa.array(talks, COLUMNS["messages"])]
    return pa.RecordBatch.from_arrays(arrays, names=["text", "messages"])


def said(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content, "train": True, "weight": 1.0}


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three", ["One.", "Two!", "Three"]),
        ("一。二！三", ["一。", "二！", "三"]),
        ("a line\n\nanother", ["a line", "another"]),
        ("3.14 is no end", ["3.14 is no end"]),
        ("  ", []),
    ],
)
def test_sentences_end_at_marks_and_lines(text: str, sentences: list[str]) -> None:
    assert sentences_of(text) == sentences


def test_a_text_is_chinese_from_three_characters_in_ten_on() -> None:
    assert is_chinese("中文四字 abcdef")
    assert not is_chinese("中文 and more than that")
    assert not is_chinese("")


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=200), st.integers(0, 2**64 - 1))
def test_taken_out_again_what_was_put_in_leaves_the_text(text: str, seed: int) -> None:
    made = Host(0, 0, text, Chance(seed)).around("<planted>")
    before, _, after = made.partition("<planted>")
    assert (before + after).replace(" ", "").replace("\n", "") == text.replace(" ", "").replace("\n", "")


def test_in_a_conversation_one_message_changes_and_a_document_without_text_is_no_host() -> None:
    told = [said("user", "Hello. How are you?"), said("assistant", "Well. And you?")]
    whole: Any = pa.array([told], COLUMNS["messages"])
    talk = whole.to_pylist()[0]
    given_ = batch(["A text. It has two sentences.", None, None], [None, talk, None])
    hosts = list(hosts_of(given_, np.array([1, 2, 3], np.uint64)))
    assert [host.row for host in hosts] == [0, 1]
    cases = cases_of(given_, [Case(host, "kind", "it", host.around("IT")) for host in hosts]).to_pylist()
    assert [case["parent_row"] for case in cases] == [0, 1]
    assert "IT" in cases[0]["text"]
    changed = [at for at, message in enumerate(cases[1]["messages"]) if message != talk[at]]
    assert len(changed) == 1
    assert "IT" in cases[1]["messages"][changed[0]]["content"]


def test_copies_bring_their_column_alone() -> None:
    made = copies_of("title", [(0, "copy", "x"), (2, "copy", "y")])
    assert made.schema.names == ["parent_row", "case", "hidden", "title"]
    assert made["parent_row"].to_pylist() == [0, 2]
    assert copies_of("near.score", []).schema.names == ["parent_row", "case", "hidden"]


def test_chance_is_the_same_for_a_seed_and_covers_what_there_is() -> None:
    one, other = Chance(7), Chance(7)
    assert [one.below(100) for _ in range(50)] == [other.below(100) for _ in range(50)]
    assert sorted(Chance(1).order(40)) == list(range(40))
    assert Chance(1).order(40) != Chance(2).order(40)
    assert {Chance(seed).pick("abc") for seed in range(30)} == set("abc")
    digits = Chance(3).digits(12)
    assert len(digits) == 12
    assert digits[0] != "0"


def test_draws_are_spread_evenly() -> None:
    """Of 10,000 draws from ten each number comes 1,000 times, give or take five standard deviations of 30."""
    chance = Chance(11)
    counts = np.bincount([chance.below(10) for _ in range(10_000)], minlength=10)
    assert np.abs(counts - 1_000).max() < 150
