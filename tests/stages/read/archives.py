"""Builds WARC and ARC files, packed as writers pack them, and reads them back as rows."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import zstandard

from datapipe.stage import File, Source, Split

Pack = Callable[[bytes], bytes]
PACKS: dict[str, Pack] = {
    "plain": bytes,
    "gz": lambda data: gzip.compress(data, 1, mtime=0),
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
}
ALL_PACKS = PACKS | {"bz2": bz2.compress, "xz": lzma.compress}


def http(body: bytes, *fields: str, status: str = "200 OK", media: str | None = "text/html") -> bytes:
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {media}"] if media else []), *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def warc(kind: str, block: bytes, *fields: str, url: str = "http://a.example/", length: str | None = None) -> bytes:
    media = {"response": "application/http;msgtype=response", "conversion": "text/plain"}.get(kind, "text/html")
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Target-URI: {url}",
        "WARC-Date: 2026-11-01T00:00:00Z",
        f"Content-Type: {media}",
        f"Content-Length: {len(block) if length is None else length}",
        *fields,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def arc(block: bytes, url: str = "http://a.example/") -> bytes:
    return f"{url} 1.2.3.4 20261101000000 text/html {len(block)}\n".encode() + block + b"\n"


def response(number: int, size: int = 60) -> bytes:
    body = (b"<p>page %d " % number).ljust(size, b"%d" % (number % 10))
    return warc("response", http(body), url=f"http://a.example/{number}")


def rows(stage: Source, file: Path | str, config: Any, cursor: int = 0) -> list[dict[str, Any]]:
    """All rows of one file, as the framework reads them; the batches are of one schema."""
    split = Split("one", (File(str(file), str(file).rpartition("/")[2], 0, ""),))
    batches = list(stage.read(split, config, cursor))
    assert all(batch.schema == batches[0].schema and batch.num_rows for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def assert_resumes(stage: Source, file: Path | str, config: Any) -> list[dict[str, Any]]:
    """Reading from any row's cursor gives that row and all behind it; returns the rows."""
    whole = rows(stage, file, config)
    cursors = [row["cursor"] for row in whole]
    assert cursors == sorted(set(cursors))
    for number, cursor in enumerate(cursors):
        assert rows(stage, file, config, cursor) == whole[number:]
    return whole
