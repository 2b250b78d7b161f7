"""The committed samples are what the builder writes, and hold what they promise."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.samples.articles import LANGUAGES
from tests.samples.build import SAMPLES, build

MAX_BYTES = 4_000_000


@pytest.fixture(scope="module")
def answers() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SAMPLES / "answers.jsonl").read_text(encoding="utf-8").splitlines()]


def _content(path: Path) -> bytes:
    """What a file holds: two zlib versions may compress the same records to different bytes."""
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): _content(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_committed_files_are_what_the_builder_writes(tmp_path: Path) -> None:
    build(tmp_path)
    assert _files(tmp_path) == _files(SAMPLES)


def test_builder_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    build(tmp_path / "first")
    build(tmp_path / "second")
    first, second = (sorted((tmp_path / name).rglob("*.*")) for name in ("first", "second"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_samples_are_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) <= MAX_BYTES


def test_every_web_file_holds_several_languages(answers: list[dict[str, Any]]) -> None:
    pages = [row for row in answers if "url" in row]
    assert len(pages) >= 150
    assert len({row["url"] for row in pages}) == len(pages)
    assert set(LANGUAGES) <= {row["language"] for row in pages if row["good"]}
    for file in {row["file"] for row in pages}:
        assert len({row["language"] for row in pages if row["file"] == file}) >= 4, file


def test_every_planted_kind_is_there(answers: list[dict[str, Any]]) -> None:
    facts = Counter(key for row in answers if "url" in row for key in row)
    for key, least in {
        "duplicate_of": 8,
        "near_duplicate_of": 8,
        "personal_data": 10,
        "toxic": 6,
        "leaks": 8,
        "hostile": 8,
    }.items():
        assert facts[key] >= least, key


def test_good_pages_say_what_must_be_found_and_others_why_they_leave(answers: list[dict[str, Any]]) -> None:
    for row in answers:
        if "url" in row and row["good"]:
            assert row["contains"]
            assert row["lacks"]
        if "url" in row and row["good"] is False:
            assert row.get("reason") or row.get("reasons")


def test_conversations_are_200_distinct_of_which_20_broken_each_in_its_own_way(answers: list[dict[str, Any]]) -> None:
    chats = [row for row in answers if row["kind"] == "chat"]
    assert Counter(row["form"] for row in chats) == {"sharegpt": 100, "messages": 100}
    faults = [row["broken"] for row in chats if not row["good"]]
    assert len(faults) == len(set(faults)) == 20
    lines = {file: (SAMPLES / file).read_text(encoding="utf-8").splitlines() for file in {row["file"] for row in chats}}
    contents = set()
    for row in chats:
        line = lines[row["file"]][row["line"] - 1]
        if row["good"]:
            record = json.loads(line)
            assert record.pop("id") == row["id"]
            contents.add(json.dumps(record))
    assert len(contents) == 180


def test_benchmark_has_40_english_and_20_chinese_items(answers: list[dict[str, Any]]) -> None:
    text = (SAMPLES / "benchmark" / "questions.jsonl").read_text(encoding="utf-8")
    items = [json.loads(line) for line in text.splitlines()]
    assert Counter(item["language"] for item in items) == {"en": 40, "zh": 20}
    assert all(item["answer"] in item["options"] for item in items if item["options"])
    assert {row["id"] for row in answers if row["kind"] == "benchmark"} <= {item["id"] for item in items}
