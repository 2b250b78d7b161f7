"""read.parquet: columns of any type, row groups, damage, and resuming anywhere."""

from __future__ import annotations

import datetime as dt
import io
import json
import tempfile
import uuid
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo import tables
from datapipe.algo.inputs import digest16
from datapipe.errors import InputError
from stages.read.parquet import STAGE, Config
from tests.stages.read.archives import assert_resumes, rows

PLAIN = Config(paths=("x",), source="s", snapshot="1")
TEXTS = [f"text {number} ü" * (number % 7) for number in range(50)]


def write(path: Path, data: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(data), path, **options)
    return path


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()]
)
@pytest.mark.parametrize("rows_per_group", [7, 50])
def test_texts_of_any_string_type(tmp_path: Path, kind: pa.DataType, rows_per_group: int) -> None:
    texts = pa.array(TEXTS).cast(kind)
    path = write(tmp_path / "x.parquet", {"text": texts}, row_group_size=rows_per_group)
    found = assert_resumes(STAGE, path, PLAIN)
    assert [row["text"] for row in found] == TEXTS
    assert [row["record"] for row in found] == list(range(50))
    assert [row["digest"] for row in found] == [digest16(text.encode()) for text in TEXTS]
    assert [row["bytes"] for row in found] == [len(text.encode()) for text in TEXTS]
    assert {(row["source"], row["snapshot"], row["metadata"], row["reason"]) for row in found} == {
        ("s", "1", None, None)
    }


def test_columns_metadata_and_ids(tmp_path: Path) -> None:
    data = {
        "body": ["one", None, "three"],
        "key": pa.array([1, 2, None], pa.int64()),
        "date": [dt.date(2026, 1, 2)] * 3,
        "seen": [dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)] * 3,
        "tags": [["a"], [], None],
        "raw": [b"\xff", b"x", None],
    }
    path = write(tmp_path / "x.parquet", data)
    config = Config(paths=("x",), source="s", columns={"text": "body", "id": "key", "author": "tags"})
    found = assert_resumes(STAGE, path, config)
    assert [(row["id"], row["text"], row["reason"], row["date"], row["author"]) for row in found] == [
        ("1", "one", None, "2026-01-02", '["a"]'),
        ("2", None, "no_text", "2026-01-02", "[]"),
        ("x.parquet@2", "three", "damaged_input", "2026-01-02", None),
    ]
    assert json.loads(found[0]["metadata"]) == {"raw": "\ufffd", "seen": "2026-01-02T03:00:00+00:00"}
    assert "metadata" not in rows(STAGE, path, config.model_copy(update={"metadata": False}))[0]


@pytest.mark.parametrize(
    ("data", "says"),
    [({"txt": ["a"]}, r"no column 'text' for text; it has txt; set columns: \{text: txt\}"), ({"text": [1]}, "int64")],
)
def test_a_missing_text_column_is_an_input_error(tmp_path: Path, data: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        rows(STAGE, write(tmp_path / "x.parquet", data), PLAIN)


def test_batches_are_bounded(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"text": ["x" * (5 << 20)] * 2 + ["y"] * 1500})
    (split,) = STAGE.splits(Config(paths=(str(path),), source="s"))
    rows = [batch.num_rows for batch in STAGE.read(split, PLAIN, 0)]
    assert (rows[0], sum(rows), len(rows) < 6, max(rows) <= 1024) == (1, 1502, True, True)


ODD = {
    "map": (pa.map_(pa.string(), pa.string()), [("k", "v")], '[["k","v"]]'),
    "map in struct": (pa.struct([("m", pa.map_(pa.string(), pa.int8()))]), {"m": [("k", 1)]}, '{"m":[["k",1]]}'),
    "fixed bytes": (pa.binary(2), b"ab", "ab"),
    "bytes that are no text": (pa.binary(2), b"\xff\xfe", "\ufffd\ufffd"),
    "view of bytes": (pa.binary_view(), b"ab", "ab"),
    "a zone": (pa.timestamp("us", "Europe/Berlin"), 1, "1970-01-01T01:00:00.000001+01:00"),
    "no known zone": (pa.timestamp("us", "Mars/Olympus"), 1, "1970-01-01 00:00:00.000001"),
    "Z": (pa.timestamp("us", "Z"), 1, "1970-01-01 00:00:00.000001"),
}


