"""HTTP responses as servers really sent them: status, header fields, and the body without its encodings.

Crawlers store chunked and compressed bodies, and many whose headers say so although the crawler had
already undone it. A body that does not decode is therefore taken as it stands, as warcio does, and one
that breaks off keeps what came before. No body grows past a limit, however well it is packed, nor by more
than a ratio.
Costs a few microseconds a response besides decompression.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import brotli  # type: ignore[import-untyped]  # it has no types
import zstandard

_STATUS = re.compile(rb"HTTP/[\d.]+[ \t]+(\d{3})")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_STEP = 64 << 10
_MOST_ENCODINGS = 5  # as many as curl undoes (MAX_ENCODE_STACK in lib/content_encoding.c); each may be a bomb
RATIO_FROM = 1 << 20  # bytes: smaller bodies harm nobody, and short ones of one letter pack well
# What servers say of a page's use: Google's directives for robots; TDM Reservation Protocol (W3C community group, 2024)
_USAGE = frozenset({b"x-robots-tag", b"tdm-reservation", b"tdm-policy"})


class Response(NamedTuple):
    """A response in parts; `fields` are (name in lower case, value) in order. No status: the block is all body."""

    status: int | None
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def field(self, name: bytes) -> bytes:
        """Value of the first field of that name, or nothing."""
        return next((value for one, value in self.fields if one == name), b"")


class Decoded(NamedTuple):
    """A body without encodings, cut behind `limit` + 1 bytes; `bomb` if it grew by more than the ratio."""

    body: bytes
    bomb: bool = False


def split_response(block: bytes) -> Response:
    """Status, header fields and body; a block without a status line is all body."""
    match = _STATUS.match(block)
    if match is None:
        return Response(None, (), block)
    end = _HEAD_END.search(block)
    head, body = (block[: end.start()], block[end.end() :]) if end else (block, b"")
    if b"\n " in head or b"\n\t" in head:
        head = _FOLD.sub(b" ", head)
    return Response(int(match[1]), tuple(_fields(head.split(b"\n")[1:])), body)


def _fields(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon:
            yield name.strip().lower(), value.strip()


def usage(fields: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The fields that say how a page may be used, as lines `name: value`; None if there are none."""
    said = [b"%s: %s" % field for field in fields if field[0] in _USAGE]
    return b"\n".join(said).decode("utf-8", "replace") if said else None


def decoded(response: Response, *, limit: int, max_ratio: float | None) -> Decoded:
    """The body without transfer and content encodings.

    Bytes are never decoded past `limit` + 1. A bomb is what grows to more than 1 MiB and by more than `max_ratio`, or
    is encoded more than five times.
    """
    coded = [name for field in (b"content-encoding", b"transfer-encoding") for name in _names(response, field)]
    body = _unchunked(response.body) if b"chunked" in coded else response.body
    decoders = [_DECODERS[name] for name in reversed(coded) if name in _DECODERS]
    if len(decoders) > _MOST_ENCODINGS:
        return Decoded(body[: limit + 1], bomb=True)
    stored = len(body)
    for decode in decoders if body else ():
        body = _until(decode(body, limit + 1), limit + 1) or body
        if len(body) > limit:  # what is cut off here would make the next one break off
            break
    bomb = max_ratio is not None and len(body) > max(RATIO_FROM, max_ratio * stored)
    return Decoded(body[: limit + 1], bomb)


def _names(response: Response, field: bytes) -> Iterator[bytes]:
    for name, value in response.fields:
        if name == field:
            yield from (one.strip() for one in value.lower().split(b","))


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
