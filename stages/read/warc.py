"""Read web archives: WARC, WET and ARC, plain or packed by gzip, zstd or lz4.

One document for each record that holds one: `response`, `resource`, `conversion` (WET, as plain text) and
ARC responses. Other records (warcinfo, request, metadata, revisit, ...) are not documents. The body, free
of transfer and content encodings, is in `html` whatever its media type. A body that is not wanted leaves
with a reason and is not kept; a damaged place is one row with `damaged_input`, and reading goes on behind it.

`record` equals `cursor`: the place of the record in the file (see `datapipe.algo.archive`), so that it is the same
from wherever reading starts. Costs decompression and some 30 microseconds a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pydantic import field_validator

from datapipe.algo.archive import DAMAGED, Record, records
from datapipe.algo.frames import open_file
from datapipe.algo.http import decoded, sniffed, split_response
from datapipe.algo.inputs import batches, digest16, find_files, one_split_per_file
from datapipe.stage import File, Size, Source, SourceConfig, Split, measure, schema

DAMAGED_INPUT = "damaged_input"
HTTP_ERROR = "http_error"
BODY_TOO_LARGE = "body_too_large"
EMPTY_BODY = "empty_body"
NOT_HTML = "not_html"

_DOCUMENTS = frozenset({"response", "resource", "conversion"})
_HTTP_HEAD = 64 << 10  # allowed for header fields on top of a body
_SUFFIXES = tuple(f".{kind}{packed}" for kind in ("warc", "arc", "wet") for packed in ("", ".gz", ".zst", ".lz4"))
_MEDIA_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "text/xml", "application/xml")


class Config(SourceConfig):
    """Which records become documents."""

    statuses: tuple[str, ...] = measure(("2xx",), "HTTP statuses wanted, such as 200 or 2xx; others: http_error")
    media_types: tuple[str, ...] = measure(_MEDIA_TYPES, "media types wanted; others leave as not_html; [] is all")
    max_body_bytes: Size = measure(16 << 20, "bytes of a body without encodings; more: body_too_large", gt=0)

    @field_validator("statuses", mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        patterns = tuple(str(one).lower() for one in value) if isinstance(value, (list, tuple)) else value
        for one in patterns:
            if not re.fullmatch(r"[1-5](\d\d|xx)", one):
                raise ValueError(f"{one!r} is no HTTP status: write 200, or 2xx for all from 200 to 299")
        return patterns


ADDS = schema(
    url=pa.string(),
    content_type=pa.string(),
    fetched=pa.string(),
    status=pa.int16(),
    html=pa.large_binary(),
    source=pa.string(),
    snapshot=pa.string(),
)
_PLACE = schema(
    record=pa.int64(), cursor=pa.int64(), bytes=pa.int64(), file=pa.string(), reason=pa.string(), digest=pa.binary(16)
)
_COLUMNS = pa.schema([*_PLACE, *ADDS])


def splits(config: Config) -> list[Split]:
    """One split per file."""
    return one_split_per_file(find_files(config.paths, suffixes=_SUFFIXES))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents from `cursor` on; raises InputError if the file cannot be opened, never for its bytes."""
    constants = {"source": config.source, "snapshot": config.snapshot}
    yield from batches(_rows(split.files[0], config, cursor), _COLUMNS, constants)


def _rows(file: File, config: Config, cursor: int) -> Iterator[tuple[Any, ...]]:
    with open_file(file) as opened:
        for record in records(opened, cursor, config.max_body_bytes + _HTTP_HEAD, _DOCUMENTS):
            if record.kind == DAMAGED:
                place = (record.cursor, record.cursor, 0, file.name, DAMAGED_INPUT, digest16(b""))
                yield *place, _url(record), None, None, None, None
            elif record.kind in _DOCUMENTS:
                yield _document(record, file, config)


def _document(record: Record, file: File, config: Config) -> tuple[Any, ...]:
    status, fields, body = split_response(record.body)
    if status is None:
        sent = record.fields.get(b"content-type", b"")
    else:
        sent = fields.get(b"content-type", b"")
        body = decoded(body, fields, config.max_body_bytes)
    too_large = len(body) > config.max_body_bytes or record.length > len(record.body)
    content_type = sent.decode("utf-8", "replace") or None
    reason = _reason(status, content_type, body, config) if not too_large else BODY_TOO_LARGE
    if status is not None and not _wanted(status, config.statuses):
        reason = HTTP_ERROR
    fetched = record.fields.get(b"warc-date", b"").decode("utf-8", "replace") or None
    size = record.length if too_large else len(body)
    place = (record.cursor, record.cursor, size, file.name, reason, digest16(body))
    return *place, _url(record), content_type, fetched, status, None if reason else body


def _reason(status: int | None, content_type: str | None, body: bytes, config: Config) -> str | None:
    if not body:
        return EMPTY_BODY
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if "/" not in media_type or (status is None and media_type == "application/http"):
        media_type = sniffed(body)
    return NOT_HTML if config.media_types and media_type not in config.media_types else None


def _wanted(status: int, statuses: tuple[str, ...]) -> bool:
    written = str(status)
    return any(written == one or (one.endswith("xx") and written[0] == one[0]) for one in statuses)


def _url(record: Record) -> str | None:
    """The target as a URL; wget writes it in angle brackets."""
    return record.fields.get(b"warc-target-uri", b"").strip(b"<> ").decode("utf-8", "replace") or None


STAGE = Source(
    name="read.warc",
    version=1,
    config=Config,
    adds=ADDS,
    reasons={
        HTTP_ERROR: "the server answered with a status that is not wanted",
        BODY_TOO_LARGE: "the body has more bytes than max_body_bytes",
        EMPTY_BODY: "the response has no body",
        NOT_HTML: "the body is neither HTML nor another media type that is wanted",
    },
    libraries=("brotli", "zstandard"),
    splits=splits,
    read=read,
    transient=("html",),
    seeks=_SUFFIXES,
)
