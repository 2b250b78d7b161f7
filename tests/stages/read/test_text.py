"""read.text: a document a file, a paragraph or a line; charsets, damage, bundles and resuming anywhere."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.read.text import STAGE, Config
from tests.stages.read.archives import ALL_PACKS

CHINESE = "港口很安静，两条船随潮水进港。\n到了中午，市场上的鱼已经卖完了。"
UNITS = ["paragraph", "line"]
POEM = b"one\r\ntwo\r\n\r\n \t\r\nthree\r\n\r\n\r\nfour"


def read(folder: Path | str, **options: Any) -> list[dict[str, Any]]:
    """Rows of all bundles by file; each bundle gives the same rows from every cursor on."""
    config = Config(paths=(str(folder),), source="s", **options)
    found = []
    for split in STAGE.splits(config):
        whole = [row for batch in STAGE.read(split, config, 0) for row in batch.to_pylist()]
        cursors = [row["cursor"] for row in whole]
        assert cursors == sorted(set(cursors))
        for number, cursor in enumerate(cursors):
            again = [row for batch in STAGE.read(split, config, cursor) for row in batch.to_pylist()]
            assert again == whole[number:]
        found += whole
    return sorted(found, key=lambda row: (row["file"], row["record"]))


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(data)
    return folder


def test_a_document_a_file_with_a_reason_for_each_that_has_no_text(tmp_path: Path) -> None:
    files = {
        "a/plain.txt": "one\r\ntwo\r\rü".encode(),
        "a/gb.md.gz": gzip.compress(CHINESE.encode("gb18030")),
        "a/wide.txt": CHINESE.encode("utf-16"),
        "a/marked.txt": b"\xef\xbb\xbfmarked\x00\x07",
        "b/broken.txt.gz": gzip.compress(b"text")[:-4],
        "b/empty.txt": b"",
        "b/blank.txt": b" \n\n",
        "b/image.txt": b"\x89PNG\r\n\x1a\n" + bytes(range(128)),
        "b/large.txt": b"x" * 201,
        "b/style.css": b"x",
    }
    found = read(write(tmp_path, files), base_url="https://x.example/", max_text_bytes=200)
    assert [(row["file"], row["url"], row["text"], row["reason"]) for row in found] == [
        ("a/gb.md.gz", "https://x.example/a/gb.md", CHINESE, None),
        ("a/marked.txt", "https://x.example/a/marked.txt", "marked", None),
        ("a/plain.txt", "https://x.example/a/plain.txt", "one\ntwo\n\nü", None),
        ("a/wide.txt", "https://x.example/a/wide.txt", CHINESE, None),
        ("b/blank.txt", "https://x.example/b/blank.txt", None, "no_text"),
        ("b/broken.txt.gz", "https://x.example/b/broken.txt", None, "damaged_input"),
        ("b/empty.txt", "https://x.example/b/empty.txt", None, "no_text"),
        ("b/image.txt", "https://x.example/b/image.txt", None, "undecodable"),
        ("b/large.txt", "https://x.example/b/large.txt", None, "text_too_large"),
    ]
    assert {row["reason"] for row in found} - {None, "damaged_input"} <= STAGE.reasons.keys()
    assert {row["record"] for row in found} == {0}


@pytest.mark.parametrize(
    ("unit", "documents"),
    [
        ("file", [(0, "one\ntwo\n\n \t\nthree\n\n\nfour")]),
        ("paragraph", [(0, "one\ntwo"), (16, "three"), (27, "four")]),
        ("line", [(0, "one"), (5, "two"), (16, "three"), (27, "four")]),
    ],
)
@pytest.mark.parametrize("charset", ["ascii", "utf-16-le", "utf-16", "utf-32-be", "gb18030"])
@pytest.mark.parametrize("told", [True, False])
def test_units_in_every_width_of_characters(
    tmp_path: Path,
    unit: str,
    documents: list[tuple[int, str]],
    charset: str,
    told: bool,  # noqa: FBT001 - a case
) -> None:
    write(tmp_path, {"x.txt": POEM.decode().encode(charset), "y.txt": b"another"})
    found = [row for row in read(tmp_path, unit=unit, encoding=charset if told else None) if row["file"] == "x.txt"]
    width, mark = {"utf-16-le": (2, 0), "utf-16": (2, 2), "utf-32-be": (4, 0)}.get(charset, (1, 0))
    places = [at * width + (mark if at else 0) for at, _ in documents]
    assert [(row["record"], row["text"]) for row in found] == list(zip(places, [t for _, t in documents], strict=True))


def test_lines_over_the_limit_and_in_no_charset_leave_and_reading_goes_on(tmp_path: Path) -> None:
    bad = b"\x00\x01\x02\xff\xfe"
    data = b"first\n%s\n%s\nlast\n" % (b"x" * 300_000, bad)
    write(tmp_path, {"x.txt": data})
    lines = read(tmp_path, unit="line", max_text_bytes=100)
    assert [row["reason"] or row["text"] for row in lines] == ["first", "text_too_large", "undecodable", "last"]
    paragraphs = read(tmp_path, unit="paragraph", max_text_bytes=100)
    assert [(row["reason"], row["bytes"]) for row in paragraphs] == [("text_too_large", len(data) - 1)]
    write(tmp_path, {"x.txt": b"aaa\nbbb\n\nccc"})
    found = read(tmp_path, unit="paragraph", max_text_bytes=6)
    assert [(row["reason"], row["bytes"]) for row in found] == [("text_too_large", 7), (None, 3)]


@pytest.mark.parametrize("unit", ["paragraph", "line"])
@pytest.mark.parametrize("pack", ALL_PACKS)
def test_every_packing_gives_the_same(tmp_path: Path, unit: str, pack: str) -> None:
    lines = [f"line {number} " * (number % 7) for number in range(60)]
    write(tmp_path, {"x.txt": ALL_PACKS[pack]("\n".join(lines).encode())})
    expected = [line.strip() for line in lines if line]
    if unit == "paragraph":
        expected = ["\n".join(line.strip() for line in lines[at : at + 6]) for at in range(1, 60, 7)]
        assert [row["text"].replace(" \n", "\n") for row in read(tmp_path, unit=unit)] == expected
    else:
        assert [row["text"] for row in read(tmp_path, unit=unit)] == expected


@settings(max_examples=40)
@given(
    st.sampled_from(["gz", "zst", "lz4", "xz"]),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["paragraph", "line"]),
)
def test_a_cut_anywhere_keeps_what_is_before_it_and_is_told(pack: str, share: float, unit: str) -> None:
    lines = [f"line {number * number * 77} of many" + "\n" * (number % 3 == 0) for number in range(300)]
    whole = ALL_PACKS[pack]("\n".join(lines).encode())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.txt").write_bytes(whole[: max(int(share * len(whole)), 6)])
        config = Config.model_validate({"paths": [folder], "source": "s", "unit": unit})
        (split,) = STAGE.splits(config)
        found = [row for batch in STAGE.read(split, config, 0) for row in batch.to_pylist()]
    fine = "\n".join(row["text"] for row in found[:-1])
    assert found[-1]["reason"] == "damaged_input"
    assert "\n".join(line.strip() for line in lines).startswith(fine)


@pytest.mark.parametrize("unit", ["file", "line"])
def test_many_files_are_bundled_and_none_is_lost(unit: str) -> None:
    for number in range(600):
        with fsspec.open(f"memory://texts-{unit}/{number}.txt", "wb") as out:
            out.write(b"%d\nand\n" % number)
    config = Config.model_validate({"paths": [f"memory://texts-{unit}"], "source": "s", "unit": unit})
    found = [row for split in STAGE.splits(config) for b in STAGE.read(split, config, 0) for row in b.to_pylist()]
    assert sorted(int(row["text"].split("\n")[0]) for row in found if row["text"] != "and") == list(range(600))
    assert len(found) == (600 if unit == "file" else 1200)
    assert len(list(STAGE.splits(config))) == 2


@pytest.mark.parametrize("encoding", ["UTF-16LE", "utf16", "utf_16_le", "U16", "UTF_32_BE"])
def test_charsets_in_any_spelling(tmp_path: Path, encoding: str) -> None:
    write(tmp_path, {"x.txt": POEM.decode().encode(encoding)})
    assert [row["text"] for row in read(tmp_path, unit="line", encoding=encoding)] == ["one", "two", "three", "four"]


@pytest.mark.parametrize("charset", ["windows-1252", "utf-8"])
def test_a_line_that_begins_like_a_picture_is_text_in_a_file_of_text(tmp_path: Path, charset: str) -> None:
    first = "Ce matin-là, le port était très calme, même désert. Où étaient les pêcheurs ? On n'a pas répondu."
    lines = [first, "RIFF café", "ID3 café", "RIFF"]
    write(tmp_path, {"x.txt": "\n".join(lines).encode(charset) + b"\nRIFF\x00\x01\xff"})
    found = read(tmp_path, unit="line")
    assert [row["text"] for row in found][:4] == lines
