"""Read web archives: WARC, WET, WAT and ARC, plain or packed by gzip, zstd or lz4.

One row for each capture: `response`, `resource`, `conversion` (WET, as plain text) and ARC responses, and `metadata`
records of JSON, which are what a WAT file holds (name application/json in `media_types` to keep them; by default
they leave as not_html). A `revisit` says that a page was as it had been at another visit, whose body it does not
repeat: it leaves as `revisit`, so that the pages that an archive lacks are counted. Records about captures
(warcinfo, request, other metadata, continuation) are no documents.

The body, free of transfer and content encodings, is in `html` whatever its media type. `robots` holds the header
fields in which servers say how a page may be used. A body that is not wanted leaves with a reason and is not kept;
a damaged place is one row with `damaged_input`, and reading goes on behind it.

Besides archives, `paths` may name lists of them (Common Crawl's `warc.paths.gz`), and Parquet files with the
columns warc_filename, warc_record_offset and warc_record_length (rows of its columnar index), of which only the
named bytes are fetched. A listed file is named as in the list. Listed remote files are not asked whether they
changed, nor are the archives that an index names. Of an index `file` and `record` are the index and the row in it; a
row that names a record about a capture leaves as `not_a_capture`. One index is read by one task, so a large one is
better cut into several files.

`record` equals `cursor`: the place of the record in the file (see `datapipe.algo.archive`), so that it is the same
from wherever reading starts. Costs decompression and some 30 microseconds a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any, TypeAlias

import pyarrow as pa
from pydantic import field_validator

from datapipe.algo.archive import BOMB, DAMAGED, Record, records
from datapipe.algo.frames import open_file
from datapipe.algo.http import decoded, sniffed, split_response, usage
from datapipe.algo.inputs import DAMAGED_INPUT, ROW_HEAD, batches, digest16, find_files, named_once, one_split_per_file
from datapipe.stage import File, Size, Source, SourceConfig, Split, measure, place, schema
from stages.read.warc import _lists, _ranges

DECOMPRESSION_BOMB = "decompression_bomb"
NOT_A_CAPTURE = "not_a_capture"
REVISIT = "revisit"  # also the name of the kind of record
HTTP_ERROR = "http_error"
BODY_TOO_LARGE = "body_too_large"
EMPTY_BODY = "empty_body"
NOT_HTML = "not_html"

_DOCUMENTS = frozenset({"response", "resource", "conversion", REVISIT})
_WITH_BODY = _DOCUMENTS | {"metadata"}
_HTTP_HEAD = 64 << 10  # allowed for header fields on top of a body
_KINDS = ("warc", "arc", "wet", "wat")
_SUFFIXES = tuple(f".{kind}{packed}" for kind in _KINDS for packed in ("", ".gz", ".zst", ".lz4"))
_MEDIA_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "text/xml", "application/xml")


class Config(SourceConfig):
    """Which records become documents."""

    prefix: str | None = place(None, "folder or URL put before each path of a list or index; null: paths as written")
    statuses: tuple[str, ...] = measure(("2xx",), "HTTP statuses wanted, such as 200 or 2xx; others: http_error")
    media_types: tuple[str, ...] = measure(_MEDIA_TYPES, "media types wanted; others leave as not_html; [] is all")
    max_body_bytes: Size = measure(16 << 20, "bytes of a body without encodings; more: body_too_large", gt=0)
    # 1,404 real pages pack by at most 17 (zlib, level 9); zlib can pack by 1,032, zstd and brotli by much more.
    max_ratio: float | None = measure(
        200.0, "bytes out of a byte packed, by archive or server; more: decompression_bomb; null is off", gt=1
    )

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
    robots=pa.string(),
    fetched=pa.string(),
    status=pa.int16(),
    html=pa.large_binary(),
    source=pa.string(),
    snapshot=pa.string(),
)
_COLUMNS = pa.schema([*ROW_HEAD, *ADDS])
Row: TypeAlias = tuple[Any, ...]


def splits(config: Config) -> list[Split]:
    """One split per archive or index, those in lists among them."""
    found = find_files(config.paths, suffixes=_SUFFIXES, allow_missing=config.allow_missing)
    lists = [file for file in found if file.name.lower().endswith(_lists.ENDINGS)]
    listed = _lists.listed(lists, config.prefix, allow_missing=config.allow_missing)
    return one_split_per_file(named_once([*(file for file in found if file not in lists), *listed]))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Documents from `cursor` on; raises InputError for what cannot be opened, and for an index that is none."""
    constants = {"source": config.source, "snapshot": config.snapshot}
    file = split.files[0]
    if not file.name.lower().endswith(_ranges.ENDING):
        yield from batches(_of_archive(file, config, cursor), _COLUMNS, constants, cursor=cursor)
        return
    most = config.max_body_bytes + 2 * _HTTP_HEAD  # and a body is not packed into more than itself
    for window in _ranges.windows(file, cursor, prefix=config.prefix, most=most):
        yield from batches((_of_range(one, file, config) for one in window), _COLUMNS, constants)


