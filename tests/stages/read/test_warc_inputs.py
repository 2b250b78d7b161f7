"""read.warc on lists of archives and on rows of an index: what is named, what is fetched, and what is refused."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from datapipe.errors import InputError
from datapipe.stage import Split
from stages.read.warc import STAGE, Config
from tests.stages.read.archives import PACKS, http, response, warc

Place = tuple[str, int, int]  # file, offset, length: a row of an index


def config(path: Path | str, prefix: Path | str | None = None, **more: Any) -> Config:
    return Config(paths=(str(path),), source="web", prefix=None if prefix is None else str(prefix), **more)


def split_of(given: Config) -> Split:
    (split,) = STAGE.splits(given)
    return split


def read(given: Config, cursor: int = 0) -> list[dict[str, Any]]:
    return [row for batch in STAGE.read(split_of(given), given, cursor) for row in batch.to_pylist()]


# ---------------------------------------------------------------------------------------------- lists


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """A folder with two archives below `crawl/warc`."""
    folder = tmp_path / "store/crawl/warc"
    folder.mkdir(parents=True)
    for number in range(2):
        (folder / f"{number}.warc.gz").write_bytes(PACKS["gz"](response(number)))
    return tmp_path / "store"


@pytest.mark.parametrize("name", ["warc.paths", "warc.paths.gz"])
@pytest.mark.parametrize("end", ["", "/"])
def test_a_list_gives_its_files_below_the_prefix_by_the_names_it_has_for_them(
    crawl: Path, tmp_path: Path, name: str, end: str
) -> None:
    lines = b"crawl/warc/1.warc.gz\n\ncrawl/warc/0.warc.gz\r\ncrawl/warc/1.warc.gz\n"
    (tmp_path / name).write_bytes(gzip.compress(lines) if name.endswith("gz") else lines)
    given = config(tmp_path / name, f"{crawl}{end}")
    found = list(STAGE.splits(given))
    assert [split.name for split in found] == ["crawl/warc/0.warc.gz", "crawl/warc/1.warc.gz"]
    assert [split.size for split in found] == [(crawl / split.name).stat().st_size for split in found]
    rows = [row for split in found for batch in STAGE.read(split, given, 0) for row in batch.to_pylist()]
    assert [(row["file"], row["url"]) for row in rows] == [
        ("crawl/warc/0.warc.gz", "http://a.example/0"),
        ("crawl/warc/1.warc.gz", "http://a.example/1"),
    ]


def test_a_listed_file_may_be_gone_when_that_is_allowed(crawl: Path, tmp_path: Path) -> None:
    there = sorted(str(path.relative_to(crawl)) for path in crawl.rglob("*.warc.gz"))
    (tmp_path / "x.paths").write_text("\n".join([*there, "gone.warc.gz"]), encoding="utf-8")
    given = Config(paths=(str(tmp_path / "x.paths"),), source="web", prefix=str(crawl), allow_missing=True)
    assert [split.name for split in STAGE.splits(given)] == there


def test_a_list_without_a_prefix_names_whole_paths_and_may_stand_beside_archives(crawl: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.paths").write_text(f"{crawl}/crawl/warc/1.warc.gz\n")
    given = Config(paths=(str(tmp_path / "mine.paths"), f"{crawl}/crawl/warc/0.warc.gz"), source="web")
    assert [split.files[0].path.rpartition("/")[2] for split in STAGE.splits(given)] == ["1.warc.gz", "0.warc.gz"]


def test_a_changed_local_file_of_a_list_is_seen(crawl: Path, tmp_path: Path) -> None:
    (tmp_path / "a.paths").write_text("crawl/warc/0.warc.gz")
    before = split_of(config(tmp_path / "a.paths", crawl)).files[0]
    (crawl / "crawl/warc/0.warc.gz").write_bytes(b"other")
    after = split_of(config(tmp_path / "a.paths", crawl)).files[0]
    assert (before.size, before.modified) != (after.size, after.modified)


def test_ten_thousand_remote_files_are_listed_without_a_request(tmp_path: Path) -> None:
    (tmp_path / "warc.paths").write_text("\n".join(f"crawl/{number:05}.warc.gz" for number in range(10_000)))
    Counted.requests = 0
    found = list(STAGE.splits(config(tmp_path / "warc.paths", "counted://bucket")))
    assert len(found) == 10_000
    assert found[7].files[0].path == "counted://bucket/crawl/00007.warc.gz"
    assert found[7].files[0].modified  # so that it is not fetched whole for its digest
    assert Counted.requests == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "lists no file"),
        (b"\n \n", "lists no file"),
        (b"crawl/none.warc.gz\n", r"crawl/none\.warc\.gz, listed in .*: No such file"),
        (b"\xff\xfe\n", "cannot be read as a list"),
        (b"\x1f\x8b\x08 cut off", "cannot be read as a list"),
    ],
)
def test_lists_that_cannot_be_followed_are_one_line(crawl: Path, tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x.paths").write_bytes(data)
    with pytest.raises(InputError, match=message):
        list(STAGE.splits(config(tmp_path / "x.paths", crawl)))


def test_two_files_of_one_name_are_refused(crawl: Path, tmp_path: Path) -> None:
    (tmp_path / "x.paths").write_text("crawl/warc/0.warc.gz")
    other = tmp_path / "other/crawl/warc/0.warc.gz"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"")
    given = Config(paths=(str(tmp_path / "x.paths"), str(tmp_path / "other")), source="web", prefix=str(crawl))
    with pytest.raises(InputError, match="both named"):
        list(STAGE.splits(given))


# ---------------------------------------------------------------------------------------------- ranges


def write_index(path: Path, places: list[Place], group: int = 3) -> Path:
    """An index as Common Crawl writes it: sorted, in row groups, with columns that nobody needs."""
    names, offsets, lengths = (list(column) for column in zip(*places, strict=True)) if places else ([], [], [])
    table = pa.table(
        {
            "url": pa.array([None] * len(places), pa.string()),
            "warc_filename": pa.array(names, pa.string()),
            "warc_record_offset": pa.array(
                offsets, pa.int32() if max(filter(None, offsets), default=0) < 1 << 31 else pa.int64()
            ),
            "warc_record_length": pa.array(lengths, pa.int32()),
            "fetch_status": pa.array([200] * len(places), pa.int16()),
        }
    )
    pq.write_table(table, path, row_group_size=group)
    return path


def archive(count: int, first: int = 0) -> tuple[bytes, list[tuple[int, int]]]:
    """Members of pages, and where each stands."""
    members = [PACKS["gz"](response(first + number, 500 + 40 * number)) for number in range(count)]
    offsets = [sum(map(len, members[:number])) for number in range(count)]
    return b"".join(members), [(at, len(member)) for at, member in zip(offsets, members, strict=True)]


def urls(found: list[dict[str, Any]]) -> list[str]:
    return [row["reason"] or row["url"].rpartition("/")[2] for row in found]


class CountedFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    def _fetch_range(self, start: int, end: int) -> bytes:
        Counted.fetched += end - start
        return Counted.files[self.path][start:end]


class Counted(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Files in memory, of which it is counted how often they are opened and how many bytes are fetched."""

    protocol = "counted"
    files: ClassVar[dict[str, bytes]] = {}
    fetched = opened = requests = 0

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        Counted.requests += 1
        path = self._strip_protocol(path)
        if path not in self.files:
            raise FileNotFoundError(path)
        return {"name": path, "size": len(self.files[path]), "type": "file"}

    def _open(self, path: str, mode: str = "rb", **options: Any) -> CountedFile:
        Counted.opened += 1
        return CountedFile(self, path, mode, **{k: v for k, v in options.items() if k in ("cache_type", "size")})


