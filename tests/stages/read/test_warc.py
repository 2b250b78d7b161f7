"""read.warc: what becomes a document, what leaves and why, and what damage costs."""

from __future__ import annotations

import gzip
import re
import tempfile
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]  # it has no types
import fsspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.inputs import digest16
from datapipe.errors import InputError
from stages.read.warc import STAGE, Config
from tests.stages.read.archives import PACKS, arc, assert_resumes, http, response, rows, warc

PAGE = b"<html><p>Hello, w\xc3\xb6rld</p></html>"
ALL = Config(paths=("x",), source="web", snapshot="2026-11")


def one(tmp_path: Path, data: bytes, config: Config = ALL) -> dict[str, Any]:
    path = tmp_path / "one.warc"
    path.write_bytes(data)
    (row,) = rows(STAGE, path, config)
    return row


def test_a_response_is_a_document_with_all_its_columns(tmp_path: Path) -> None:
    record = warc("response", http(PAGE, media="text/html; charset=utf-8"))
    assert one(tmp_path, record) == {
        "record": 0,
        "cursor": 0,
        "bytes": len(PAGE),
        "file": "one.warc",
        "reason": None,
        "digest": digest16(PAGE),
        "url": "http://a.example/",
        "content_type": "text/html; charset=utf-8",
        "robots": None,
        "fetched": "2026-11-01T00:00:00Z",
        "status": 200,
        "html": PAGE,
        "source": "web",
        "snapshot": "2026-11",
    }


@pytest.mark.parametrize(
    ("record", "body", "media", "status"),
    [
        (warc("resource", PAGE), PAGE, "text/html", None),
        (warc("conversion", b"plain words"), b"plain words", "text/plain", None),
        (arc(http(PAGE)), PAGE, "text/html", 200),
        (arc(PAGE), PAGE, "text/html", None),
        (warc("response", http(PAGE, media=None)), PAGE, None, 200),
        (warc("response", http(PAGE).replace(b"\r\n", b"\n")).replace(b"\r\n", b"\n"), PAGE, "text/html", 200),
        (warc("Response", http(PAGE), url="<http://a.example/>"), PAGE, "text/html", 200),
    ],
)
def test_other_records_that_are_documents(
    tmp_path: Path, record: bytes, body: bytes, media: str | None, status: int | None
) -> None:
    row = one(tmp_path, record)
    assert (row["html"], row["content_type"], row["status"], row["reason"]) == (body, media, status, None)
    assert (row["url"], row["fetched"]) == ("http://a.example/", "2026-11-01T00:00:00Z")


@pytest.mark.parametrize("kind", ["warcinfo", "request", "metadata", "continuation", "odd"])
def test_other_records_are_not_documents(tmp_path: Path, kind: str) -> None:
    assert one(tmp_path, warc(kind, b"x") + response(1))["url"] == "http://a.example/1"


@pytest.mark.parametrize(
    ("block", "status", "media"),
    [
        (http(b"", status="304 Not Modified"), 304, "text/html"),
        (http(b""), 200, "text/html"),
        (b"", None, "text/html"),
    ],
)
def test_a_revisit_is_counted_but_has_no_body(
    tmp_path: Path, block: bytes, status: int | None, media: str | None
) -> None:
    row = one(tmp_path, warc("revisit", block))
    assert (row["reason"], row["html"], row["bytes"]) == ("revisit", None, 0)
    assert (row["url"], row["fetched"]) == ("http://a.example/", "2026-11-01T00:00:00Z")
    assert (row["status"], row["content_type"]) == (status, media)


JSON = b'{"Envelope": {"Payload-Metadata": {}}}'
WAT = warc("metadata", JSON).replace(b"text/html", b"application/json")


