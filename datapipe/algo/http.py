"""HTTP responses as servers really sent them: status, header fields, and the body without its encodings.

Crawlers store chunked and compressed bodies, and many whose headers say so although the crawler had
already undone it. A body that does not decode is therefore taken as it stands, as warcio does, and one
that breaks off keeps what came before. No body grows past a limit, however well it is packed.
Costs a few microseconds a response besides decompression.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

import brotli  # type: ignore[import-untyped]  # it has no types
import zstandard

_STATUS = re.compile(rb"HTTP/[\d.]+[ \t]+(\d{3})")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_STEP = 64 << 10


def split_response(block: bytes) -> tuple[int | None, dict[bytes, bytes], bytes]:
    """Status, header fields by lower-case name, and body; a block without a status line is all body."""
    match = _STATUS.match(block)
    if match is None:
        return None, {}, block
    end = _HEAD_END.search(block)
    head, body = (block[: end.start()], block[end.end() :]) if end else (block, b"")
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\n")[1:]:
        name, _, value = line.partition(b":")
        fields.setdefault(name.strip().lower(), value.strip())
    return int(match[1]), fields, body


def decoded(body: bytes, fields: dict[bytes, bytes], limit: int) -> bytes:
    """The body without transfer and content encodings, cut behind `limit` + 1 bytes."""
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        body = _unchunked(body)
    for encoding in reversed(fields.get(b"content-encoding", b"").lower().split(b",")):
        decode = _DECODERS.get(encoding.strip())
        if decode is not None and body:
            body = _until(decode(body, limit + 1), limit + 1) or body
    return body[: limit + 1]


def _unchunked(body: bytes) -> bytes:
    """The chunks joined; from the first place on that is no chunk, the bytes as they stand."""
    parts: list[bytes] = []
    at = 0
    while at < len(body):
        match = _CHUNK_SIZE.match(body, at)
        if match is None:
            parts.append(body[at:])
            break
        size = int(match[1], 16)
        if not size:
            break
        parts.append(body[match.end() : match.end() + size])
        at = match.end() + size
        at += 2 if body.startswith(b"\r\n", at) else body.startswith(b"\n", at)
    return b"".join(parts)


def _until(parts: Iterator[bytes], limit: int) -> bytes:
    kept: list[bytes] = []
    size = 0
    for part in parts:
        kept.append(part)
        size += len(part)
        if size >= limit:
            break
    return kept[0] if len(kept) == 1 else b"".join(kept)


def _inflate(body: bytes, bits: int, limit: int) -> Iterator[bytes]:
    inner = zlib.decompressobj(bits)
    for start in range(0, len(body), _STEP):
        try:
            yield inner.decompress(body[start : start + _STEP], limit)
        except zlib.error:
            return
        if inner.eof:
            return


def _gzip(body: bytes, limit: int) -> Iterator[bytes]:
    return _inflate(body, 47, limit)  # gzip or zlib, by its header


def _deflate(body: bytes, limit: int) -> Iterator[bytes]:
    """`deflate` means zlib, but some servers send it bare."""
    zlib_header = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _inflate(body, 15 if zlib_header else -15, limit)


def _brotli(body: bytes, limit: int) -> Iterator[bytes]:
    inner = brotli.Decompressor()
    data = body
    try:
        while not inner.is_finished():
            part = inner.process(data, output_buffer_limit=limit)
            if not part and not data:
                return
            yield part
            data = b""
    except brotli.error:
        return


def _zstd(body: bytes, limit: int) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as inner:
        try:
            while part := inner.read(min(limit, 1 << 20)):
                yield part
        except zstandard.ZstdError:
            return


_DECODERS = {b"gzip": _gzip, b"x-gzip": _gzip, b"deflate": _deflate, b"br": _brotli, b"zstd": _zstd}


def sniffed(body: bytes) -> str:
    """The media type of a body whose server named none: markup, plain text, or bytes."""
    head = body[:1024]
    if b"\0" in head:
        return "application/octet-stream"
    return "text/html" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else "text/plain"