fsspec.register_implementation("counted", Counted, clobber=True)


def test_of_an_index_only_the_named_bytes_are_fetched(tmp_path: Path) -> None:
    places: list[Place] = []
    for name in ("a", "b"):
        data, where = archive(100, 100 * (name == "b"))
        Counted.files[f"bucket/{name}.warc.gz"] = data
        places += [(f"{name}.warc.gz", *place) for place in where[::3]]
    given = config(write_index(tmp_path / "index.parquet", places), "counted://bucket")
    Counted.fetched = Counted.opened = 0
    assert urls(read(given)) == [str(number) for first in (0, 100) for number in range(first, first + 100, 3)]
    assert Counted.fetched == sum(length for _, _, length in places)
    assert Counted.opened == 2  # neighbours share an open file


def test_rows_are_places_and_reading_resumes_at_any(tmp_path: Path) -> None:
    data, where = archive(10)
    (tmp_path / "a.warc.gz").write_bytes(data)
    given = config(write_index(tmp_path / "index.parquet", [("a.warc.gz", *place) for place in where]), tmp_path)
    whole = read(given)
    assert [(row["file"], row["record"], row["cursor"]) for row in whole] == [
        ("index.parquet", n, n) for n in range(10)
    ]
    assert split_of(given).name == "index.parquet"
    for cursor in range(10):
        assert read(given, cursor) == whole[cursor:]


