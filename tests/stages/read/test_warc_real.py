"""read.warc on real archives, some damaged on purpose: the same records and fields that warcio finds in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from datapipe.algo.archive import DAMAGED, records
from datapipe.algo.frames import open_file
from datapipe.algo.http import split_response
from datapipe.algo.inputs import digest16
from datapipe.stage import File
from stages.read.warc import STAGE, Config
from tests.stages.read.archives import rows

EVERYTHING = Config(paths=("x",), source="x", statuses=("1xx", "2xx", "3xx", "4xx", "5xx"), media_types=())
DOCUMENTS = ("response", "resource", "conversion", "revisit")
# warcio stops at these; what stands here is the number of documents that fastwarc lists in them
STOPPED = {"example-bad-non-chunked.warc.gz": 2, "example-bad.warc.gz.bad": 3, "warcfile.warc.lz4": 16}
GIVEN_UP = {*STOPPED, "block-sized-records.warc.lz4"}
# warcio takes a record that is cut off as whole, or one without a length as empty, which here are damage; and it
# loses the body of the last, which fastwarc finds as it is found here
CUT = {"clipped.warc.gz", "bad.arc", "example-space-in-url.arc", "example-wrong-chunks.warc.gz"}


def archives(real_data: Path) -> list[Path]:
    return sorted((real_data / "warc").glob("*/*arc*"))


def test_every_real_archive_reads_as_recorded(real_data: Path) -> None:
    for line in (real_data / "warc/RECORDS.tsv").read_text().splitlines():
        name, counts, _ = line.split("\t")
        kinds = dict(part.strip("{} '").split("': ") for part in counts.split(", ") if ":" in part)
        documents = sum(int(kinds.get(kind, 0)) for kind in DOCUMENTS) + name.endswith(".wat.gz")
        found = rows(STAGE, real_data / "warc" / name, EVERYTHING)
        trailing = name.endswith("example-trunc.warc")  # its request record is followed by a damaged place
        assert len(found) == STOPPED.get(Path(name).name, documents) + trailing, name


class Theirs(NamedTuple):
    """A record by warcio."""

    kind: str
    url: str | None
    date: str
    fields: list[tuple[bytes, bytes]]
    status: int | None
    http: list[tuple[bytes, bytes]]
    payload: bytes


def by_warcio(path: Path) -> list[Theirs]:
    """All records but the header of an ARC file, up to where warcio gives up."""
    found: list[Theirs] = []
    with path.open("rb") as opened:
        try:
            found.extend(theirs(record) for record in ArchiveIterator(opened) if record.rec_type != "arc_header")
        except ArchiveLoadFailed:
            assert path.name in GIVEN_UP
    return found


def theirs(record: Any) -> Theirs:
    head, http = record.rec_headers, record.http_headers
    url = head.get_header("WARC-Target-URI") or head.get_header("uri")
    url = url.replace("%20with%20", " with ").replace("%20", " ") if url and "with%20spaces" in url else url
    date = head.get_header("WARC-Date")
    if date is None:
        raw = head.get_header("archive-date")
        date = f"{raw[:4]}-{raw[4:6]}-{raw[6:8]}T{raw[8:10]}:{raw[10:12]}:{raw[12:14]}Z"
    is_response = http is not None and http.protocol.startswith("HTTP/")
    status = int(http.get_statuscode()) if is_response else None
    fields = pairs(http.headers) if is_response else []
    return Theirs(record.rec_type, url, date, pairs(head.headers), status, fields, record.content_stream().read())


def pairs(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Fields by lower-case name; of what is not UTF-8 warcio makes latin-1."""
    return [(name.lower().strip().encode(), encoded(value.strip())) for name, value in headers]


def encoded(value: str) -> bytes:
    return value.encode("latin-1") if value.isascii() or max(value) < "\u0100" else value.encode()


def comparable(real_data: Path) -> Iterator[tuple[Path, list[Theirs]]]:
    for path in archives(real_data):
        if path.name not in CUT:
            yield path, by_warcio(path)


def test_every_real_archive_gives_the_documents_that_warcio_finds(real_data: Path) -> None:
    compared: Counter[str] = Counter()
    for path, found in comparable(real_data):
        captures = [one for one in found if one.kind in DOCUMENTS or (one.kind == "metadata" and ".wat" in path.name)]
        expected = [(one.url, one.date, one.status, digest16(one.payload)) for one in captures]
        mine = [
            (row["url"], row["fetched"], row["status"], row["digest"])
            for row in rows(STAGE, path, EVERYTHING)
            if row["reason"] != "damaged_input"
        ]
        assert mine[: len(expected)] == expected, path
        assert len(mine) == len(expected) or path.name in GIVEN_UP, path
        compared.update(one.kind for one in captures)
    assert compared == {"response": 671, "resource": 4, "conversion": 1, "revisit": 2, "metadata": 1}


def test_every_real_record_has_the_fields_that_warcio_finds(real_data: Path) -> None:
    compared = http = 0
    for path, found in comparable(real_data):
        with open_file(File(str(path), path.name, 0, "")) as opened:
            kinds = frozenset(one.kind for one in found)
            mine = [one for one in records(opened, 0, kinds=kinds, max_body=1 << 30) if one.kind != DAMAGED]
        if ".arc" in path.name:  # whose header is a record here
            mine = mine[1:]
        mine = mine[: len(found)] if path.name in GIVEN_UP else mine
        assert [one.kind for one in mine] == [one.kind for one in found], path
        for one, other in zip(mine, found, strict=True):
            if ".arc" not in path.name:
                assert mended(one.fields) == first_of_each(other.fields), path
                compared += 1
            response = split_response(one.body)
            assert (response.status, list(response.fields)) == (other.status, other.http), (path, other.url)
            http += response.status is not None
    assert (compared, http) == (1011, 597)


def mended(fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """As warcio mends URLs: spaces are quoted, and the angle brackets that wget writes are gone."""
    url = fields.get(b"warc-target-uri")
    return fields if url is None else {**fields, b"warc-target-uri": url.strip(b"<>").replace(b" ", b"%20")}


def first_of_each(fields: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return dict(reversed(fields))


def test_lz4_equals_its_gzip_twin(real_data: Path) -> None:
    folder = real_data / "warc/chatnoir-eu__chatnoir-resiliparse"
    plain, gz, lz4 = (
        [(row["url"], row["digest"]) for row in rows(STAGE, folder / f"warcfile.warc{end}", EVERYTHING)]
        for end in ("", ".gz", ".lz4")
    )
    assert plain == gz == lz4
    assert len(gz) == 16
