"""Speed of `read.warc` against fastwarc, in one process, in turn, on the same pages.

    python -m tests.benchmarks.archives [PAGES] [ROUNDS]

Needs DATAPIPE_REAL_DATA. Archives of the real pages (one gzip member a record, default 1,500 pages) are read by each
in turn, ROUNDS times (default 5); medians of CPU time are printed, per page and as a ratio. fastwarc parses the HTTP
head and reads the body as `read.warc` does; digests, columns and batches are in the time of `read.warc` alone.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from stages.read.warc import STAGE, Config
from tests.benchmarks.pages import build


def by_fastwarc(folder: Path) -> int:
    """Bytes of all bodies."""
    size = 0
    for path in sorted(folder.glob("*.warc.gz")):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True):
                size += len(record.reader.read())
    return size


def by_stage(folder: Path) -> int:
    """The same by `read.warc`."""
    config = Config(paths=(str(folder / "*.warc.gz"),), source="pages")
    batches = (batch for split in STAGE.splits(config) for batch in STAGE.read(split, config, 0))
    return sum(int(batch.column("bytes").to_numpy().sum()) for batch in batches)


READERS: dict[str, Callable[[Path], int]] = {"fastwarc": by_fastwarc, "read.warc": by_stage}


def main() -> None:
    """Measure and print."""
    pages, rounds = (*map(int, sys.argv[1:3]), *(1500, 5)[len(sys.argv) - 1 :])[:2]
    times: dict[str, list[float]] = {name: [] for name in READERS}
    with tempfile.TemporaryDirectory() as temporary:
        html = build(Path(temporary), pages, 4)
        for _ in range(rounds):
            for name, reader in READERS.items():
                began = time.process_time()
                size = reader(Path(temporary))
                times[name].append(time.process_time() - began)
                assert size == html
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in medians.items():
        print(f"{name:9} {html / seconds / 1e6:6.0f} MB/s  {seconds / pages * 1e6:5.0f} us a page")
    print(f"read.warc / fastwarc = {medians['read.warc'] / medians['fastwarc']:.2f}")


if __name__ == "__main__":
    main()