def test_pages_by_index_are_the_pages_of_the_archive(real_data: Path, tmp_path: Path) -> None:
    name = "archivesunleashed__aut/example.warc.gz"
    plain = config(real_data / "warc" / name)
    members = sorted({row["cursor"] >> 24 for row in read(plain)})
    ends = [*members[1:], (real_data / "warc" / name).stat().st_size]
    places = [(name, start, end - start) for start, end in zip(members, ends, strict=True)]
    by_index = config(write_index(tmp_path / "x.parquet", places, 100), real_data / "warc")
    same = ("url", "fetched", "status", "digest", "html", "reason", "content_type")
    assert [[row[key] for key in same] for row in read(by_index)] == [[row[key] for key in same] for row in read(plain)]


def test_rows_that_name_no_capture_are_told(tmp_path: Path) -> None:
    request, page = PACKS["gz"](warc("request", b"GET / HTTP/1.1")), PACKS["gz"](response(1))
    revisit = PACKS["gz"](warc("revisit", http(b"")))
    (tmp_path / "a.warc.gz").write_bytes(request + page + revisit)
    first, second = len(request), len(request) + len(page)
    places: list[Any] = [
        ("a.warc.gz", first, len(page)),
        ("a.warc.gz", 0, first),  # no capture
        ("a.warc.gz", first + 1, len(page)),  # no record starts there
        ("a.warc.gz", first, len(page) // 2),  # cut off
        ("a.warc.gz", second, len(revisit)),
        ("a.warc.gz", 1 << 30, 100),  # behind the end
        ("a.warc.gz", (1 << 63) - 1, 100),  # behind the end of any file
        ("a.warc.gz", first, 1 << 30),  # more than a page may have
        ("a.warc.gz", -1, 100),
        ("a.warc.gz", first, 0),
        ("", first, len(page)),
        (None, first, len(page)),
        ("a.warc.gz", None, len(page)),
        ("a.warc.gz", first, None),
    ]
    found = read(config(write_index(tmp_path / "x.parquet", places), tmp_path))
    damaged = "damaged_input"
    expected = ["1", "not_a_capture", *[damaged] * 2, "revisit", damaged, damaged, "body_too_large", *[damaged] * 6]
    assert urls(found) == expected
    assert [row["record"] for row in found] == list(range(len(places)))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a"]}, "is no index of archives: it has no column warc_filename, warc_record_offset"),
        ({"warc_filename": [1], "warc_record_offset": [1], "warc_record_length": [1]}, "'warc_filename' holds int64"),
        (
            {"warc_filename": ["a"], "warc_record_offset": ["1"], "warc_record_length": [1]},
            "'warc_record_offset' holds",
        ),
        ({"warc_filename": ["a"], "warc_record_offset": [1], "warc_record_length": [1]}, "a: bytes 1 to 2 of .* row 0"),
    ],
)
def test_indexes_that_cannot_be_followed_are_one_line(
    tmp_path: Path, columns: dict[str, list[Any]], message: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=message):
        read(config(tmp_path / "x.parquet", tmp_path))


def test_a_damaged_row_group_of_an_index_is_one_row_and_names_may_be_a_dictionary(tmp_path: Path) -> None:
    data, where = archive(9)
    (tmp_path / "a.warc.gz").write_bytes(data)
    offsets, lengths = zip(*where, strict=True)
    names = pa.array(["a.warc.gz"] * 9).dictionary_encode()
    table = pa.table({"warc_filename": names, "warc_record_offset": offsets, "warc_record_length": lengths})
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, row_group_size=3, compression="none")
    assert urls(read(config(path, tmp_path))) == [str(number) for number in range(9)]
    about = pq.ParquetFile(path).metadata.row_group(1).column(1)
    broken = bytearray(path.read_bytes())
    start = about.dictionary_page_offset or about.data_page_offset
    broken[start : start + 8] = b"\xff" * 8
    path.write_bytes(broken)
    expected = ["0", "1", "2", "damaged_input", "6", "7", "8"]
    found = read(config(path, tmp_path))
    assert urls(found) == expected
    assert [row["record"] for row in found] == [0, 1, 2, 3, 6, 7, 8]


