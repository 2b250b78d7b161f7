"""Read a folder of PDF files, one document a file, plain or packed; `extract_pdf` takes their text out.

The bytes are in `html`, as the bodies of archives are, with `application/pdf` as `content_type`: whoever extracts text
from them runs in a killable process, since no PDF library is safe from a malformed file.
Many small files make poor shards, so they are bundled by hash of name: a new file touches one bundle.
A packed file that is damaged is a row with `damaged_input`. `record` is 0, for a file is one document;
`cursor` is the file's position in its bundle. Costs opening each file.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from datapipe.algo.inputs import bundle, find_files, packed_suffixes
from datapipe.algo.pages import BODY_TOO_LARGE, EMPTY_BODY, PAGES, read_pages
from datapipe.stage import Size, Source, SourceConfig, Split, measure

_SUFFIXES = packed_suffixes("pdf")


class Config(SourceConfig):
    """Which files become documents, and under which URL."""

    base_url: str | None = measure(None, "put before the file's relative name to make its URL; none: no URL")
    max_body_bytes: Size = measure(64 << 20, "bytes of a file when unpacked; more: body_too_large", gt=0)


def splits(config: Config) -> list[Split]:
    """Bundles of files."""
    return bundle(find_files(config.paths, suffixes=_SUFFIXES, allow_missing=config.allow_missing))


def read(split: Split, config: Config, cursor: int) -> Iterator[pa.RecordBatch]:
    """Files of the bundle from number `cursor` on; raises InputError if a file cannot be opened."""
    yield from read_pages(split, config, cursor, "application/pdf")


STAGE = Source(
    name="read.pdf",
    version=1,
    config=Config,
    adds=PAGES,
    reasons={
        BODY_TOO_LARGE: "the file has more bytes than max_body_bytes",
        EMPTY_BODY: "the file is empty",
    },
    splits=splits,
    read=read,
    transient=("html",),
    seeks=_SUFFIXES,
)
