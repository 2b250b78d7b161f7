"""read.jsonl: columns, bad lines, packed files, damage, and resuming anywhere."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.read.jsonl import STAGE, Config
from tests.stages.read.archives import ALL_PACKS, PACKS, assert_resumes, rows

PLAIN = Config(paths=("x",), source="s")


def read(folder: Path, data: bytes, **options: Any) -> list[dict[str, Any]]:
    path = folder / "x.jsonl"
    path.write_bytes(data)
    return assert_resumes(STAGE, path, Config(paths=("x",), source="s", **options))


def test_known_fields_are_columns_and_the_rest_is_metadata(tmp_path: Path) -> None:
    line = {"text": "Ünï", "url": "http://x", "title": 7, "author": ["a", "b"], "stars": 3, "meta": {"b": 1}, "id": 9}
    (row,) = read(tmp_path, json.dumps(line).encode())
    assert (row["text"], row["url"], row["title"], row["author"]) == ("Ünï", "http://x", "7", '["a","b"]')
    assert row["metadata"] == '{"id":9,"meta":{"b":1},"stars":3}'
    assert (row["date"], row["language"], row["kind"], row["snapshot"], row["source"]) == (None, None, None, None, "s")
    assert "id" not in row
    assert len(row["digest"]) == 16


def test_fields_can_be_renamed_and_bring_their_ids(tmp_path: Path) -> None:
    data = b'{"body":"one","key":"k1"}\n{"body":"two","key":2}\n{"body":"three"}\n{"body":"four","key":""}\n'
    found = read(tmp_path, data, columns={"text": "body", "id": "key"}, metadata=False)
    assert [(row["id"], row["text"], row["reason"]) for row in found] == [
        ("k1", "one", None),
        ("2", "two", None),
        ("x.jsonl@49", None, "damaged_input"),
        ("x.jsonl@66", None, "damaged_input"),
    ]
    assert not {"digest", "metadata"} & found[0].keys()


def test_a_column_that_is_none_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="title"):
        Config(paths=("x",), source="s", columns={"titel": "t"})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text":"fine"}', None),
        (b'\xef\xbb\xbf{"text":"byte order mark"}', None),
        (b'{"text":"windows"}\r', None),
        (b'{"text":"x","score":NaN}', None),
        (b'{"text":"x","n":123456789012345678901234567890}', None),
        (b'{"text":"half \\ud800 of a pair"}', None),
        (b'{"text":null}', "no_text"),
        (b'{"text":5}', "no_text"),
        (b"{}", "no_text"),
        (b'["text"]', "damaged_input"),
        (b'{"text":"open', "damaged_input"),
        (b'{"text":"\xff"}', "damaged_input"),
        (b"null", "damaged_input"),
        (b"[" * 100_000, "damaged_input"),
        (b'{"text":"%s"}' % (b"x" * 200_000), "record_too_large"),
    ],
)
def test_what_each_line_becomes(tmp_path: Path, line: bytes, reason: str | None) -> None:
    first, second = read(tmp_path, line + b'\n\n  \n{"text":"next"}', max_record_bytes=150_000)
    assert first["reason"] == reason
    assert (first["text"] is None) == (reason is not None)
    assert first["text"] is None or "\ud800" not in first["text"]
    assert (second["text"], second["reason"]) == ("next", None)
    assert second["record"] == second["cursor"] == len(line) + 5


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, b"") == []


LINES = [json.dumps({"text": f"text {number} " * number, "n": number}).encode() for number in range(40)]
WHOLE = b"\n".join(LINES) + b"\n"


@pytest.mark.parametrize("pack", ALL_PACKS)
def test_every_packing_gives_the_same(tmp_path: Path, pack: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(
        ALL_PACKS[pack](WHOLE) if pack == "plain" else ALL_PACKS[pack](WHOLE[:999]) + ALL_PACKS[pack](WHOLE[999:])
    )
    found = assert_resumes(STAGE, path, PLAIN)
    assert [row["text"] for row in found] == [json.loads(line)["text"] for line in LINES]


def test_reads_from_a_url() -> None:
    with fsspec.open("memory://lines/x.jsonl", "wb") as out:
        out.write(WHOLE)
    assert len(assert_resumes(STAGE, "memory://lines/x.jsonl", PLAIN)) == 40


@settings(max_examples=80)
@given(st.sampled_from(list(ALL_PACKS)), st.floats(0, 1, exclude_max=True))
def test_a_cut_anywhere_keeps_what_is_before_it(pack: str, share: float) -> None:
    whole = ALL_PACKS[pack](WHOLE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.jsonl")
        path.write_bytes(whole[: max(int(share * len(whole)), 6)])
        found = assert_resumes(STAGE, path, PLAIN)
    fine = [row for row in found if not row["reason"]]
    assert [json.loads(row["metadata"])["n"] for row in fine] == list(range(len(fine)))
    damaged = [row["reason"] for row in found if row["reason"]]
    assert damaged == ["damaged_input"] if pack != "plain" else damaged in ([], ["damaged_input"])
    if pack == "plain":
        assert len(fine) >= path_lines(whole[: max(int(share * len(whole)), 6)])


def path_lines(data: bytes) -> int:
    return data.count(b"\n")


def test_damage_in_the_middle_ends_the_file_with_one_row(tmp_path: Path) -> None:
    data = bytearray(PACKS["gz"](WHOLE * 200))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(data)
    found = rows(STAGE, path, PLAIN)
    assert found[-1]["reason"] == "damaged_input"
    assert [row["text"] for row in found[:3000]] == [json.loads(line)["text"] for line in LINES] * 75


def test_real_lines(real_data: Path) -> None:
    for path in sorted((real_data / "raw").glob("*.jsonl.gz")):
        found = rows(STAGE, path, Config(paths=("x",), source="s"))
        with fsspec.open(str(path), "rb", compression="gzip") as opened:
            expected = [json.loads(line) for line in opened]
        assert len(found) == len(expected)
        assert [row["text"] for row in found] == [line.get("text") for line in expected]


def test_whole_numbers_keep_their_digits(tmp_path: Path) -> None:
    """Two ids over 64 bits that are the same as floats."""
    path = tmp_path / "x.jsonl"
    lines = ('{"id":123456789012345678901,"text":"one"}', '{"id": 123456789012345678902 ,"text":"two","n":[1e3]}')
    path.write_text("\n".join(lines))
    found = rows(STAGE, path, Config(paths=(str(path),), source="s", columns={"id": "id"}))
    assert [row["id"] for row in found] == ["123456789012345678901", "123456789012345678902"]
