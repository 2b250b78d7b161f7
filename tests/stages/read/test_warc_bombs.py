"""read.warc on decompression bombs: a reason each, in little time and memory, and reading goes on behind them."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import brotli  # type: ignore[import-untyped]  # it has no types
import pytest
import zstandard

from stages.read.warc import STAGE, Config
from tests.stages.read.archives import PACKS, assert_resumes, http, response, rows, warc

MIB = 1 << 20
ALL = Config(paths=("x",), source="web")
ROOT = Path(__file__).parents[3]


def zeros(size: int, head: bytes = b"") -> Iterator[bytes]:
    """`head` and `size` zero bytes as one gzip member, as small as zlib makes them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield packer.compress(head)
    block = bytes(MIB)
    for _ in range(size // MIB):
        yield packer.compress(block)
    yield packer.flush()


def fates(found: list[dict[str, Any]]) -> list[str]:
    return [row["reason"] or row["url"].rpartition("/")[2] for row in found]


def head(size: int, kind: str = "response", url: str = "http://a.example/bomb") -> bytes:
    """A record's header fields and the HTTP head of a body of so many bytes, without the body."""
    block = http(b"")
    return warc(kind, block, url=url, length=str(len(block) + size)).removesuffix(b"\r\n\r\n")


def test_a_member_that_is_one_bomb_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.gz"
    bomb = b"".join(zeros(64 * MIB, head(64 * MIB)))
    path.write_bytes(b"".join([PACKS["gz"](response(0)), bomb, PACKS["gz"](response(1))]))
    found = assert_resumes(STAGE, path, ALL)
    assert fates(found) == ["0", "decompression_bomb", "1"]
    assert (found[1]["url"], found[1]["html"]) == ("http://a.example/bomb", None)


def test_a_bomb_among_pages_in_one_member_costs_what_stands_behind_it_in_that_member(tmp_path: Path) -> None:
    noise = random.Random(0).randbytes(100_000)  # so that the bomb begins in the middle of a step of compressed bytes
    pages = [response(0), warc("response", http(noise, media=None), url="http://a.example/noise"), response(1)]
    before = b"".join(pages)
    path = tmp_path / "x.warc.gz"
    path.write_bytes(b"".join(zeros(32 * MIB, before + head(32 * MIB))) + PACKS["gz"](response(2)))
    assert fates(assert_resumes(STAGE, path, ALL)) == ["0", "not_html", "1", "decompression_bomb", "2"]


@pytest.mark.parametrize("kind", ["warcinfo", "request", "metadata"])
def test_a_bomb_in_a_record_that_is_no_document_is_told_too(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(b"".join(zeros(64 * MIB, head(64 * MIB, kind))) + PACKS["gz"](response(1)))
    assert fates(assert_resumes(STAGE, path, ALL)) == ["decompression_bomb", "1"]


@pytest.mark.parametrize(
    ("junk", "reason"),
    [(b"\r\n", "decompression_bomb"), (b"\0\0", "damaged_input")],  # in the latter there is no record to be found
)
def test_bombs_without_a_record_end_with_one_row(tmp_path: Path, junk: bytes, reason: str) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(gzip.compress(junk * (32 * MIB), 9) + PACKS["gz"](response(1)))
    assert fates(assert_resumes(STAGE, path, ALL)) == [reason, "1"]


@pytest.mark.parametrize("pack", ["zst", "lz4"])
def test_bombs_of_other_packings(tmp_path: Path, pack: str) -> None:
    path = tmp_path / f"x.warc.{pack}"
    size = 128 * MIB
    path.write_bytes(PACKS[pack](response(0)) + PACKS[pack](head(size) + bytes(size)) + PACKS[pack](response(1)))
    assert fates(assert_resumes(STAGE, path, ALL)) == ["0", "decompression_bomb", "1"]


def test_large_records_that_pack_as_pages_do_are_read_through(tmp_path: Path) -> None:
    size = 24 * MIB
    body = b"".join(b"<p>paragraph %d</p>\n" % number for number in range(size // 16))[:size]
    records = [response(0), head(size) + body + b"\r\n\r\n", response(1)]
    path = tmp_path / "x.warc.gz"
    for members in ([gzip.compress(b"".join(records), 1)], [gzip.compress(one, 1) for one in records]):
        path.write_bytes(b"".join(members))
        assert fates(assert_resumes(STAGE, path, ALL)) == ["0", "body_too_large", "1"]


def test_the_ratio_can_be_set_and_switched_off(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.gz"
    path.write_bytes(b"".join(zeros(64 * MIB, head(64 * MIB))) + PACKS["gz"](response(1)))
    off = Config(paths=("x",), source="web", max_ratio=None)
    assert fates(rows(STAGE, path, off)) == ["body_too_large", "1"]
    above = Config(paths=("x",), source="web", max_ratio=1100)
    assert fates(rows(STAGE, path, above)) == ["body_too_large", "1"]


# ---------------------------------------------------------------------------------------------- HTTP


class Coded(NamedTuple):
    """A body and its encodings, and what becomes of it with limits of 16 MiB and 200."""

    body: bytes
    encodings: str
    reason: str | None


def layers(body: bytes, count: int) -> bytes:
    for _ in range(count):
        body = gzip.compress(body, 1)
    return body


LETTERS = bytes(range(32, 96))
CODED = {
    "gzip": Coded(gzip.compress(bytes(8 * MIB), 9), "gzip", "decompression_bomb"),
    "deflate": Coded(zlib.compress(bytes(8 * MIB), 9), "deflate", "decompression_bomb"),
    "br": Coded(brotli.compress(bytes(8 * MIB), quality=5), "br", "decompression_bomb"),
    "zstd": Coded(zstandard.compress(bytes(8 * MIB)), "zstd", "decompression_bomb"),
    "large": Coded(gzip.compress(bytes(64 * MIB), 9), "gzip", "decompression_bomb"),
    "twice": Coded(gzip.compress(gzip.compress(bytes(64 * MIB), 9)), "gzip, gzip", "decompression_bomb"),
    "short": Coded(gzip.compress(bytes(MIB), 9), "gzip", None),
    "packs well": Coded(gzip.compress(LETTERS * (4 * MIB // 64) + bytes(range(256)) * 99, 1), "gzip", None),
    "five layers": Coded(layers(b"<p>deep", 5), "gzip, gzip, gzip, gzip, gzip", None),
    "six layers": Coded(layers(b"<p>deep", 6), "gzip, gzip, gzip, gzip, gzip, gzip", "decompression_bomb"),
}


@pytest.mark.parametrize("case", CODED)
def test_bodies_that_grow_when_decoded(tmp_path: Path, case: str) -> None:
    coded = CODED[case]
    path = tmp_path / "x.warc"
    path.write_bytes(warc("response", http(coded.body, f"Content-Encoding: {coded.encodings}")))
    (row,) = rows(STAGE, path, ALL)
    assert row["reason"] == coded.reason
    assert (row["html"] is None) == (coded.reason is not None)


# ---------------------------------------------------------------------------------------------- cost

# Reads a file in a process of its own, and tells the seconds and the peak of resident memory, imports among it.
# VmHWM, because the peak that getrusage tells a child begins with that of its parent.
CHILD = r"""
import json, re, sys, time
from pathlib import Path
from stages.read.warc import STAGE, Config
from datapipe.stage import File, Split
path, config = Path(sys.argv[1]), Config(paths=("x",), source="web")
began = time.perf_counter()
found = [row for batch in STAGE.read(Split("x", (File(str(path), path.name, 0, ""),)), config, 0)
         for row in batch.select(["reason", "url"]).to_pylist()]
seconds, status = time.perf_counter() - began, Path("/proc/self/status").read_text()
peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10
print(json.dumps({"rows": found, "seconds": seconds, "peak": peak}))
"""


def write_bomb(path: Path, kind: str, size: int) -> None:
    """A bomb of `size` bytes as an archive's member or as a response's body, and a page behind it."""
    with path.open("wb") as out:
        if kind == "member":
            out.writelines(zeros(size, head(size)))
        else:
            body = b"".join(zeros(size))
            out.write(gzip.compress(warc("response", http(body, "Content-Encoding: gzip")), 0))
        out.write(PACKS["gz"](response(1)))


def assert_cheap(path: Path, seconds: float) -> None:
    command = [sys.executable, "-c", CHILD, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    told = json.loads(done.stdout)
    print(f"{path.stat().st_size:,} bytes: {told['seconds']:.2f} s, peak {told['peak'] / 1e6:.0f} MB")  # noqa: T201
    assert told["rows"][0]["reason"] in ("decompression_bomb", "body_too_large")
    assert fates(told["rows"][1:]) == ["1"]
    assert told["seconds"] < seconds
    assert told["peak"] < 300e6


@pytest.mark.parametrize("kind", ["member", "body"])
def test_a_bomb_costs_little_time_and_memory(tmp_path: Path, kind: str) -> None:
    write_bomb(tmp_path / "x.warc.gz", kind, 128 * MIB)
    assert_cheap(tmp_path / "x.warc.gz", 5)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["member", "body"])
def test_a_bomb_of_10_gb_in_10_mb_costs_little_time_and_memory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.warc.gz"
    write_bomb(path, kind, 10_000 * MIB)
    assert 9e6 < path.stat().st_size < 11e6
    assert_cheap(path, 5)
