"""`columns: {embedding: FIELD}`: vectors of the user's own come with their documents, whatever file they stand in."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from datapipe.errors import InputError
from datapipe.registry import Registry
from datapipe.schema import COLUMNS
from tests.stages.read.archives import assert_resumes, rows

VECTORS: list[Any] = [[0.5, -2.0], None, [], [1.0, 2.0, 3.0]]
TEXTS = ["one", "two", "three", "four"]


def read(use: str, path: Path, **options: Any) -> list[dict[str, Any]]:
    stage: Any = Registry().load(use)
    config = stage.config(**{"paths": ("x",), "source": "s", "columns": {"embedding": "vec"}, **options})
    assert stage.adds_for(config).field("embedding").type == COLUMNS["embedding"]
    return assert_resumes(stage, path, config)


def written(use: str, path: Path, vectors: list[Any]) -> Path:
    records = [{"text": text, "vec": vector, "n": 1} for text, vector in zip(TEXTS, vectors, strict=False)]
    if use == "read.jsonl":
        path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    elif use == "read.json":
        path.write_text(json.dumps(records), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, ["text", "vec", "n"])
            writer.writeheader()
            writer.writerows({**record, "vec": json.dumps(record["vec"])} for record in records)
    return path


@pytest.mark.parametrize("use", ["read.jsonl", "read.json", "read.csv"])
def test_lists_of_numbers_in_records_are_vectors_and_no_metadata(tmp_path: Path, use: str) -> None:
    found = read(use, written(use, tmp_path / "x", VECTORS))
    assert [row["embedding"] for row in found] == VECTORS
    assert all("vec" not in json.loads(row["metadata"]) for row in found)


@pytest.mark.parametrize("value", ["no list", ["a"], [[1.0]], [None, 1.0], [True], {"a": 1}, 7, [10**400]], ids=str)
def test_what_is_no_list_of_numbers_is_no_vector_and_costs_no_document(tmp_path: Path, value: Any) -> None:
    found = read("read.jsonl", written("read.jsonl", tmp_path / "x", [value]))
    assert [(row["text"], row["embedding"], row["reason"]) for row in found] == [("one", None, None)]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.large_list(pa.float64()),
        pa.list_(pa.float16()),
        pa.list_(pa.int16()),
        pa.list_(pa.float32(), 2),
    ],
    ids=str,
)
@pytest.mark.parametrize("use", ["read.parquet", "read.arrow"])
def test_lists_of_any_numbers_in_tables_are_vectors(tmp_path: Path, use: str, kind: Any) -> None:
    vectors: list[Any] = (
        [[1, 2], None, [3, 4], [5, 6]] if kind == pa.list_(pa.float32(), 2) else [[1, 2], None, [], [3]]
    )
    if use == "read.parquet" and kind == pa.list_(pa.float16()):
        vectors = [vector and [float(number) for number in vector] for vector in vectors]
    given = [vector and np.array(vector, np.float16) for vector in vectors] if "half" in str(kind) else vectors
    table = pa.table({"text": TEXTS, "vec": pa.array(given, kind)})
    path = tmp_path / "x"
    if use == "read.parquet":
        pq.write_table(table, path, row_group_size=3)
    else:
        pa.feather.write_feather(table, str(path), chunksize=3)
    assert [row["embedding"] for row in read(use, path, metadata=False)] == vectors


def test_numbers_that_float32_does_not_hold_are_infinite(tmp_path: Path) -> None:
    path = tmp_path / "x"
    pq.write_table(pa.table({"text": ["one"], "vec": [[1e300, 1.0]]}), path)
    assert read("read.parquet", path)[0]["embedding"] == [np.inf, 1.0]
    assert read("read.jsonl", written("read.jsonl", tmp_path / "y", [[1e300, 1.0]]))[0]["embedding"] == [np.inf, 1.0]


@pytest.mark.parametrize("values", [["a"], [1.0], [["a"]]])
def test_a_column_of_something_else_is_an_input_error(tmp_path: Path, values: list[Any]) -> None:
    path = tmp_path / "x"
    pq.write_table(pa.table({"text": ["one"], "vec": values}), path)
    with pytest.raises(InputError, match=r"column 'vec' holds .*, not lists of numbers"):
        read("read.parquet", path)


def test_a_field_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x"
    pq.write_table(pa.table({"text": ["one"], "vector": [[1.0]]}), path)
    with pytest.raises(InputError, match=r"no column 'vec' for embedding"):
        read("read.parquet", path)


def test_without_a_field_for_it_documents_have_no_such_column(tmp_path: Path) -> None:
    stage: Any = Registry().load("read.jsonl")
    config = stage.config(paths=("x",), source="s")
    (row,) = rows(stage, written("read.jsonl", tmp_path / "x", [[1.0]]), config)
    assert "embedding" not in row
    assert json.loads(row["metadata"]) == {"n": 1, "vec": [1.0]}