def _of_archive(file: File, config: Config, cursor: int) -> Iterator[Row]:
    with open_file(file) as opened:
        for record in _records(opened, cursor, config):
            yield _row(record, file, config)


def _of_range(fetched: _ranges.Fetched, file: File, config: Config) -> Row:
    """The first capture in the bytes that a row of an index names; it should be the only one."""
    row = fetched.range.row
    if fetched.data is None and fetched.range.whole:
        return _left(Record(row, ""), BODY_TOO_LARGE, file)
    found = next(_records(BytesIO(fetched.data or b""), 0, config), None if fetched.data else Record(row, DAMAGED))
    if found is None:
        return _left(Record(row, ""), NOT_A_CAPTURE, file)
    return _row(replace(found, cursor=row), file, config)


def _records(opened: Any, cursor: int, config: Config) -> Iterator[Record]:
    """Captures, damage and bombs from `cursor` on."""
    most = config.max_body_bytes + _HTTP_HEAD
    for record in records(opened, cursor, kinds=_WITH_BODY, max_body=most, max_ratio=config.max_ratio):
        if record.kind in _DOCUMENTS or record.kind in (DAMAGED, BOMB) or _is_wat(record):
            yield record


def _is_wat(record: Record) -> bool:
    return record.kind == "metadata" and _media_type(record.fields.get(b"content-type", b"")) == "application/json"


def _row(record: Record, file: File, config: Config) -> Row:
    if record.kind == DAMAGED:
        return _left(record, DAMAGED_INPUT, file)
    if record.kind == BOMB:
        return _left(record, DECOMPRESSION_BOMB, file)
    return _document(record, file, config)


def _left(record: Record, reason: str, file: File) -> Row:
    """A record of which nothing but its place, and perhaps its URL, is known."""
    where = (record.cursor, record.cursor, 0, file.name, reason, digest16(b""))
    return *where, _url(record), None, None, None, None, None


def _document(record: Record, file: File, config: Config) -> Row:
    response = split_response(record.body)
    status, (body, bomb) = response.status, decoded(response, limit=config.max_body_bytes, max_ratio=config.max_ratio)
    sent = record.fields.get(b"content-type", b"") if status is None else response.field(b"content-type")
    too_large = len(body) > config.max_body_bytes or record.length > len(record.body)
    content_type = sent.decode("utf-8", "replace") or None
    if record.kind == REVISIT:
        reason: str | None = REVISIT
    elif status is not None and not _wanted(status, config.statuses):
        reason = HTTP_ERROR
    elif bomb or too_large:
        reason = DECOMPRESSION_BOMB if bomb else BODY_TOO_LARGE
    else:
        reason = _reason(status, sent, body, config)
    fetched = record.fields.get(b"warc-date", b"").decode("utf-8", "replace") or None
    size = record.length if too_large else len(body)
    where = (record.cursor, record.cursor, size, file.name, reason, digest16(body))
    kept = None if reason else body
    return *where, _url(record), content_type, usage(response.fields), fetched, status, kept


def _reason(status: int | None, sent: bytes, body: bytes, config: Config) -> str | None:
    if not body:
        return EMPTY_BODY
    media_type = _media_type(sent)
    if "/" not in media_type or (status is None and media_type == "application/http"):
        media_type = sniffed(body)
    return NOT_HTML if config.media_types and media_type not in config.media_types else None


def _media_type(sent: bytes) -> str:
    return sent.partition(b";")[0].strip().lower().decode("utf-8", "replace")


def _wanted(status: int, statuses: tuple[str, ...]) -> bool:
    written = str(status)
    return any(written == one or (one.endswith("xx") and written[0] == one[0]) for one in statuses)


def _url(record: Record) -> str | None:
    """The target as a URL; wget writes it in angle brackets."""
    return record.fields.get(b"warc-target-uri", b"").strip(b"<> ").decode("utf-8", "replace") or None


STAGE = Source(
    name="read.warc",
    version=2,
    config=Config,
    adds=ADDS,
    reasons={
        DECOMPRESSION_BOMB: "the record or its body grew by more than max_ratio when it was decompressed",
        NOT_A_CAPTURE: "the row of the index names a record about a capture, such as a request",
        REVISIT: "the page was as at an earlier visit, and its body is stored there alone",
        HTTP_ERROR: "the server answered with a status that is not wanted",
        BODY_TOO_LARGE: "the body has more bytes than max_body_bytes",
        EMPTY_BODY: "the response has no body",
        NOT_HTML: "the body is neither HTML nor another media type that is wanted",
    },
    libraries=("brotli", "zstandard"),
    splits=splits,
    read=read,
    transient=("html",),
    seeks=(*_SUFFIXES, _ranges.ENDING),
)
