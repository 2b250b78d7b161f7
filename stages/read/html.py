"""Read a folder of HTML pages, one document a file, plain or packed.

Many small files make poor shards, so they are bundled by hash of name: a new page touches one bundle.
A packed page that is damaged is a row with `damaged_input`. `record` is 0, for a file is one document;
`cursor` is the page's position in its bundle. Costs opening each file.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from datapipe.algo.inputs import bundle, find_files, packed_suffixes
from datapipe.algo.pages import BODY_TOO_LARGE, EMPTY_BODY, PAGES, read_pages
from datapipe.stage import Size, Source, SourceConfig, Split, measure

_SUFFIXES = packed_suffixes("html", "htm", "xhtml")


class Config(SourceConfig):
    """Which pages become documents, and under which URL."""

    base_url: str | None = measure(None, "put before the file's relative name to make its URL; none: no URL")
    max_body_bytes: Size = measure(16 << 20, "bytes of a page when unpacked; more: body_too_large", gt=0)


def splits(config: Config) -> list[Split]:
    """Bundles of pages."""
    return bundle(find_files(config.paths, suffixes=_SUFFIXES, allow_missing=config.allow_missing))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Pages of the bundle from number `cursor` on; raises InputError if a file cannot be opened."""
    yield from read_pages(split, config, cursor, None)


STAGE = Source(
    name="read.html",
    version=1,
    config=Config,
    adds=PAGES,
    reasons={
        BODY_TOO_LARGE: "the page has more bytes than max_body_bytes",
        EMPTY_BODY: "the file is empty",
    },
    splits=splits,
    read=read,
    transient=("html",),
    seeks=_SUFFIXES,
)