@pytest.mark.parametrize(
    ("media_types", "reason", "body"),
    [(None, "not_html", None), (["application/json"], None, JSON), ([], None, JSON)],
)
def test_metadata_of_json_is_a_document_of_its_type(
    tmp_path: Path, media_types: list[str] | None, reason: str | None, body: bytes | None
) -> None:
    options: dict[str, Any] = {} if media_types is None else {"media_types": tuple(media_types)}
    row = one(tmp_path, WAT, Config(paths=("x",), source="web", **options))
    assert (row["reason"], row["html"], row["content_type"]) == (reason, body, "application/json")


@pytest.mark.parametrize(
    ("fields", "robots"),
    [
        ([], None),
        (["X-Robots-Tag: noindex, noai"], "x-robots-tag: noindex, noai"),
        (
            ["x-robots-tag: googlebot: none", "Server: x", "X-ROBOTS-TAG:noindex", "TDM-Reservation: 1"],
            "x-robots-tag: googlebot: none\nx-robots-tag: noindex\ntdm-reservation: 1",
        ),
        (["tdm-policy: https://a.example/\r\n policy.json"], "tdm-policy: https://a.example/ policy.json"),
    ],
)
def test_robots_holds_what_servers_say_of_a_pages_use(tmp_path: Path, fields: list[str], robots: str | None) -> None:
    assert one(tmp_path, warc("response", http(PAGE, *fields)))["robots"] == robots


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%X;ext=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("stored", "fields"),
    [
        (chunked(PAGE[:7], PAGE[7:]), ["Transfer-Encoding: chunked"]),
        (gzip.compress(PAGE), ["Content-Encoding: gzip"]),
        (gzip.compress(PAGE), ["Content-Encoding: x-gzip"]),
        (zlib.compress(PAGE), ["Content-Encoding: deflate"]),
        (raw_deflate(PAGE), ["Content-Encoding: deflate"]),
        (brotli.compress(PAGE), ["Content-Encoding: br"]),
        (zstandard.compress(PAGE), ["Content-Encoding: zstd"]),
        (zlib.compress(brotli.compress(PAGE)), ["Content-Encoding: br, deflate"]),
        (chunked(gzip.compress(PAGE)), ["Content-Encoding: gzip", "Transfer-Encoding: chunked"]),
        (chunked(gzip.compress(PAGE)), ["Transfer-Encoding: gzip, chunked"]),
        (zlib.compress(brotli.compress(PAGE)), ["Content-Encoding: br", "Content-Encoding: deflate"]),
        (PAGE, ["Content-Encoding: gzip"]),
        (PAGE, ["Content-Encoding: br"]),
        (PAGE, ["Content-Encoding: zstd"]),
        (PAGE, ["Content-Encoding: deflate"]),
        (PAGE, ["Content-Encoding: unheard-of"]),
        (PAGE, ["Transfer-Encoding: chunked"]),
        (b"7\r\n%s\r\n%s" % (PAGE[:7], PAGE[7:]), ["Transfer-Encoding: chunked"]),
    ],
)
def test_bodies_are_decoded_or_taken_as_they_stand(tmp_path: Path, stored: bytes, fields: list[str]) -> None:
    assert one(tmp_path, warc("response", http(stored, *fields)))["html"] == PAGE


