"""3,000 real pages as WARC files, for benchmarks: the shared real pages, repeated under further URLs.

    python -m tests.benchmarks.pages FOLDER [PAGES] [FILES]

Needs DATAPIPE_REAL_DATA. Pages are told apart by a comment at their end, so that no two are equal.
"""

from __future__ import annotations

import gzip
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["build", "real_pages", "record"]

DATE = "2026-11-01T00:00:00Z"


def real_pages() -> Iterator[bytes]:
    """HTML of the shared real pages, in order of name."""
    data = Path(os.environ["DATAPIPE_REAL_DATA"])
    for path in sorted((data / "extract-wcxb" / "html").glob("*.html.gz")):
        yield gzip.decompress(path.read_bytes())
    for path in sorted((data / "extract-readability").glob("*/source.html.gz")):
        yield gzip.decompress(path.read_bytes())


def record(url: str, html: bytes) -> bytes:
    """A WARC response record, gzipped by itself."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(html)
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: {DATE}\r\n"
        f"WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-{abs(hash(url)) % 10**12:012d}>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http) + len(html)}\r\n\r\n"
    )
    return gzip.compress(head.encode() + http + html + b"\r\n\r\n", 6, mtime=0)


def build(folder: Path, pages: int = 3000, files: int = 16) -> int:
    """Write the pages, in turn, to WARC files; returns the bytes of HTML."""
    folder.mkdir(parents=True, exist_ok=True)
    targets = [(folder / f"pages-{number:02d}.warc.gz").open("wb") for number in range(files)]
    everything = list(real_pages())
    size = 0
    for number, html in enumerate(itertools.islice(itertools.cycle(everything), pages)):
        page = html + b"<!-- %d -->" % number if number >= len(everything) else html
        targets[number % files].write(record(f"http://pages.example/{number}", page))
        size += len(page)
    for target in targets:
        target.close()
    return size


if __name__ == "__main__":
    counts = [int(argument) for argument in sys.argv[2:4]]
    print(f"{build(Path(sys.argv[1]), *counts):,} bytes of HTML")
