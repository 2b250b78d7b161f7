"""Finding input files, bundling them, and packing rows into batches."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.algo.inputs import batches, bundle, find_files, one_split_per_file
from datapipe.errors import InputError
from datapipe.stage import File, schema


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/1.warc", "a/deep/2.warc", "b/1.warc", "b/notes.txt", "texts/x.txt", "odd[1].warc"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a/*.warc", ["1.warc"]),
        ("a/**/*.warc", ["1.warc", "deep/2.warc"]),
        ("*/1.warc", ["a/1.warc", "b/1.warc"]),
        ("a", ["1.warc", "deep/2.warc"]),
        ("a/", ["1.warc", "deep/2.warc"]),
        ("b/notes.txt", ["notes.txt"]),
        ("odd[1].warc", ["odd[1].warc"]),
    ],
)
def test_names_are_relative_to_the_input_root(tree: Path, pattern: str, names: list[str]) -> None:
    assert [file.name for file in find_files([f"{tree}/{pattern}"], suffixes=(".warc",))] == names


def test_a_moved_root_keeps_names_and_a_change_shows(tree: Path, tmp_path: Path) -> None:
    before = find_files([f"{tree}/a"], suffixes=(".warc",))
    (tree / "a").rename(tree / "moved")
    after = find_files([f"{tree}/moved"], suffixes=(".warc",))
    assert [(f.name, f.size, f.modified) for f in before] == [(f.name, f.size, f.modified) for f in after]
    (tree / "moved/1.warc").write_bytes(b"new")
    assert find_files([f"{tree}/moved"], suffixes=(".warc",))[0].modified != before[0].modified


def test_overlapping_patterns_name_a_file_once(tree: Path) -> None:
    files = find_files([f"{tree}/a", f"{tree}/a/*.warc", f"{tree}/a/1.warc"], suffixes=(".warc",))
    assert [file.name for file in files] == ["1.warc", "deep/2.warc"]


def test_memory_urls() -> None:
    root = f"memory://{uuid.uuid4().hex}"
    for name in ("x/1.jsonl", "x/2.txt", "y/1.jsonl"):
        with fsspec.open(f"{root}/{name}", "wb") as out:
            out.write(b"{}")
    assert [file.name for file in find_files([f"{root}/**/*.jsonl"], suffixes=())] == ["x/1.jsonl", "y/1.jsonl"]
    file = find_files([f"{root}/x"], suffixes=(".jsonl",))[0]
    assert (file.name, file.size) == ("1.jsonl", 2)
    assert file.path.startswith("memory://")


@pytest.mark.parametrize("pattern", ["none/*.warc", "a/none/**/*.warc", "a/3.warc", "texts"])
def test_nothing_found_names_the_pattern(tree: Path, pattern: str) -> None:
    with pytest.raises(InputError, match=pattern.replace("*", r"\*")):
        find_files([f"{tree}/{pattern}"], suffixes=(".warc",))


def test_nothing_found_names_the_nearest_folder(tree: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_files([f"{tree}/a/none/**/*.warc"], suffixes=())
    assert str(caught.value).endswith(f"{tree}/a")


def test_one_name_from_two_roots_is_refused(tree: Path) -> None:
    with pytest.raises(InputError, match="source"):
        find_files([f"{tree}/a", f"{tree}/b"], suffixes=(".warc",))


def test_an_unknown_protocol_is_an_input_error() -> None:
    with pytest.raises(InputError, match="nowhere"):
        find_files(["nowhere://x/y"], suffixes=())


def _files(count: int) -> list[File]:
    return [File(f"/x/{number}", f"{number}.html", 10, "") for number in range(count)]


@pytest.mark.parametrize(
    ("count", "target", "bundles"), [(1, 4, 1), (4, 4, 1), (5, 4, 2), (8, 4, 2), (9, 4, 4), (64, 4, 16)]
)
def test_bundles_are_the_fewest_powers_of_two(count: int, target: int, bundles: int) -> None:
    splits = bundle(_files(count), target_files=target)
    assert {split.name.rpartition("-")[2] for split in splits} == {str(bundles)}
    names = [file.name for split in splits for file in split.files]
    assert sorted(names) == sorted(file.name for file in _files(count))


def test_bundles_obey_bytes() -> None:
    assert {split.name.rpartition("-")[2] for split in bundle(_files(8), target_bytes=20)} == {"4"}


@given(st.integers(1, 60), st.integers(0, 59))
def test_a_new_file_touches_one_bundle(count: int, new: int) -> None:
    files = _files(count)
    more = [*files, File("/x/new", f"new-{new}.html", 10, "")]
    before, after = bundle(files, target_files=100), bundle(more, target_files=100)
    assert len([split for split in after if split not in before]) == 1


def test_one_split_per_file() -> None:
    assert [(split.name, split.size) for split in one_split_per_file(_files(2))] == [("0.html", 10), ("1.html", 10)]


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [
        ([], []),
        ([1] * 2050, [1024, 1024, 2]),
        ([5 << 20, 5 << 20], [1, 1]),
        ([1, 20 << 20, 1], [1, 1, 1]),
        ([4 << 20, 4 << 20, 1], [2, 1]),
    ],
)
def test_batches_are_bounded(sizes: list[int], rows: list[int]) -> None:
    layout = schema(body=pa.large_binary(), source=pa.string(), snapshot=pa.string())
    made = list(batches(((bytes(size),) for size in sizes), layout, {"source": "web", "snapshot": None}))
    assert [batch.num_rows for batch in made] == rows
    assert all(batch.schema == layout for batch in made)
    assert all(batch["source"].to_pylist() == ["web"] * batch.num_rows for batch in made)


def test_links_to_files_are_files(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "real" / "b.jsonl").write_text("b")
    (tmp_path / "in" / "a.jsonl").write_text("a")
    (tmp_path / "in" / "b.jsonl").symlink_to("../real/b.jsonl")
    for paths in (str(tmp_path / "in"), str(tmp_path / "in" / "*.jsonl")):
        assert [file.name for file in find_files((paths,), suffixes=(".jsonl",))] == ["a.jsonl", "b.jsonl"]


def test_a_folder_below_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For root every folder can be listed, so the listing of this one fails by hand."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.jsonl").write_text("a")
    real = os.scandir

    def scandir(path: Any = ".") -> Any:
        if str(path).endswith("/sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match="Permission denied"):
        find_files((str(tmp_path),), suffixes=(".jsonl",))


def test_of_links_to_one_file_beside_it_the_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("m")
    for name in ("a", "latest", "zz"):
        (tmp_path / f"{name}.jsonl").symlink_to("m.jsonl")
    for paths in (str(tmp_path), str(tmp_path / "*.jsonl")):
        assert [file.name for file in find_files((paths,), suffixes=(".jsonl",))] == ["m.jsonl"]


def test_a_link_to_a_folder_elsewhere_is_named_and_one_inside_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "x.jsonl").write_text("x")
    (tmp_path / "in" / "alias").symlink_to("deep")
    assert [file.name for file in find_files((str(tmp_path / "in"),), suffixes=(".jsonl",))] == ["deep/x.jsonl"]
    (tmp_path / "other").mkdir()
    (tmp_path / "in" / "away").symlink_to("../other")
    with pytest.raises(InputError, match="in/away is a link to a folder, which is not followed"):
        find_files((str(tmp_path / "in"),), suffixes=(".jsonl",))
