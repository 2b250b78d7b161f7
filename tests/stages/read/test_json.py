"""read.json: arrays and objects in succession, bad values, packed files, bounded memory, and resuming anywhere."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo import json_values as values
from datapipe.stage import File
from stages.read.json import STAGE, Config
from tests.stages.read.archives import ALL_PACKS, assert_resumes, rows

PLAIN = Config(paths=("x",), source="s")


def read(folder: Path, data: bytes, **options: Any) -> list[dict[str, Any]]:
    path = folder / "x.json"
    path.write_bytes(data)
    return assert_resumes(STAGE, path, Config(paths=("x",), source="s", **options))


def test_known_fields_are_columns_and_the_rest_is_metadata(tmp_path: Path) -> None:
    data = [{"text": 'Ünï "]}" \\', "meta": {"b": [1, {}]}, "id": 9}, {"text": "two", "url": "http://x"}]
    first, second = read(tmp_path, json.dumps(data, indent=2).encode(), columns={})
    assert (first["text"], first["metadata"]) == ('Ünï "]}" \\', '{"id":9,"meta":{"b":[1,{}]}}')
    assert (second["text"], second["url"], second["metadata"]) == ("two", "http://x", None)
    assert first["record"] == first["cursor"] == 4


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'[{"text":"a"},{"text":"b"}]', ["a", "b"]),
        (b'\xef\xbb\xbf [ {"text":"a"} ,\r\n {"text":"b"} ] \n', ["a", "b"]),
        (b'{"text":"a"}\n{"text":"b"}\n', ["a", "b"]),
        (b'{"text":"a"}{"text":"b"}', ["a", "b"]),
        (b'{\n "text": "a",\n "n": [1, {"m": "}"}]\n}\n{\n "text": "b"\n}', ["a", "b"]),
        (b"[]", []),
        (b"[ ]\n", []),
        (b"", []),
        (b" \n", []),
        (b'[{"text":1},{},null,5,"x",["y"],{"text":"z"}]', ["no_text"] * 2 + ["damaged_input"] * 4 + ["z"]),
        (b'[{"text":"a" "n"},{"text":"b"}]', ["damaged_input", "b"]),
        (b'[{"text":"a"}}, {"text":"b"}]', ["damaged_input", "b"]),
        (b'[{"text":"\xff"}, {"text":"b"}]', ["damaged_input", "b"]),
        (b'[{"text":"a"}, {"text":"b"}', ["a", "damaged_input"]),
        (b'[{"text":"a"}, {"text":"b', ["a", "damaged_input"]),
        (b'[{"text":"a"},', ["a", "damaged_input"]),
        (b"[", ["damaged_input"]),
        (b'[{"text":"a"}] [{"text":"b"}]', ["a", "damaged_input"]),
        (b'[{"text":"a"}] x, y', ["a", "damaged_input"]),
        (b'{"text":"a"} oops\n{"text":"b"}', ["a", "damaged_input", "b"]),
        (b'{"text":"a"}]\n}\n{"text":"b"}', ["a", "damaged_input", "damaged_input", "b"]),
        (b'{"text":"a"}\n{"text":"b"', ["a", "damaged_input"]),
        (b'[{"text":"%s"},{"text":"b"}]' % (b'x\\"}' * 300_000), ["record_too_large", "b"]),
        (b"[" + b"[" * 200_000 + b"]" * 200_000 + b',{"text":"b"}]', ["damaged_input", "b"]),
    ],
)
def test_what_each_file_becomes(tmp_path: Path, data: bytes, found: list[str]) -> None:
    given_rows = read(tmp_path, data, max_record_bytes=500_000)
    assert [row["reason"] or row["text"] for row in given_rows] == found


LINES = [json.dumps({"text": f'te"xt\\ {number} ' * number, "n": number}) for number in range(40)]
WHOLE = f"[{', '.join(LINES)}]".encode()


@pytest.mark.parametrize("pack", ALL_PACKS)
def test_every_packing_gives_the_same(tmp_path: Path, pack: str) -> None:
    assert [row["text"] for row in read(tmp_path, ALL_PACKS[pack](WHOLE))] == [json.loads(x)["text"] for x in LINES]


def test_reads_from_a_url() -> None:
    with fsspec.open("memory://json/x.json", "wb") as out:
        out.write(WHOLE)
    assert len(assert_resumes(STAGE, "memory://json/x.json", PLAIN)) == 40


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(st.lists(JSON, max_size=6), st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_values_are_those_of_a_parser_wherever_the_stream_is_cut(
    data: list[Any],
    step: int,
    indent: int | None,
    ascii_only: bool,  # noqa: FBT001 - a case
) -> None:
    stream = json.dumps(data, indent=indent, ensure_ascii=ascii_only).encode()
    scan = values._Scan(0, 1 << 20, array=True)
    found = [one for at in range(0, len(stream), step) for one in scan.feed(stream[at : at + step])]
    assert scan.end() is None
    assert [json.loads(one.data or b"") for one in found] == data
    assert all(stream[one.offset : one.offset + one.size] == one.data for one in found)


@settings(max_examples=40)
@given(st.sampled_from(list(ALL_PACKS)), st.floats(0, 1, exclude_max=True))
def test_a_cut_anywhere_keeps_what_is_before_it_and_is_told(pack: str, share: float) -> None:
    whole = ALL_PACKS[pack](WHOLE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.json")
        path.write_bytes(whole[: max(int(share * len(whole)), 6)])
        found = assert_resumes(STAGE, path, PLAIN)
    fine = [row for row in found if not row["reason"]]
    assert [json.loads(row["metadata"])["n"] for row in fine] == list(range(len(fine)))
    assert [row["reason"] for row in found if row["reason"]] == ["damaged_input"]


def test_an_array_is_never_held(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    one = json.dumps({"text": "text " * 2000}).encode()
    with path.open("wb") as out:
        out.write(b"[" + b",\n".join([one] * 6000) + b"]")
    assert path.stat().st_size > 50 << 20
    (split,) = STAGE.splits(Config(paths=(str(path),), source="s"))
    tracemalloc.start()
    try:
        count = sum(batch.num_rows for batch in STAGE.read(split, PLAIN, 0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 6000
    assert peak < 40 << 20


def test_arrays_of_other_files_are_read_by_lines_only_where_they_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"text":"a"}\n')
    assert not values.opens_array(File(str(path), path.name, 0, ""))
    assert [row["text"] for row in rows(STAGE, path, PLAIN)] == ["a"]
