"""Pieces: the texts of documents and of conversations, measured and replaced alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from datapipe.schema import COLUMNS
from datapipe.text import pieces, replace_pieces, segment

MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant"]),
            "content": st.none() | st.text(max_size=5),
            "train": st.none(),
            "weight": st.none(),
        }
    ),
    max_size=3,
)
DOCUMENTS = st.lists(st.tuples(st.none() | st.text(max_size=5), st.none() | MESSAGES), max_size=6)


def batch_of(documents: list[Any]) -> pa.RecordBatch:
    """A batch with both columns."""
    texts = pa.array([text for text, _ in documents], pa.large_string())
    return pa.RecordBatch.from_arrays(
        [texts, pa.array([talk for _, talk in documents], COLUMNS["messages"])], names=["text", "messages"]
    )


def expected(documents: list[Any]) -> list[Any]:
    """(row, message, text) of every piece, by plain Python."""
    found = []
    for row, (text, talk) in enumerate(documents):
        if talk is not None:
            found += [(row, at, turn["content"]) for at, turn in enumerate(talk) if turn["content"] is not None]
        elif text is not None:
            found.append((row, -1, text))
    return found


@given(DOCUMENTS)
def test_pieces_are_the_texts_or_the_messages_in_order(documents: list[Any]) -> None:
    found = pieces(batch_of(documents))
    assert list(zip(found.document.tolist(), found.message.tolist(), found.texts.to_pylist(), strict=True)) == expected(
        documents
    )


@given(DOCUMENTS)
def test_replacing_pieces_changes_them_and_nothing_else(documents: list[Any]) -> None:
    batch = batch_of(documents)
    found = pieces(batch)
    again = replace_pieces(batch, found, pa.array([f"<{text}>" for text in found.texts.to_pylist()], pa.large_string()))
    assert [(row, at, f"<{text}>") for row, at, text in expected(documents)] == expected(
        list(zip(*again.to_pydict().values(), strict=True))
    )
    assert replace_pieces(batch, found, found.texts).equals(batch)


def test_measures_combine_by_document() -> None:
    talk = [
        {"role": "user", "content": "ab", "train": None, "weight": None},
        {"role": "assistant", "content": "cdef", "train": None, "weight": None},
    ]
    found = pieces(batch_of([("x", None), (None, talk), (None, None)]))
    values = np.array([5.0, 1.0, 4.0])
    assert found.combine(values, 3, "sum")[:2].tolist() == [5.0, 5.0]
    assert found.combine(values, 3, "max")[:2].tolist() == [5.0, 4.0]
    assert found.combine(values, 3, "min")[:2].tolist() == [5.0, 1.0]
    assert found.combine(values, 3, "weighted")[:2].tolist() == [5.0, 3.0]
    assert math.isnan(found.combine(values, 3, "sum")[2])


def test_texts_without_conversations_share_the_segmentation_of_the_batch() -> None:
    """Else a batch that only could hold conversations is segmented twice."""
    batch = batch_of([("one two", None), ("three", None)])
    assert segment(pieces(batch).texts) is segment(batch["text"])
    lacking = batch_of([("one two", None), (None, None), ("three", None)])
    shared = segment(lacking["text"])
    found = pieces(lacking)
    assert found.texts.to_pylist() == ["one two", "three"]
    assert segment(found.texts).words.hashes is shared.words.hashes