@pytest.mark.parametrize(("kind", "value", "written"), list(ODD.values()), ids=list(ODD))
def test_columns_of_any_type_cost_no_document(tmp_path: Path, kind: Any, value: Any, written: str) -> None:
    path = write(tmp_path / "x.parquet", {"text": ["a", "b"], "x": pa.array([value, None], kind)})
    named = rows(STAGE, path, Config(paths=("x",), source="s", columns={"title": "x"}))
    assert [(row["text"], row["reason"], row["title"]) for row in named] == [("a", None, written), ("b", None, None)]
    kept = rows(STAGE, path, PLAIN)
    assert [row["reason"] for row in kept] == [None, None]


def test_a_uuid_can_be_the_id(tmp_path: Path) -> None:
    keys = [uuid.UUID(int=number) for number in (1, 2**127)]
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([key.bytes for key in keys], pa.binary(16)))
    path = write(tmp_path / "x.parquet", {"text": ["a", "b"], "key": ids})
    found = rows(STAGE, path, Config(paths=("x",), source="s", columns={"id": "key"}))
    assert [(row["id"], row["reason"]) for row in found] == [(str(key), None) for key in keys]


def test_too_little_memory_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.parquet", {"text": ["a"]})

    def fails(*_: Any, **__: Any) -> Any:
        raise pa.ArrowMemoryError("malloc of size 1 failed")

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", fails)
    with pytest.raises(InputError, match="too little memory to read it; run with fewer workers"):
        rows(STAGE, path, PLAIN)


@pytest.mark.parametrize("dictionary", [True, False])
def test_long_texts_are_read_few_at_a_time(tmp_path: Path, dictionary: bool) -> None:  # noqa: FBT001 - a parameter
    path = write(
        tmp_path / "x.parquet", {"text": ["x" * (2 << 20)] * 64}, use_dictionary=dictionary, write_batch_size=1
    )
    (split,) = STAGE.splits(Config(paths=(str(path),), source="s"))
    pa.default_memory_pool().release_unused()
    before = pa.total_allocated_bytes()
    peak = max(pa.total_allocated_bytes() - before for _ in STAGE.read(split, PLAIN, 0))
    assert peak < 64 << 20


def test_names_that_look_like_values_are_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"jane.doe@example.com": ["a"], "+1 415": ["b"]})
    with pytest.raises(InputError, match=r"it has 2 columns whose names look like values") as told:
        rows(STAGE, path, PLAIN)
    assert "jane" not in str(told.value)


class Counted(io.FileIO):
    """A file that knows how many of its bytes were read."""

    total = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self.total += len(data)
        return data


def test_a_row_group_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{number:04}" * 1024 for number in range(6000)]
    path = write(tmp_path / "x.parquet", {"text": texts}, compression=None, use_dictionary=False)
    opened = Counted(path)
    monkeypatch.setattr(tables, "open_file", lambda _: opened)
    (split,) = STAGE.splits(Config(paths=(str(path),), source="s"))
    batches = STAGE.read(split, PLAIN, 0)
    assert next(batches).num_rows == 1024
    assert opened.total < path.stat().st_size / 3
    assert sum(batch.num_rows for batch in batches) == 6000 - 1024


def test_reads_from_a_url(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"text": TEXTS}, row_group_size=20)
    with fsspec.open("memory://tables/x.parquet", "wb") as out:
        out.write(path.read_bytes())
    assert len(assert_resumes(STAGE, "memory://tables/x.parquet", PLAIN)) == 50