@pytest.mark.parametrize(
    ("block", "options", "reason"),
    [
        (http(PAGE, status="404 Not Found"), {}, "http_error"),
        (http(PAGE, status="404 Not Found"), {"statuses": [200, 404]}, None),
        (http(PAGE, status="204 No"), {"statuses": ["200"]}, "http_error"),
        (http(b""), {}, "empty_body"),
        (http(b"%PDF", media="application/pdf"), {}, "not_html"),
        (http(b"%PDF", media="application/pdf"), {"media_types": []}, None),
        (http(b"\0\1\2", media=None), {}, "not_html"),
        (http(b"words", media="TEXT/Plain ; charset=x"), {}, None),
        (http(PAGE), {"max_body_bytes": len(PAGE)}, None),
        (http(PAGE), {"max_body_bytes": len(PAGE) - 1}, "body_too_large"),
        (http(bytes(1 << 20)), {"max_body_bytes": "64KiB"}, "body_too_large"),
        (http(gzip.compress(bytes(1 << 20)), "Content-Encoding: gzip"), {"max_body_bytes": 99}, "body_too_large"),
        (http(brotli.compress(bytes(1 << 20)), "Content-Encoding: br"), {"max_body_bytes": 99}, "body_too_large"),
        (http(zstandard.compress(bytes(1 << 20)), "Content-Encoding: zstd"), {"max_body_bytes": 99}, "body_too_large"),
    ],
)
def test_reasons(tmp_path: Path, block: bytes, options: dict[str, Any], reason: str | None) -> None:
    row = one(tmp_path, warc("response", block), Config(paths=("x",), source="web", **options))
    assert row["reason"] == reason
    assert row["url"] == "http://a.example/"
    assert (row["html"] is None) == (reason is not None)
    assert reason is None or reason in STAGE.reasons


@pytest.mark.parametrize("statuses", [["2x"], ["600"], ["ok"], [20]])
def test_statuses_that_are_none_are_refused(statuses: list[Any]) -> None:
    with pytest.raises(ValueError, match="no HTTP status"):
        Config(paths=("x",), source="web", statuses=tuple(statuses))


def packed(records: list[bytes], pack: str, layout: str) -> bytes:
    """Records as one member each, all in one, in threes, or cut into members anywhere."""
    whole = b"".join(records)
    cuts: dict[str, list[bytes]] = {
        "each": records,
        "one": [whole],
        "threes": [b"".join(records[at : at + 3]) for at in range(0, len(records), 3)],
        "anywhere": [whole[at : at + 1000] for at in range(0, len(whole), 1000)],
    }
    return b"".join(PACKS[pack](part) for part in cuts[layout])


MIXED = [warc("warcinfo", b"software: x"), *[response(n, 40 * n) for n in range(1, 12)], warc("metadata", b"m")]


@pytest.mark.parametrize("layout", ["each", "one", "threes", "anywhere"])
@pytest.mark.parametrize("pack", PACKS)
def test_every_packing_gives_the_same_and_resumes_anywhere(tmp_path: Path, pack: str, layout: str) -> None:
    path = tmp_path / "x.warc"
    path.write_bytes(packed(MIXED, pack, layout))
    found = assert_resumes(STAGE, path, ALL)
    assert [row["url"] for row in found] == [f"http://a.example/{n}" for n in range(1, 12)]
    assert {row["reason"] for row in found} == {None}
    assert [row["bytes"] for row in found] == [40 * n for n in range(1, 12)]


def test_zstd_with_a_dictionary_in_front(tmp_path: Path) -> None:
    dictionary = zstandard.ZstdCompressionDict(b"".join(response(n) for n in range(50)))
    packer = zstandard.ZstdCompressor(dict_data=dictionary)
    raw = dictionary.as_bytes()
    path = tmp_path / "x.warc.zst"
    frames = [packer.compress(response(n)) for n in range(4)]
    path.write_bytes(b"\x5d\x2a\x4d\x18" + len(raw).to_bytes(4, "little") + raw + b"".join(frames))
    assert [row["url"][-1] for row in assert_resumes(STAGE, path, ALL)] == ["0", "1", "2", "3"]


def test_reads_from_a_url() -> None:
    with fsspec.open("memory://archives/x.warc.gz", "wb") as out:
        out.write(packed(MIXED, "gz", "each"))
    assert len(assert_resumes(STAGE, "memory://archives/x.warc.gz", ALL)) == 11


def test_a_file_that_is_gone_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.warc"):
        rows(STAGE, tmp_path / "none.warc", ALL)


# ---------------------------------------------------------------------------------------------- damage


