"""Read a folder of HTML pages, one document a file, plain or packed.

Many small files make poor shards, so they are bundled by hash of name: a new page touches one bundle.
A packed page that is damaged is a row with `damaged_input`. `record` is 0, for a file is one document;
`cursor` is the page's position in its bundle. Costs opening each file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from datapipe.algo.frames import Damage, Frames, open_file
from datapipe.algo.inputs import batches, bundle, digest16, find_files
from datapipe.stage import File, Size, Source, SourceConfig, Split, measure, schema

DAMAGED_INPUT = "damaged_input"
BODY_TOO_LARGE = "body_too_large"
EMPTY_BODY = "empty_body"
_PACKED = ("", ".gz", ".zst", ".lz4", ".bz2", ".xz")
_SUFFIXES = tuple(f".{kind}{packed}" for kind in ("html", "htm", "xhtml") for packed in _PACKED)
_PACKED_END = re.compile(r"\.(gz|zst|lz4|bz2|xz)$")


class Config(SourceConfig):
    """Which pages become documents, and under which URL."""

    base_url: str | None = measure(None, "put before the file's relative name to make its URL; none: no URL")
    max_body_bytes: Size = measure(16 << 20, "bytes of a page when unpacked; more: body_too_large", gt=0)


ADDS = schema(
    url=pa.string(), content_type=pa.string(), html=pa.large_binary(), source=pa.string(), snapshot=pa.string()
)
_PLACE = schema(
    record=pa.int64(), cursor=pa.int64(), bytes=pa.int64(), file=pa.string(), reason=pa.string(), digest=pa.binary(16)
)
_COLUMNS = pa.schema([*_PLACE, *ADDS])


def splits(config: Config) -> list[Split]:
    """Bundles of pages."""
    return bundle(find_files(config.paths, suffixes=_SUFFIXES))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Pages of the bundle from number `cursor` on; raises InputError if a file cannot be opened."""
    constants = {"source": config.source, "snapshot": config.snapshot}
    pages = enumerate(split.files[cursor:], cursor)
    yield from batches((_page(number, file, config) for number, file in pages), _COLUMNS, constants)


def _page(number: int, file: File, config: Config) -> tuple[Any, ...]:
    body, damaged = _body(file, config.max_body_bytes + 1)
    reason = None
    if damaged:
        reason, body = DAMAGED_INPUT, b""
    elif len(body) > config.max_body_bytes:
        reason = BODY_TOO_LARGE
    elif not body:
        reason = EMPTY_BODY
    url = None
    if config.base_url is not None:
        url = f"{config.base_url.rstrip('/')}/{quote(_PACKED_END.sub('', file.name))}"
    size = file.size if reason == BODY_TOO_LARGE else len(body)
    return 0, number, size, file.name, reason, digest16(body), url, None, None if reason else body


def _body(file: File, limit: int) -> tuple[bytes, bool]:
    """The page, cut at `limit`, and whether it is damaged."""
    parts: list[bytes] = []
    size = 0
    with open_file(file) as opened:
        try:
            for chunk in Frames(opened).chunks(0):
                parts.append(chunk.data)
                size += len(chunk.data)
                if size >= limit:
                    break
        except Damage:
            return b"", True
    return b"".join(parts)[:limit], False


STAGE = Source(
    name="read.html",
    version=1,
    config=Config,
    adds=ADDS,
    reasons={
        BODY_TOO_LARGE: "the page has more bytes than max_body_bytes",
        EMPTY_BODY: "the file is empty",
    },
    splits=splits,
    read=read,
    transient=("html",),
    seeks=_SUFFIXES,
)
