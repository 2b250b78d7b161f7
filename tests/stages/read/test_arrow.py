"""read.arrow: IPC files, streams and Feather, columns of any type, damage, and resuming anywhere."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.feather
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datapipe.algo.inputs import digest16
from datapipe.errors import InputError
from stages.read.arrow import STAGE, Config
from tests.stages.read.archives import assert_resumes, rows

PLAIN = Config(paths=("x",), source="s", snapshot="1")
TEXTS = [f"text {number} ü" * (number % 7) for number in range(50)]
TABLE = pa.table({"text": TEXTS, "n": list(range(50))})


def write(path: Path, kind: str, table: pa.Table = TABLE, rows_each: int = 7) -> Path:
    if kind == "feather":
        pa.feather.write_feather(table, path, chunksize=rows_each, compression="zstd")
        return path
    writer: Any = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with path.open("wb") as out, writer(out, table.schema) as opened:
        opened.write_table(table, max_chunksize=rows_each)
    return path


@pytest.mark.parametrize("kind", ["file", "stream", "feather"])
@pytest.mark.parametrize("rows_each", [7, 50])
def test_rows_of_every_format(tmp_path: Path, kind: str, rows_each: int) -> None:
    found = assert_resumes(STAGE, write(tmp_path / "x.arrow", kind, rows_each=rows_each), PLAIN)
    assert [row["text"] for row in found] == TEXTS
    assert [row["record"] for row in found] == list(range(50))
    assert [row["digest"] for row in found] == [digest16(text.encode()) for text in TEXTS]
    assert found[3]["metadata"] == '{"n":3}'
    assert {(row["source"], row["snapshot"], row["reason"]) for row in found} == {("s", "1", None)}


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()])
def test_texts_of_any_string_type_and_missing_ones(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({"body": pa.array(["one", None, "three"]).cast(kind), "key": [1, 2, None]})
    path = write(tmp_path / "x.arrow", "stream", table)
    found = assert_resumes(STAGE, path, Config(paths=("x",), source="s", columns={"text": "body", "id": "key"}))
    assert [(row["id"], row["text"], row["reason"]) for row in found] == [
        ("1", "one", None),
        ("2", None, "no_text"),
        ("x.arrow@2", "three", "damaged_input"),
    ]


def test_batches_are_bounded(tmp_path: Path) -> None:
    table = pa.table({"text": ["x" * (5 << 20)] * 2 + ["y"] * 1500})
    path = write(tmp_path / "x.arrow", "file", table, rows_each=2000)
    (split,) = STAGE.splits(Config(paths=(str(path),), source="s"))
    assert [batch.num_rows for batch in STAGE.read(split, PLAIN, 0)] == [1, 1023, 478]


def test_reads_from_a_url(tmp_path: Path) -> None:
    with fsspec.open("memory://tables/x.arrow", "wb") as out:
        out.write(write(tmp_path / "x.arrow", "stream").read_bytes())
    assert len(assert_resumes(STAGE, "memory://tables/x.arrow", PLAIN)) == 50


@pytest.mark.parametrize("data", [b"", b"ARROW1", b"ARROW1\0\0 no more", b"not Arrow at all", b"\xff" * 36])
def test_what_is_no_arrow_is_one_damaged_row(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.arrow"
    path.write_bytes(data)
    (row,) = assert_resumes(STAGE, path, PLAIN)
    assert (row["reason"], row["text"], row["record"], row["source"]) == ("damaged_input", None, 0, "s")


def ends_between_messages(data: bytes) -> bool:
    """Whether a stream holds its schema and ends behind a batch: then nothing tells that there were more."""
    reader: Any = pa.BufferReader(data)
    try:
        while reader.tell() < len(data):
            pa.ipc.read_message(reader)
    except (pa.ArrowInvalid, EOFError, OSError):
        return False
    return bool(data)


@settings(max_examples=40)
@given(st.sampled_from(["file", "stream"]), st.floats(0, 1, exclude_max=True))
@example("stream", 0.6904455446130098)
def test_a_cut_anywhere_keeps_the_batches_before_it(kind: str, share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "x.arrow"), kind)
        data = path.read_bytes()
        path.write_bytes(data[: int(share * (len(data) - 8))])  # without the mark of a stream's end
        found = assert_resumes(STAGE, path, PLAIN)
        between = kind == "stream" and ends_between_messages(path.read_bytes())
    fine = [row["text"] for row in found if not row["reason"]]
    assert fine == TEXTS[: len(fine)]
    assert kind == "stream" or not fine  # the list of a file's batches stands at its end
    assert [row["reason"] for row in found if row["reason"]] == (
        [] if len(fine) == 50 or between else ["damaged_input"]
    )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (pa.table({"txt": ["a"]}), r"no column 'text' for text; it has txt; set columns: \{text: txt\}"),
        (pa.table({"text": [1]}), "int64"),
    ],
)
def test_a_missing_text_column_is_an_input_error(tmp_path: Path, table: pa.Table, says: str) -> None:
    with pytest.raises(InputError, match=says):
        rows(STAGE, write(tmp_path / "x.arrow", "file", table), PLAIN)


def test_the_first_version_of_feather_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "x.feather"
    path.write_bytes(b"FEA1" + bytes(100))
    with pytest.raises(InputError, match="version 2"):
        rows(STAGE, path, PLAIN)
