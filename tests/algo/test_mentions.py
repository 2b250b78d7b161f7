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
from datapipe.text import forget


def batches(rows: list[dict[str, Any]], size: int = 2) -> Iterator[pa.RecordBatch]:
    kinds = pa.schema(
        [
            ("groups", pa.list_(pa.string())),
            ("score", pa.float64()),
            ("first", pa.string()),
            ("second", pa.string()),
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
    ],
)
def test_intervals_are_those_of_the_literature(hit: int, total: int, low: float, high: float) -> None:
    found = share(hit, total)
    assert (found.hit, found.total) == (hit, total)
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_share_lies_in_its_interval(hit: int, total: int) -> None:
    hit = min(hit, total)
    found = share(hit, total)
    assert 0 <= found.low <= hit / total + 1e-12
    assert hit / total - 1e-12 <= found.high <= 1


ROWS: list[dict[str, Any]] = [
    {"groups": ["a"], "score": 0.2, "first": None, "second": None},
    {"groups": ["a", "b"], "score": 0.4, "first": None, "second": "toxic"},
    {"groups": [], "score": 0.0, "first": "short", "second": None},
    {"groups": ["b"], "score": None, "first": "short", "second": "toxic"},
    {"groups": None, "score": 1.0, "first": None, "second": None},
]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_documents_scores_and_losses_by_group(size: int) -> None:
    everyone, a, b = summarised(batches(ROWS, size), "groups", score="score", stages=("first", "second"))
    assert (everyone.group, everyone.documents, everyone.scored) == (None, 5, 4)
    assert everyone.mean == pytest.approx(0.4)
    assert everyone.quantiles == (0.0, 0.0, 0.2, 0.4, 1.0, 1.0)
    assert everyone.removed["first"][:2] == (2, 5)
    assert everyone.removed["second"][:2] == (1, 3)  # of two that it would drop, one did not come so far
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

    found = associated(again, "groups", "a", least=2)
    # 4 documents, 2 of the group: angry stands in 2, all of the group: log2(2*4/(2*2)); crowd in 3: log2(2*4/(3*2)).
    assert [(each.word, each.documents, each.of) for each in found] == [("angry", 2, 2), ("crowd", 2, 3)]
    assert [each.pmi for each in found] == pytest.approx([1.0, math.log2(4 / 3)])
    assert associated(again, "groups", "nobody", least=1) == []
    assert [each.word for each in associated(again, "groups", "a", least=1, most=1)] == ["angry"]
