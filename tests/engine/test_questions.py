"""What is asked of documents: each gets all of it, in order; what they answer is cut by its bytes."""

from __future__ import annotations

import tempfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.corpus.store import Store
from datapipe.engine.answering import _cuts
from datapipe.engine.part import PartWriter
from datapipe.engine.questions import Questions
from datapipe.engine.task import Slice

FILES = st.lists(st.lists(st.integers(0, 40), max_size=40), min_size=1, max_size=4)


def written(folder: str, number: int, rows: list[int]) -> Slice:
    """A file of which the first row is none of the slice."""
    at = sorted(rows)
    table = pa.table({"row": pa.array([0, *at], pa.uint32()), "of": [(number, place) for place in range(len(at) + 1)]})
    writer = PartWriter(Store(folder), f"{number}.parquet", table.schema, sliced=True)
    writer.write(table.combine_chunks().to_batches()[0])
    return Slice(part=writer.commit(), first=1, last=len(at) + 1)


@given(FILES, st.integers(1, 9), st.integers(1, 50), st.integers(1, 7))
def test_every_document_gets_all_that_is_asked_of_it(files: list[list[int]], chunk: int, ahead: int, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr("datapipe.engine.questions.CHUNK_ROWS", chunk)
        patch.setattr("datapipe.engine.questions.DOCUMENTS", ahead)
        slices = [written(folder, number, rows) for number, rows in enumerate(files) if rows]
        asked = Questions(Store(folder), slices)
        wanted = asked.documents()
        assert wanted.tolist() == sorted({row for rows in files for row in rows})
        found = []
        for start in range(0, len(wanted), size):
            some = asked.on(wanted[start : start + size])
            assert np.unique(some["row"].to_numpy()).tolist() == wanted[start : start + size].tolist()
            found += [(row["row"], *row["of"]) for row in some.to_pylist()]
    expected = [(row, number, at + 1) for number, rows in enumerate(files) for at, row in enumerate(sorted(rows))]
    assert sorted(found) == sorted(expected)


@given(st.lists(st.integers(0, 100), max_size=30), st.integers(1, 200))
def test_answers_of_documents_are_cut_by_their_bytes(sizes: list[int], most: int) -> None:
    cuts = list(_cuts(np.array(sizes, np.int64), most))
    assert [row for start, stop in cuts for row in range(start, stop)] == list(range(len(sizes)))
    assert all(sum(sizes[start:stop]) <= most or stop == start + 1 for start, stop in cuts)
    assert all(sum(sizes[start : stop + 1]) > most for start, stop in cuts if stop < len(sizes))  # no more than needed