@pytest.mark.parametrize("data", [b"", b"PAR1", b"not Parquet at all", b"PAR1" * 50])
def test_what_is_no_parquet_is_one_damaged_row(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(data)
    (row,) = assert_resumes(STAGE, path, PLAIN)
    assert (row["reason"], row["text"], row["record"], row["source"]) == ("damaged_input", None, 0, "s")


@settings(max_examples=40)
@given(st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_one_damaged_row(share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "x.parquet"), {"text": TEXTS})
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        (row,) = assert_resumes(STAGE, path, PLAIN)
    assert row["reason"] == "damaged_input"


def test_a_damaged_row_group_costs_itself_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"text": TEXTS}, row_group_size=10, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(2).column(0)
    end = column.data_page_offset + column.total_compressed_size
    data[end - 30 : end] = bytes(30)
    path.write_bytes(data)
    found = assert_resumes(STAGE, path, PLAIN)
    assert [row["record"] for row in found] == [*range(21), *range(30, 50)]
    assert [row["record"] for row in found if row["reason"] == "damaged_input"] == [20]


BAD = pa.array([b"fine", b"caf\xe9", b"good", None, b"\xed\xa0\x80", b"last"]).view(pa.string())
GOOD = pa.array(list("abcdef"))
DAMAGED = [None, "damaged_input", None, None, "damaged_input", None]


@pytest.mark.parametrize(
    "column",
    [
        BAD,
        BAD.cast(pa.large_string()),
        BAD.dictionary_encode(),
        pa.StructArray.from_arrays([BAD], ["x"]),
        pa.ListArray.from_arrays(list(range(7)), BAD),
    ],
)
@pytest.mark.parametrize("name", ["text", "other", "author", "id"])
def test_a_string_that_is_no_utf_8_costs_its_row_alone(tmp_path: Path, column: Any, name: str) -> None:
    if name == "text" and pa.types.is_nested(column.type):
        column = BAD.cast(pa.string_view())
    data = {"text": GOOD, name: column}
    columns = {"id": "id"} if name == "id" else {}
    path = write(tmp_path / "x.parquet", data, store_schema=False)
    found = assert_resumes(STAGE, path, Config(paths=("x",), source="s", columns=columns))
    assert [row["reason"] for row in (*found[:3], *found[4:])] == DAMAGED[:3] + DAMAGED[4:]
    assert [row["text"] is None for row in (*found[:3], *found[4:])] == [False, True, False, True, False]
    assert {(row["bytes"], row["digest" if not columns else "metadata"]) for row in found if row["reason"]} <= {
        (0, digest16(b"")),
        (0, None),
        (1, None),
    }


def test_columns_that_are_not_read_cost_no_row(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"text": GOOD, "other": BAD})
    config = Config(paths=("x",), source="s", metadata=False)
    assert [row["text"] for row in assert_resumes(STAGE, path, config)] == list("abcdef")


def test_times_beyond_python_s_are_strings(tmp_path: Path) -> None:
    late = pa.array([0, 2**61, None], pa.timestamp("us"))
    path = write(
        tmp_path / "x.parquet", {"text": ["a", "b", "c"], "t": late, "s": pa.StructArray.from_arrays([late], ["x"])}
    )
    found = [json.loads(row["metadata"]) for row in assert_resumes(STAGE, path, PLAIN)]
    assert [row["t"] for row in found] == ["1970-01-01 00:00:00.000000", f"<value out of range: {2**61}>", None]
    assert [row["s"] for row in found] == [{"x": "1970-01-01T00:00:00"}, "value out of range", {"x": None}]


def test_two_columns_of_one_name_are_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_arrays([GOOD, GOOD, GOOD], ["text", "n", "n"]), path)
    with pytest.raises(InputError, match="two columns are named n; give each its own name"):
        rows(STAGE, path, PLAIN)
    assert len(rows(STAGE, path, PLAIN.model_copy(update={"metadata": False}))) == 6
