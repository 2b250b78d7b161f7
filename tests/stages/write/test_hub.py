"""write.hub: a card that says what the files hold."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from datapipe.schema import COLUMNS
from datapipe.stage import USAGE, Above, Passed
from stages.write.hub import STAGE, Config, features

NAMES = ("id", "text", "source", "language")
ROWS: list[dict[str, Any]] = [
    {"id": "1", "text": "Grüße", "source": "web", "language": "de"},  # 1 + 7 + 3 + 2 bytes
    {"id": "2", "text": None, "source": "chats", "language": None},  # 1 + 5
    {"id": "3", "text": "hi", "source": "web", "language": "en"},  # 1 + 2 + 3 + 2
]
NAME = "0123456789abcdef-0000.parquet"


def facts_of(rows: list[dict[str, Any]], config: Config) -> dict[str, Any]:
    target = io.BytesIO()
    batch = pa.RecordBatch.from_pylist(rows, pa.schema([(name, COLUMNS[name]) for name in NAMES]))
    written = STAGE.write(iter([batch.slice(0, 1), batch.slice(1)]), target, config)
    assert pq.read_table(target).to_pylist() == rows
    assert written is not None
    return {"documents": len(rows), "bytes": 1, **json.loads(json.dumps(written.facts))}


def card(files: dict[str, list[dict[str, Any]]], above: Above | None = None, **fields: Any) -> tuple[Any, str]:
    """Its head and its body."""
    assert STAGE.finish is not None
    config = Config.model_validate(fields)
    made = {name: facts_of(rows, config) for name, rows in files.items()}
    ((name, content),) = STAGE.finish(made, above or Above(), config)
    assert name == USAGE
    _, head, body = content.decode().split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_card_counts_by_source_and_language_and_names_licences() -> None:
    passed = Passed("short", "filter.length", 5, 3, {"too_few_words": 2})
    head, body = card(
        {NAME: ROWS}, Above(stages=(passed,)), license="odc-by", licenses={"web": "as found | see url"}, about="Pages."
    )
    assert (head["license"], head["language"], head["size_categories"]) == ("odc-by", ["de", "en"], ["n<1K"])
    assert "| chats | 1 | 6 | not told |\n| web | 2 | 21 | as found \\| see url |" in body
    assert "| not told | 1 |" in body
    assert "| short | `filter.length` | 5 | 3 | 2 too_few_words |" in body
    assert "Pages." in body


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("",), [("default", "train", "")]),
        (("test", "train"), [("default", "test", "test/"), ("default", "train", "train/")]),
        (("de", "en"), [("de", "train", "de/"), ("en", "train", "en/")]),
    ],
)
def test_folders_of_splits_are_splits_and_others_sets(folders: Any, expected: Any) -> None:
    head, _ = card({f"{folder}/{NAME}".strip("/"): ROWS for folder in folders})
    found = [
        (each["config_name"], file["split"], file["path"].removesuffix("*-[0-9][0-9][0-9][0-9].parquet"))
        for each in head["configs"]
        for file in each["data_files"]
    ]
    assert found == expected
    assert [each["config_name"] for each in head["dataset_info"]] == list(dict.fromkeys(name for name, _, _ in found))


@pytest.mark.parametrize(
    ("documents", "size"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (999_999, "100K<n<1M"), (10**12, "n>1T")],
)
def test_sizes_have_the_names_that_the_hub_knows(documents: int, size: str) -> None:
    assert STAGE.finish is not None
    facts = {**facts_of(ROWS, Config()), "documents": documents}
    ((_, content),) = STAGE.finish({NAME: facts}, Above(), Config())
    assert yaml.safe_load(content.decode().split("---\n")[1])["size_categories"] == [size]


def test_features_are_named_as_datasets_names_them() -> None:
    fields: list[Any] = [
        ("text", pa.large_string()),
        ("score", pa.float32()),
        ("tokens", COLUMNS["tokens"]),
        ("positions", COLUMNS["positions"]),
        ("grid", pa.list_(pa.list_(pa.int8()))),
        ("one", pa.struct([("a", pa.bool_())])),
    ]
    assert features(pa.schema(fields)) == [
        {"name": "text", "dtype": "large_string"},
        {"name": "score", "dtype": "float32"},
        {"name": "tokens", "large_list": "int32"},
        {"name": "positions", "list": [{"name": "part", "dtype": "int32"}, {"name": "position", "dtype": "uint64"}]},
        {"name": "grid", "list": {"list": "int8"}},
        {"name": "one", "struct": [{"name": "a", "dtype": "bool"}]},
    ]
