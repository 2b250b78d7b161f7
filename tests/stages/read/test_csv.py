"""read.csv: RFC 4180, delimiters, charsets, damaged lines, packed files, and resuming anywhere."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.lines import Charset
from datapipe.errors import InputError
from stages.read.csv import STAGE, Config
from tests.stages.read.archives import ALL_PACKS, assert_resumes, rows

PLAIN = Config(paths=("x",), source="s")


def read(folder: Path, data: bytes, *, name: str = "x.csv", **options: Any) -> list[dict[str, Any]]:
    path = folder / name
    path.write_bytes(data)
    return assert_resumes(STAGE, path, Config(paths=("x",), source="s", **options))


def test_known_fields_are_columns_and_the_rest_is_metadata(tmp_path: Path) -> None:
    data = 'url,text,stars,title\nhttp://x,"Ünï, with ""quotes""\nand a break",3,\n'
    (row,) = read(tmp_path, data.encode())
    assert (row["url"], row["text"], row["title"]) == ("http://x", 'Ünï, with "quotes"\nand a break', "")
    assert (row["metadata"], row["date"], row["source"]) == ('{"stars":"3"}', None, "s")
    assert row["record"] == row["cursor"] == len(b"url,text,stars,title\n")
    assert row["bytes"] == len(data.encode()) - row["record"] - 1


def test_fields_can_be_renamed_and_bring_their_ids(tmp_path: Path) -> None:
    found = read(tmp_path, b"key,body\nk1,one\n,two\n", columns={"text": "body", "id": "key"}, metadata=False)
    assert [(row["id"], row["text"], row["reason"]) for row in found] == [
        ("k1", "one", None),
        ("x.csv@16", None, "damaged_input"),
    ]


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        (b"n,text\n1,one\n2,two\n", ["one", "two"]),
        (b"n,text\r\n1,one\r\n\r\n2,two", ["one", "two"]),
        (b'n,text\n1,"a\r\n\r\nb"\n2,c\n', ["a\r\n\r\nb", "c"]),
        (b"\xef\xbb\xbftext,n\none,1\n", ["one"]),
        (b"n;text\n1;one, two\n", ["one, two"]),
        (b"n|text\n1|one\n", ["one"]),
        (b"n\ttext\n1\tone, two\n", ["one, two"]),
        (b"n,text\n1,one\n2\n3,three\n4,four,five\n5,six\n", ["one", None, "three", None, "six"]),
        (b'n,text\n1,"never closed\n2,two\n3,three\n', [None, "two", "three"]),
        (b'n,text\n1,"closed"here\n2,two\n', [None, "two"]),
        (b'n,text\n1,5" disk\n2,two\n', ['5" disk', "two"]),
        (b"n,text\n1,a\rb\n2,two\n", [None, "two"]),
        (b"n,text\n1,\xff\xfe\x00\x01\x02\x03\n2,two\n", [None, "two"]),
        (b'n,text\n1,""\n', [""]),
        (b"n,text\n", []),
        (b"", []),
        (b"\n\n", []),
        (b'"n,text\n1,one\n', [None]),
    ],
)
def test_what_each_file_becomes(tmp_path: Path, data: bytes, texts: list[str | None]) -> None:
    found = read(tmp_path, data)
    assert [row["text"] for row in found] == texts
    assert [row["reason"] for row in found] == [None if text is not None else "damaged_input" for text in texts]


def test_a_line_over_the_limit_leaves_and_reading_goes_on(tmp_path: Path) -> None:
    found = read(tmp_path, b"text,n\n%s,1\nnext,2\n" % (b"x" * 300_000), max_record_bytes=200)
    assert [(row["reason"], row["bytes"]) for row in found] == [("record_too_large", 300_002), (None, 6)]


def test_a_quote_that_is_never_closed_costs_one_line_however_much_is_behind_it(tmp_path: Path) -> None:
    lines = [b"%d,text %d" % (number, number) for number in range(3000)]
    lines[5] = b'5,"open'
    found = read_some(tmp_path, b"n,text\n" + b"\n".join(lines), max_record_bytes=1000)
    assert [row["record"] for row in found if row["reason"]] == [len(b"n,text\n") + sum(len(x) + 1 for x in lines[:5])]
    assert len(found) == 3000


def read_some(folder: Path, data: bytes, **options: Any) -> list[dict[str, Any]]:
    (folder / "x.csv").write_bytes(data)
    return rows(STAGE, folder / "x.csv", Config(paths=("x",), source="s", **options))


def test_tab_is_the_delimiter_of_tsv_whatever_the_first_line_holds(tmp_path: Path) -> None:
    found = read(tmp_path, b"text, and more\na, b, c\n", name="x.tsv", columns={"text": "text, and more"})
    assert [row["text"] for row in found] == ["a, b, c"]


def test_header_delimiter_and_quote_can_be_given(tmp_path: Path) -> None:
    options: dict[str, Any] = {"header": ("n", "text"), "delimiter": "\t", "quote": None}
    found = read(tmp_path, b'1\t"so\n2\t he said"\n', **options)
    assert [row["text"] for row in found] == ['"so', ' he said"']


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"encoding": "no-such"}, "no charset"),
        ({"encoding": "rot13"}, "no charset"),
        ({"delimiter": ";;"}, "not one character"),
        ({"quote": "\n"}, "not one character"),
        ({"header": ()}, "at least 1"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Config(paths=("x",), source="s", **options)


def test_columns_without_a_name_or_met_again_get_their_number(tmp_path: Path) -> None:
    (row,) = read(tmp_path, b"text,,a,a\none,1,2,3\n")
    assert json.loads(row["metadata"]) == {"column_2": "1", "a": "2", "a_4": "3"}


def test_a_missing_text_column_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'text' for text; it has n, txt; set columns: \{text: txt\}"):
        read(tmp_path, b"n,txt\n1,a\n")


TEXTS = {
    "gb18030": "港口很安静，两条船随潮水进港。",
    "big5": "港口很安靜，兩條船隨潮水進港。",
    "shift_jis": "その朝、港は静かだった。二隻の船が入ってきた。",
    "windows-1251": "В то утро в гавани было тихо.",
    "windows-1252": "Ce matin-là, le port était très calme, même désert. Où étaient les pêcheurs ? On n'a pas répondu.",
    "utf-16": "Ünï 港口, and so on",
    "utf-16-le": "Ünï and so on and on, in Latin",
    "utf-16-be": "Ünï and so on and on, in Latin",
    "utf-32": "Ünï 港口",
}


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("charset", TEXTS)
def test_charsets_given_and_detected(tmp_path: Path, charset: str, told: bool) -> None:  # noqa: FBT001 - a case
    text = TEXTS[charset]
    data = f'n,text\n1,"{text}"\n2,"{text}\nsecond line"\n3,Ċ\n'.replace("Ċ", "ĊĊ" if "utf" in charset else "x")
    found = read(tmp_path, data.encode(charset), encoding=charset if told else None)
    assert [row["text"] for row in found] == [text, f"{text}\nsecond line", "ĊĊ" if "utf" in charset else "x"]


def test_lines_of_another_charset_are_detected_by_themselves_unless_one_is_given(tmp_path: Path) -> None:
    czech, chinese = "Přístav byl ráno tichý, připluly dvě lodě.", "港口很安静，两条船随潮水进港。"
    data = b"n,text\n" + f'1,"{czech}"\n'.encode() * 80 + f"2,{chinese}\n".encode("gb18030")
    assert [row["text"] for row in read_some(tmp_path, data)] == [czech] * 80 + [chinese]
    assert [row["reason"] for row in read_some(tmp_path, data, encoding="utf-8")] == [None] * 80 + ["damaged_input"]


FIELDS = [f"text {number} " * number + ("\n" if number % 3 else ",") for number in range(40)]


def table(texts: list[str]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerows([["n", "text"], *enumerate(texts)])
    return out.getvalue().encode()


WHOLE = table(FIELDS)


@pytest.mark.parametrize("pack", ALL_PACKS)
def test_every_packing_gives_the_same(tmp_path: Path, pack: str) -> None:
    assert [row["text"] for row in read(tmp_path, ALL_PACKS[pack](WHOLE))] == FIELDS


def test_reads_from_a_url() -> None:
    with fsspec.open("memory://csv/x.csv", "wb") as out:
        out.write(WHOLE)
    assert len(assert_resumes(STAGE, "memory://csv/x.csv", PLAIN)) == 40


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=30)))
def test_what_the_standard_library_writes_is_read_back(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_bytes(table(texts))
        found = assert_resumes(STAGE, path, Config(paths=("x",), source="s", encoding="utf-8"))
    assert [row["text"] for row in found] == texts


@settings(max_examples=60)
@given(st.sampled_from(list(ALL_PACKS)), st.floats(0, 1, exclude_max=True))
def test_a_cut_anywhere_keeps_what_is_before_it(pack: str, share: float) -> None:
    whole = ALL_PACKS[pack](WHOLE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_bytes(whole[: max(int(share * len(whole)), 12)])
        found = assert_resumes(STAGE, path, PLAIN)
    fine = [row["text"] for row in found if not row["reason"]]
    assert fine[:-1] == FIELDS[: max(len(fine) - 1, 0)]
    assert pack == "plain" or found[-1]["reason"] == "damaged_input"


@pytest.mark.parametrize("limit", [64 << 20, 2000])
@pytest.mark.parametrize("line", [b'x","z', b'"z', b'x","z"y', b'1,"z'])
def test_lines_that_each_leave_a_quote_open_are_parsed_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, line: bytes
) -> None:
    decoded = 0
    plain = Charset.decode

    def counted(charset: Charset, data: bytes) -> str | None:
        nonlocal decoded
        decoded += 1
        return plain(charset, data)

    monkeypatch.setattr(Charset, "decode", counted)
    read_some(tmp_path, b"n,text\n" + b"%s\n" % line * 2000, max_record_bytes=limit)
    assert decoded < 4.1 * 2000


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([b'1,"a', b'b"', b'x","z', b"1,a", b'"a"b', b'a""b', b"", b"1,\xff\x00\x01\x02", b'"']),
        max_size=30,
    ),
    st.sampled_from([12, 30, 1000]),
)
def test_whatever_quotes_are_open_every_cursor_gives_the_same(lines: list[bytes], limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_bytes(b"n,text\n" + b"\n".join(lines))
        assert_resumes(STAGE, path, Config(paths=("x",), source="s", encoding="utf-8", max_record_bytes=limit))


def test_names_that_numbers_would_repeat_stay_apart(tmp_path: Path) -> None:
    (row,) = read(tmp_path, b"a_3,a,a,text\n1,2,3,4\n")
    assert json.loads(row["metadata"]) == {"a_3": "1", "a": "2", "a_3_3": "3"}


@pytest.mark.parametrize(
    "encoding", ["UTF-16LE", "utf_16_le", "Utf-16-Le", "utf16", "U16", "UTF_32", "u32", "UTF-32BE"]
)
def test_charsets_in_any_spelling(tmp_path: Path, encoding: str) -> None:
    data = "n,text\n1,Ünï\n2,second\n".encode(encoding)
    assert [row["text"] for row in read(tmp_path, data, encoding=encoding)] == ["Ünï", "second"]
