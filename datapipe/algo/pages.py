"""Files of one document each, given as they are: pages, PDFs.

Many small files make poor shards, so they are bundled by hash of name: a new file touches one bundle. A packed file
that is damaged is a row with `damaged_input`. `record` is 0, for a file is one document; `cursor` is the file's
position in its bundle. Costs opening each file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from datapipe.algo.frames import Damage, Frames, open_file
from datapipe.algo.inputs import DAMAGED_INPUT, PACKED, ROW_HEAD, batches, digest16
from datapipe.stage import File, Split, schema

__all__ = ["BODY_TOO_LARGE", "EMPTY_BODY", "PAGES", "page_url", "read_pages", "whole_file"]

BODY_TOO_LARGE = "body_too_large"
EMPTY_BODY = "empty_body"
PAGES = schema(
    url=pa.string(), content_type=pa.string(), html=pa.large_binary(), source=pa.string(), snapshot=pa.string()
)
_COLUMNS = pa.schema([*ROW_HEAD, *PAGES])
_PACKED_END = re.compile("(" + "|".join(map(re.escape, PACKED)) + ")$")


def read_pages(split: Split, config: Any, cursor: int, content_type: str | None) -> Iterator[pa.RecordBatch]:
    """Files of the bundle from number `cursor` on; raises InputError if a file cannot be opened.

    `config` has source, snapshot, base_url and max_body_bytes.
    """
    constants = {"source": config.source, "snapshot": config.snapshot}
    files = enumerate(split.files[cursor:], cursor)
    yield from batches((_page(number, file, config, content_type) for number, file in files), _COLUMNS, constants)


def _page(number: int, file: File, config: Any, content_type: str | None) -> tuple[Any, ...]:
    body, damaged = whole_file(file, config.max_body_bytes + 1)
    reason = None
    if damaged:
        reason, body = DAMAGED_INPUT, b""
    elif len(body) > config.max_body_bytes:
        reason = BODY_TOO_LARGE
    elif not body:
        reason = EMPTY_BODY
    size = file.size if reason == BODY_TOO_LARGE else len(body)
    place = (0, number, size, file.name, reason, digest16(body))
    return *place, page_url(file, config.base_url), content_type, None if reason else body


def page_url(file: File, base_url: str | None) -> str | None:
    """A file's URL under a base, without the ending of its packing."""
    return None if base_url is None else f"{base_url.rstrip('/')}/{quote(_PACKED_END.sub('', file.name))}"


def whole_file(file: File, limit: int) -> tuple[bytes, bool]:
    """The unpacked bytes of a file, cut at `limit`, and whether it is damaged; raises InputError."""
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
