"""`write.parquet` and `write.jsonl`: what is written, and that batches leave no trace."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo import packed_lines, parquet_files
from datapipe.schema import COLUMNS
from datapipe.stage import Sink
from stages.write import jsonl, parquet

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.large_string()),
        ("language", pa.string()),
        ("messages", COLUMNS["messages"]),
        ("quality.words", pa.int32()),
    ]
)
TALKS: Any = pa.array([[{"role": "user", "content": "hi", "train": False, "weight": 0.5}]], COLUMNS["messages"])
ROWS: list[dict[str, Any]] = [
    {"id": "1", "text": 'Grüße, 世界\n\u2028"quoted"', "language": "de", "messages": None, "quality.words": 2},
    {"id": "2", "text": None, "language": None, "messages": [], "quality.words": None},
    {
        "id": "3",
        "text": "",
        "language": "en",
        "messages": TALKS.to_pylist()[0],
        "quality.words": 0,
    },
]  # fmt: skip


def stream(rows: list[dict[str, Any]], *cuts: int) -> Iterator[pa.RecordBatch]:
    bounds = [0, *sorted(cuts), len(rows)]
    for start, end in pairwise(bounds):
        yield pa.RecordBatch.from_pylist(rows[start:end], SCHEMA)


def written(stage: Sink, rows: list[dict[str, Any]], config: Any, *cuts: int) -> bytes:
    target = io.BytesIO()
    stage.write(stream(rows, *cuts), target, config)
    assert not target.closed  # whoever opened it closes it
    return target.getvalue()


def unpacked(data: bytes, compression: str) -> bytes:
    if compression == "gz":
        return gzip.decompress(data)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data) if compression == "zst" else data


@pytest.mark.parametrize("compression", ["gz", "zst", "none"])
def test_each_line_is_an_object_without_nulls(compression: Any) -> None:
    data = unpacked(written(jsonl.STAGE, ROWS, jsonl.Config(compression=compression)), compression)
    assert data.endswith(b"}\n")
    found = [json.loads(line) for line in data.split(b"\n")[:-1]]
    talk = [{"role": "user", "content": "hi", "train": False, "weight": 0.5}]
    known = [{name: value for name, value in row.items() if value is not None} for row in ROWS]
    assert found == [row | {"messages": talk} if row.get("messages") else row for row in known]
    assert list(found[0]) == ["id", "text", "language", "quality.words"]
    assert "Grüße, 世界".encode() in data


def test_bytes_become_base64_in_json() -> None:
    assert jsonl.line({"html": b"\xff\x00"}) == b'{"html":"/wA="}\n'


@pytest.mark.parametrize("compression", ["zstd", "snappy", "none"])
def test_parquet_gives_back_what_it_got(compression: Any) -> None:
    table = pq.read_table(io.BytesIO(written(parquet.STAGE, ROWS, parquet.Config(compression=compression))))
    assert table.schema == SCHEMA
    assert table.to_pylist() == ROWS


def test_no_documents_give_a_file_without_rows() -> None:
    table = pq.read_table(io.BytesIO(written(parquet.STAGE, [], parquet.Config())))
    assert (table.num_rows, table.schema) == (0, SCHEMA)
    assert unpacked(written(jsonl.STAGE, [], jsonl.Config()), "gz") == b""
    for stage in (parquet.STAGE, jsonl.STAGE):
        stage.write(iter(()), io.BytesIO(), stage.config())


def test_a_row_group_ends_with_the_row_that_fills_it() -> None:
    rows = [ROWS[2] | {"id": "x", "messages": None, "text": "t" * size} for size in (50, 40, 10, 300, 1)]
    # Beside its text each row holds 1 + 2 bytes of strings and 4 of a number: 57, 47, 17, 307, 8.
    data = written(parquet.STAGE, rows, parquet.Config(group_bytes=104))
    metadata = pq.read_metadata(io.BytesIO(data))
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [2, 2, 1]


def test_nested_values_count_with_all_they_hold() -> None:
    array = pa.array([row["messages"] for row in ROWS], COLUMNS["messages"])
    assert parquet_files.value_bytes(array).tolist() == [0, 0, 4 + 2 + 1 + 1 + 4]
    assert parquet_files.value_bytes(array.slice(2)).tolist() == [12]


VALUES = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text("ab", max_size=3),
            "text": st.one_of(st.none(), st.text(max_size=30)),
            "language": st.sampled_from([None, "en", "zh"]),
            "messages": st.sampled_from([row["messages"] for row in ROWS]),
            "quality.words": st.one_of(st.none(), st.integers(0, 9)),
        }
    ),
    max_size=12,
)


@given(VALUES, st.lists(st.integers(0, 12), max_size=4), st.integers(1, 200))
@settings(max_examples=40)
def test_the_bytes_do_not_depend_on_batches(rows: list[dict[str, Any]], cuts: list[int], group_bytes: int) -> None:
    cuts = [min(cut, len(rows)) for cut in cuts]
    for stage, config in (
        (parquet.STAGE, parquet.Config(group_bytes=group_bytes)),
        (jsonl.STAGE, jsonl.Config()),
        (jsonl.STAGE, jsonl.Config(compression="zst")),
    ):
        assert written(stage, rows, config) == written(stage, rows, config, *cuts)


def test_large_output_does_not_depend_on_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_lines, "BLOCK", 1000)
    rows = [ROWS[0] | {"id": str(number), "text": str(number) * 50} for number in range(300)]
    for compression in ("gz", "zst"):
        config = jsonl.Config.model_validate({"compression": compression})
        assert written(jsonl.STAGE, rows, config) == written(jsonl.STAGE, rows, config, *range(0, 300, 7))


@pytest.mark.parametrize("module", [parquet, jsonl])
def test_by_default_all_but_pages_and_places_is_written(module: Any) -> None:
    available = ("cursor", "html", "text", "id", "title", "quality.words", "messages", "bytes", "snapshot")
    assert module.STAGE.select(available, module.Config()) == ("id", "text", "title", "snapshot", "messages")
    asked = ("quality.words", "id")
    assert module.STAGE.select(available, module.Config(columns=asked)) == asked


def test_the_file_type_says_how_it_is_packed() -> None:
    suffixes = [jsonl.STAGE.suffix(jsonl.Config.model_validate({"compression": c})) for c in ("gz", "zst", "none")]
    assert [*suffixes, parquet.STAGE.suffix(parquet.Config())] == [".jsonl.gz", ".jsonl.zst", ".jsonl", ".parquet"]
