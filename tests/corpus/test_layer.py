"""Files of a run: the same bytes however they were written, each row where it should be, damage caught."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.corpus import layer
from datapipe.corpus.layer import TableFile, TableWriter, row_bytes
from datapipe.corpus.record import Part
from datapipe.corpus.store import Store
from datapipe.errors import CorruptData
from datapipe.schema import MESSAGE
from datapipe.stage import schema

LISTS = pa.large_list(MESSAGE)
SCHEMA = schema(row=pa.uint32(), text=pa.large_string(), lists=LISTS)


def _batch(texts: list[str | None]) -> pa.RecordBatch:
    says = [None if t is None else [{"role": "user", "content": t, "train": True, "weight": 1.0}] * 2 for t in texts]
    rows = pa.array(range(len(texts)), pa.uint32())
    columns: list[Any] = [rows, pa.array(texts, pa.large_string()), pa.array(says, LISTS)]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _written(batch: pa.RecordBatch, cuts: list[int]) -> tuple[bytes, dict[str, list[str]]]:
    target = io.BytesIO()
    writer = TableWriter(target, batch.schema)
    ends = sorted({0, len(batch), *(min(cut, len(batch)) for cut in cuts)})
    for a, b in pairwise(ends):
        writer.write(batch.slice(a, b - a))
    writer.close()
    assert writer.rows == len(batch)
    return target.getvalue(), writer.digests


def test_rows_read_from_a_file_are_written_as_the_file_was() -> None:
    """Parquet calls what a list holds by another name than memory does; a layer that is extended has rows of both."""
    batch = _batch(["a", None, "wörd"])
    whole, digests = _written(batch, [])
    again = pq.read_table(io.BytesIO(whole)).combine_chunks().to_batches()[0]
    assert again.schema.field("lists").type.value_field.name == "element"
    assert _written(again, []) == (whole, digests)


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "GROUP_BYTES", 500)
    monkeypatch.setattr(layer, "GROUP_ROWS", 12)


_texts = st.lists(st.none() | st.sampled_from(["", "ab", "x" * 20, "wörd" * 10]), max_size=40)


def test_row_groups_do_not_depend_on_the_cuts_of_batches(small_groups: None) -> None:
    @given(_texts, st.lists(st.integers(0, 40), max_size=6))
    def check(texts: list[str | None], cuts: list[int]) -> None:
        batch = _batch(texts)
        whole, digests = _written(batch, [])
        assert _written(batch, cuts) == (whole, digests)
        file = pq.ParquetFile(io.BytesIO(whole))
        assert file.read().to_pylist() == batch.to_pylist()
        sizes, start = row_bytes(batch), 0
        for number in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            mine = sizes[start : start + rows]
            assert rows <= 12
            assert mine[:-1].sum() < 500  # a group ends with the row that fills it
            start += rows

    check()


@given(_texts)
def test_the_bytes_of_a_row_do_not_depend_on_the_slice(texts: list[str | None]) -> None:
    batch = _batch(texts)
    single: list[int] = [int(row_bytes(batch.slice(n, 1))[0]) for n in range(len(batch))]
    assert row_bytes(batch).tolist() == single
    for row, text in zip(single, texts, strict=True):
        assert row >= 24 + (0 if text is None else 3 * len(text.encode()))


@pytest.fixture
def stored(tmp_path: Path, small_groups: None) -> tuple[Store, Part, dict[int, Any]]:
    batch = _batch([None if n % 5 == 0 else f"{n} " * (n % 4) for n in range(60)])
    rows = np.arange(60, dtype=np.uint32) * 3
    batch = pa.RecordBatch.from_arrays([pa.array(rows), *batch.columns[1:]], schema=SCHEMA)
    data, digests = _written(batch, [11])
    (tmp_path / "x.parquet").write_bytes(data)
    part = Part(path="x.parquet", rows=60, bytes=len(data), digests=digests)
    return Store(str(tmp_path)), part, dict(zip(map(int, rows), batch.column("text").to_pylist(), strict=True))


def test_rows_are_found_and_taken_across_row_groups(stored: tuple[Store, Part, dict[int, Any]]) -> None:
    store, part, model = stored

    @given(st.sets(st.integers(0, 190)).map(sorted))
    def check(rows: list[int]) -> None:
        file = TableFile(store, part)
        at = file.find(np.array(rows, np.uint32))
        assert [bool(place >= 0) for place in at] == [row in model for row in rows]
        got = file.take("text", at[at >= 0]).to_pylist()
        assert got == [model[row] for row in rows if row in model]

    check()


# ---------------------------------------------------------------------------------------------- store


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "run"))

    def broken() -> None:
        with store.commit("a/b.txt") as target:
            target.write(b"half")
            assert store.names("a") == []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert list((tmp_path / "run/a").iterdir()) == []
    store.write("a/b.txt", b"old")
    with pytest.raises(KeyboardInterrupt):
        broken_over(store)
    assert store.read("a/b.txt") == b"old"
    assert [path.name for path in (tmp_path / "run/a").iterdir()] == ["b.txt"]


def broken_over(store: Store) -> None:
    with store.commit("a/b.txt") as target:
        target.write(b"new")
        raise KeyboardInterrupt


def test_sweeping_removes_what_killed_writers_left_and_nothing_else(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write("a/b.parquet", b"1")
    store.write("a/c/d.parquet", b"1")
    for left in ("a/.b.parquet.0123abcd.tmp", "a/c/.d.parquet.0123abcd.tmp"):
        (tmp_path / left).write_bytes(b"half")
    store.write("z/e.parquet", b"1")
    (tmp_path / "z/.e.parquet.0123abcd.tmp").write_bytes(b"half")
    store.sweep("a")
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert found == ["a/b.parquet", "a/c/d.parquet", "z/.e.parquet.0123abcd.tmp", "z/e.parquet"]


def _plain(values: Any) -> str:
    """The values whatever their type is called: a footer may call text bytes."""
    return repr(values.to_pylist()).replace("b'", "'")


def test_a_changed_byte_anywhere_is_damage_or_changes_no_value(tmp_path: Path) -> None:
    """Footers, headers of pages and pages: whatever the reader of Parquet makes of them."""
    store = Store(str(tmp_path))
    data, digests = _written(_batch(["one", "zwei", None]), [])
    part = Part(path="x.parquet", rows=3, bytes=len(data), digests=digests)
    (tmp_path / "x.parquet").write_bytes(data)
    sound = TableFile(store, part)
    expected = {name: _plain(sound.take(name, np.arange(3))) for name in sound.columns}
    damaged = 0
    for place in range(0, len(data), 3):
        (tmp_path / "y.parquet").write_bytes(data[:place] + bytes([data[place] ^ 0x93]) + data[place + 1 :])
        try:
            file = TableFile(store, part.model_copy(update={"path": "y.parquet"}))
            assert {name: _plain(file.take(name, np.arange(3))) for name in expected} == expected
        except CorruptData:
            damaged += 1
    assert damaged > 100
