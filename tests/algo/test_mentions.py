"""Aggregates over documents that mention a group, against values worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.mentions import associated, share, summarised
from datapipe.schema import COLUMNS
from datapipe.text import forget


def batches(rows: list[dict[str, Any]], size: int = 2) -> Iterator[pa.RecordBatch]:
    kinds = pa.schema(
        [
            ("groups", pa.list_(pa.string())),
            ("score", pa.float64()),
            ("first", pa.bool_()),
            ("second", pa.bool_()),
            ("text", pa.large_string()),
        ]
    )
    for start in range(0, len(rows), size):
        yield pa.RecordBatch.from_pylist(rows[start : start + size], kinds)


@pytest.mark.parametrize(
    ("hit", "total", "low", "high"),
    [
        # Newcombe 1998, table I, method 3 (Wilson).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 0, 0.0, 1.0),
        (20, 20, 0.8389, 1.0),  # as 0 of 20, from the other end
    ],
)
def test_intervals_are_those_of_the_literature(hit: int, total: int, low: float, high: float) -> None:
    found = share(hit, total)
    assert (found.hit, found.total) == (hit, total)
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 10**7))
def test_the_interval_of_none_and_of_all_ends_there(total: int) -> None:
    assert share(0, total).low == 0.0
    assert share(total, total).high == 1.0


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_share_lies_in_its_interval(hit: int, total: int) -> None:
    hit = min(hit, total)
    found = share(hit, total)
    assert 0 <= found.low <= hit / total + 1e-12
    assert hit / total - 1e-12 <= found.high <= 1


ROWS: list[dict[str, Any]] = [
    {"groups": ["a"], "score": 0.2, "first": False, "second": False},
    {"groups": ["a", "b"], "score": 0.4, "first": False, "second": True},
    {"groups": [], "score": 0.0, "first": True, "second": None},  # it left, so that it did not come to the second
    {"groups": ["b"], "score": None, "first": True, "second": None},
    {"groups": None, "score": 1.0, "first": None, "second": False},  # it went another way
]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_documents_scores_and_losses_by_group(size: int) -> None:
    everyone, a, b = summarised(batches(ROWS, size), "groups", score="score", stages=("first", "second"))
    assert (everyone.group, everyone.documents, everyone.scored) == (None, 5, 4)
    assert everyone.mean == pytest.approx(0.4)
    assert everyone.quantiles == (0.0, 0.0, 0.2, 0.4, 1.0, 1.0)
    assert everyone.removed["first"][:2] == (2, 4)
    assert everyone.removed["second"][:2] == (1, 3)
    assert (a.group, a.documents, a.removed["first"][:2], a.removed["second"][:2]) == ("a", 2, (0, 2), (1, 2))
    assert (b.documents, b.scored) == (2, 1)
    assert b.mean == pytest.approx(0.4)
    assert b.removed["second"][:2] == (1, 1)


def test_without_scores_and_stages() -> None:
    everyone, *_ = summarised(batches(ROWS), "groups")
    assert (everyone.scored, everyone.removed) == (0, {})
    assert math.isnan(everyone.mean)


def test_nothing_at_all() -> None:
    assert [each.documents for each in summarised([], "groups", stages=["x"])] == [0]


def test_words_that_go_with_a_group() -> None:
    texts = [
        ("Angry crowd, angry crowd", ["a"]),
        ("An ANGRY crowd slept", ["a"]),
        ("The crowd slept", []),
        ("Quiet", None),
    ]
    rows = [{"groups": groups, "text": text} for text, groups in texts]

    def again() -> Iterator[pa.RecordBatch]:
        forget()
        return batches(rows)

    found = associated(again, "groups", least=2)
    # 4 documents, 2 of the group: angry stands in 2, all of the group: log2(2*4/(2*2)); crowd in 3: log2(2*4/(3*2)).
    assert list(found) == ["a"]
    assert [(each.word, each.documents, each.of) for each in found["a"]] == [("angry", 2, 2), ("crowd", 2, 3)]
    assert [each.pmi for each in found["a"]] == pytest.approx([1.0, math.log2(4 / 3)])
    assert [each.word for each in associated(again, "groups", least=1, most=1)["a"]] == ["angry"]
    told = associated(again, "groups", least=2, without=lambda group: ["Angry"] if group == "a" else ["crowd"])
    assert [each.word for each in told["a"]] == ["crowd"]


def test_words_that_shun_a_group_are_none_of_it() -> None:
    rows = [{"groups": ["a"], "text": "rain here"}, {"groups": [], "text": "rain"}, {"groups": [], "text": "rain"}]
    found = associated(lambda: batches(rows), "groups", least=1)
    assert [each.word for each in found["a"]] == ["here"]  # rain stands everywhere: log2(1) = 0


def test_the_messages_of_a_conversation_are_one_document() -> None:
    said = [{"role": "user", "content": "Storm, storm"}, {"role": "assistant", "content": "A storm"}]
    kinds = pa.schema([("groups", pa.list_(pa.string())), ("messages", COLUMNS["messages"])])
    rows: list[dict[str, Any]] = [{"groups": ["a"], "messages": said}, {"groups": [], "messages": said[:0]}]
    found = associated(lambda: iter([pa.RecordBatch.from_pylist(rows, kinds)]), "groups", least=1)
    assert {(each.word, each.documents, each.of, each.pmi) for each in found["a"]} == {
        ("storm", 1, 1, 1.0),
        ("a", 1, 1, 1.0),
    }