def urls(found: list[dict[str, Any]]) -> list[str]:
    """Last part of each URL, or `damaged`."""
    return [row["reason"].partition("_")[0] if row["reason"] else row["url"].rpartition("/")[2] for row in found]


PAGES = [response(number, 50) for number in range(4)]
JUNK = bytes(range(1, 256)) * 4


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ["damaged"]),
        (b"\r\n", ["damaged"]),
        (JUNK, ["damaged"]),
        (b"\x1f\x8b\x08", ["damaged"]),
        (b"".join([*PAGES[:2], JUNK, *PAGES[2:]]), ["0", "1", "damaged", "2", "3"]),
        (b"".join([JUNK, b"\n", *PAGES[:2]]), ["damaged", "0", "1"]),
        (PAGES[0] + warc("response", http(PAGE), length="abc") + PAGES[1], ["0", "damaged", "1"]),
        (PAGES[0] + warc("response", http(PAGE), length="-1") + PAGES[1], ["0", "damaged", "1"]),
        (PAGES[0].replace(b"Content-Length", b"Content-Breadth") + PAGES[1], ["damaged", "1"]),
        (PAGES[0] + warc("response", http(PAGE), url="x/cut", length="60") + PAGES[1], ["0", "cut", "damaged", "1"]),
        (PAGES[0] + warc("response", http(PAGE), length="9999"), ["0", "damaged"]),
        (arc(http(PAGE), "http://a/0") + b"what\n" + arc(http(PAGE), "http://a/1"), ["0", "damaged", "1"]),
        (arc(http(PAGE), "http://a/0") + arc(http(PAGE), "http://a/1")[:-20], ["0", "damaged"]),
        (b"WARC/1.0\r\n" + b"x" * 200_000 + b"\r\n" + PAGES[0], ["damaged", "0"]),
    ],
)
def test_damage_in_plain_files(tmp_path: Path, data: bytes, expected: list[str]) -> None:
    path = tmp_path / "x.warc"
    path.write_bytes(data)
    assert urls(assert_resumes(STAGE, path, ALL)) == expected