def test_one_archive_under_two_names_is_refused(crawl: Path, tmp_path: Path) -> None:
    (tmp_path / "x.paths").write_text("crawl/warc/0.warc.gz\n./crawl/warc/0.warc.gz\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"would be read twice, as .* and as .*; name it once"):
        list(STAGE.splits(config(tmp_path / "x.paths", crawl)))
    (tmp_path / "x.paths").write_text("crawl/warc/0.warc.gz\n", encoding="utf-8")
    both = Config(paths=(str(crawl / "crawl/warc/0.warc.gz"), str(tmp_path / "x.paths")), source="w", prefix=str(crawl))
    with pytest.raises(InputError, match="would be read twice"):
        list(STAGE.splits(both))


def test_a_file_that_is_no_parquet_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match="cannot be read as an index"):
        read(config(tmp_path / "x.parquet"))


def test_an_index_without_rows_gives_nothing(tmp_path: Path) -> None:
    assert read(config(write_index(tmp_path / "x.parquet", []))) == []


# ---------------------------------------------------------------------------------------------- a real server


class Ranges(BaseHTTPRequestHandler):
    """Answers ranges of one archive, and counts the bytes that it sends."""

    data = b""
    sent = 0
    obedient = True
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self.path.endswith("a.warc.gz"):
            self.send_error(404)
            return
        start, end = 0, len(self.data)
        if self.obedient and "Range" in self.headers:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            start, end = int(first), int(last) + 1
            if start >= len(self.data):
                self.send_error(416)
                return
        body = self.data[start:end]
        self.send_response(206 if len(body) < len(self.data) else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        type(self).sent += len(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # a reader may ask for many ranges at once
    daemon_threads = True


@contextmanager
def serving(data: bytes, *, obedient: bool = True) -> Iterator[str]:
    Ranges.data, Ranges.sent, Ranges.obedient = data, 0, obedient
    with Server(("127.0.0.1", 0), Ranges) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/crawl"
        finally:
            server.shutdown()
            thread.join()


def test_an_http_server_sends_only_the_named_bytes(tmp_path: Path) -> None:
    data, where = archive(200)
    places = [("a.warc.gz", *place) for place in where[::2]]
    index = write_index(tmp_path / "x.parquet", places, 50)
    with serving(data) as prefix:
        assert urls(read(config(index, prefix))) == [str(number) for number in range(0, 200, 2)]
        assert Ranges.sent == sum(length for _, _, length in places)
        with pytest.raises(InputError, match=r"b\.warc\.gz: bytes 0 to 9 of the index's row 0"):
            read(config(write_index(tmp_path / "y.parquet", [("b.warc.gz", 0, 9)]), prefix))


def test_a_row_behind_the_end_of_a_file_on_a_server_is_damaged(tmp_path: Path) -> None:
    data, where = archive(3)
    places = [("a.warc.gz", *where[0]), ("a.warc.gz", 1 << 30, 100), ("a.warc.gz", (1 << 63) - 1, 100)]
    index = write_index(tmp_path / "x.parquet", [*places, ("a.warc.gz", *where[2])])
    with serving(data) as prefix:
        assert urls(read(config(index, prefix))) == ["0", "damaged_input", "damaged_input", "2"]


def test_a_server_that_does_not_answer_ranges_is_one_line(tmp_path: Path) -> None:
    data, where = archive(9)
    index = write_index(tmp_path / "x.parquet", [("a.warc.gz", *where[3])])
    with serving(data, obedient=False) as prefix, pytest.raises(InputError, match="row 0 cannot be read"):
        read(config(index, prefix))


def test_a_row_whose_path_is_no_utf_8_is_damaged(tmp_path: Path) -> None:
    data, where = archive(3)
    (tmp_path / "a.warc.gz").write_bytes(data)
    names = pa.array([b"a.warc.gz", b"\xe9.warc.gz", b"a.warc.gz"]).view(pa.string())
    offsets, lengths = zip(*where, strict=True)
    index = {"warc_filename": names, "warc_record_offset": offsets, "warc_record_length": lengths}
    pq.write_table(pa.table(index), tmp_path / "x.parquet")
    found = read(config(tmp_path / "x.parquet", tmp_path))
    assert [row["reason"] for row in found] == [None, "damaged_input", None]