@pytest.mark.parametrize("pack", ["gz", "zst", "lz4"])
def test_a_damaged_member_costs_itself_alone(tmp_path: Path, pack: str) -> None:
    members = [PACKS[pack](page) for page in PAGES]
    middle = bytearray(members[1])
    middle[len(middle) // 2] ^= 0xFF
    path = tmp_path / "x.warc"
    path.write_bytes(b"".join([members[0], middle, *members[2:]]))
    assert urls(assert_resumes(STAGE, path, ALL)) == ["0", "damaged", "2", "3"]
    path.write_bytes(b"".join([members[0], JUNK, *members[1:]]))
    assert urls(assert_resumes(STAGE, path, ALL)) == ["0", "damaged", "1", "2", "3"]


def test_false_members_behind_damage_are_passed_over(tmp_path: Path) -> None:
    """64 KB of bytes each of which could open a member; minutes where each is unpacked byte by byte."""
    good = [gzip.compress(response(number)) for number in range(2)]
    path = tmp_path / "x.warc"
    path.write_bytes(good[0] + b"\x1f\x8b\x08\x00BROKEN!!!!" * 3 + b"\x1f\x8b\x08\x08" * 16384 + good[1])
    assert urls(rows(STAGE, path, ALL)) == ["0", "damaged", "1"]


def test_a_length_of_thousands_of_digits_is_damage(tmp_path: Path) -> None:
    bad = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nbody\r\n\r\n"
    path = tmp_path / "x.warc"
    path.write_bytes(response(0) + bad + response(1))
    assert urls(assert_resumes(STAGE, path, ALL)) == ["0", "damaged", "1"]


@pytest.mark.parametrize("size", [1 << 20, 64 << 20])
def test_a_dictionary_that_is_none_costs_no_memory(tmp_path: Path, size: int) -> None:
    """Zeros in the place of a dictionary, packed to a few KB; the larger is not unpacked beyond what one may have."""
    packed = zstandard.compress(bytes(size))
    path = tmp_path / "x.warc.zst"
    path.write_bytes(b"\x5d\x2a\x4d\x18" + len(packed).to_bytes(4, "little") + packed + zstandard.compress(response(0)))
    tracemalloc.start()
    found = rows(STAGE, path, ALL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row["reason"] for row in found if row["reason"]] in ([], ["damaged_input"])
    assert peak < 40 << 20


def test_a_wrong_length_does_not_swallow_the_next_member(tmp_path: Path) -> None:
    pages = [PAGES[0], warc("response", http(PAGE), length="5000"), *PAGES[1:]]
    path = tmp_path / "x.warc.gz"
    path.write_bytes(packed(pages, "gz", "each"))
    assert urls(assert_resumes(STAGE, path, ALL)) == ["0", "damaged", "1", "2", "3"]


def test_a_length_beyond_the_end_of_a_plain_file_does_not_swallow_what_follows(tmp_path: Path) -> None:
    whole = [response(number) for number in range(5)]
    wrong = re.sub(rb"Content-Length: \d+", b"Content-Length: 1000000000000", whole[1], count=1)
    path = tmp_path / "x.warc"
    path.write_bytes(whole[0] + wrong + b"".join(whole[2:]))
    found = assert_resumes(STAGE, path, ALL)
    assert [row["reason"] for row in found] == [None, "damaged_input", None, None, None]
    assert [row["url"] for row in found] == [f"http://a.example/{number}" for number in range(5)]


def test_all_records_before_damage_within_one_member_are_read(tmp_path: Path) -> None:
    data = bytearray(packed([response(n, 3000) for n in range(60)], "gz", "one"))
    data[-9] ^= 0xFF  # the check sum
    path = tmp_path / "x.warc.gz"
    path.write_bytes(data)
    assert urls(rows(STAGE, path, ALL)) == [*map(str, range(60)), "damaged"]


CUT = [response(number, 300 * number + 10) for number in range(1, 5)]
MEMBERS = {pack: [PACKS[pack](record) for record in CUT] for pack in PACKS}


@settings(max_examples=150)
@given(st.sampled_from(list(PACKS)), st.floats(0, 1, exclude_max=True))
def test_a_cut_anywhere_keeps_what_is_before_it(pack: str, share: float) -> None:
    members = MEMBERS[pack]
    whole = b"".join(members)
    cut = int(share * len(whole))
    ends = [sum(map(len, members[: number + 1])) for number in range(len(members))]
    before = sum(end - (4 if pack == "plain" else 0) <= cut for end in ends)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.warc")
        path.write_bytes(whole[:cut])
        found = assert_resumes(STAGE, path, ALL)
    damaged = [row for row in found if row["reason"]]
    fine = [row["url"][-1] for row in found if not row["reason"]]
    complete = [str(number) for number in range(1, before + 1)]
    if pack == "plain":  # the line ends behind a record may lack
        clean = any(end - 4 <= cut <= end for end in ends)
        assert fine == complete
    else:  # the page itself may be whole where only the end of its member lacks
        clean = cut in ends
        assert fine[:before] == complete
        assert len(fine) <= before + 1
    assert len(damaged) == (not clean)
    assert {row["reason"] for row in damaged} <= {"damaged_input"}


@settings(max_examples=150)
@given(st.sampled_from(list(PACKS)), st.data())
def test_no_bytes_raise_and_every_row_can_be_come_back_to(pack: str, data: st.DataObject) -> None:
    spoiled = bytearray(b"".join(MEMBERS[pack]))
    for place, junk in data.draw(
        st.lists(st.tuples(st.integers(0, len(spoiled) - 1), st.binary(max_size=9)), max_size=3)
    ):
        spoiled[place : place + 3] = junk
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.warc")
        path.write_bytes(spoiled)
        assert_resumes(STAGE, path, ALL)
