"""What the two-pass recipe saves where most pages are dropped, and which pages it loses.

    python -m tests.benchmarks.two_pass [--pages 500] [--rounds 3] [--folder DIR]

Needs DATAPIPE_REAL_DATA. Makes a WARC file of real pages of which 30% pass the filters on the cheap engine's text,
then, in turn, on one worker:
one     read.warc, extract by trafilatura, filter.language, filter.length, filter.gopher
two     the same filters on resiliparse's text, then extract by trafilatura for those kept
and prints the median of their ratios, and the bound that the engines' own CPU times over the same pages set: all by
trafilatura, against all by resiliparse and those kept by trafilatura. Then the documents that either keeps alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import zlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from tests.benchmarks.first_run import time_run
from tests.benchmarks.pages import record
from tests.real.scoring import BARE, Page, chinese, wcxb

KEPT_SHARE = 0.3
FILTERS = """
  language: {use: filter.language, keep: [en]}
  length: {use: filter.length, min_words: 50}
  quality: {use: filter.gopher}
"""
SOURCE = 'use: read.warc, paths: ["%s/pages.warc.gz"], source: real'
ONE = "  text: {use: extract, engine: trafilatura}" + FILTERS
TWO = "  draft: {use: extract, engine: resiliparse}" + FILTERS + "  text: {use: extract, engine: trafilatura}\n"


def recipe(folder: Path, name: str, stages: str) -> str:
    """A recipe over the file of pages."""
    return f"run: {folder / name}\nstages:\n  pages: {{{SOURCE % folder}}}\n{stages}"


def write(folder: Path, pages: Iterable[Page]) -> None:
    """The pages as one WARC file, each under its name as URL."""
    with (folder / "pages.warc.gz").open("wb") as target:
        for page in pages:
            target.write(record(f"http://pages.example/{page.file}", page.html()))


def kept(run: Path, last: str) -> set[str]:
    """URLs of the documents that are still in after a stage."""
    urls: set[str] = set()
    for base in (run / "pages").glob("*-[0-9][0-9][0-9][0-9].parquet"):
        names = pq.read_table(base, columns=["url"])["url"].to_pylist()
        left = pq.read_table((run / last / base.name).with_suffix(".reasons.parquet")).to_pydict()
        urls |= {names[row] for row, reason in zip(left["row"], left["reason"], strict=True) if reason is None}
    return urls


def mix(folder: Path, count: int) -> list[Page]:
    """Pages of which the cheap pass keeps 30%, in an order of no meaning."""
    data = Path(os.environ["DATAPIPE_REAL_DATA"])
    everything = sorted((*wcxb(data), *chinese(data)), key=lambda page: zlib.crc32(page.file.encode()))
    write(folder, everything)
    time_run(recipe(folder, "choice", TWO.rpartition("  text:")[0]), 1, folder)
    passing = kept(folder / "choice", "quality")
    good = [page for page in everything if f"http://pages.example/{page.file}" in passing]
    bad = [page for page in everything if page not in good]
    few = min(round(count * KEPT_SHARE), len(good), int(len(bad) * KEPT_SHARE / (1 - KEPT_SHARE)))
    chosen = [*good[:few], *bad[: round(few / KEPT_SHARE) - few]]
    return sorted(chosen, key=lambda page: zlib.crc32(page.file.encode()))


def cpu_seconds(engine: str, pages: Iterable[Page]) -> float:
    """CPU time of a bare engine."""
    bodies = [page.html() for page in pages]
    began = time.process_time()
    for body in bodies:
        BARE[engine](body, "")
    return time.process_time() - began


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--pages", type=int, default=500)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--folder", type=Path)
    given = arguments.parse_args()
    folder = Path(given.folder or tempfile.mkdtemp())
    pages = mix(folder, given.pages)
    write(folder, pages)
    ratios = []
    for number in range(given.rounds):
        seconds = {
            name: time_run(recipe(folder, f"{name}-{number}", stages), 1, folder)[0]
            for name, stages in (("one", ONE), ("two", TWO))
        }
        ratios.append(seconds["one"] / seconds["two"])
        print(f"one pass {seconds['one']:.1f} s, two passes {seconds['two']:.1f} s: {ratios[-1]:.2f} x", flush=True)
    one, two = kept(folder / "one-0", "quality"), kept(folder / "two-0", "text")
    survivors = [page for page in pages if f"http://pages.example/{page.file}" in two]
    whole, cheap, rest = (
        cpu_seconds(engine, some)
        for engine, some in (("trafilatura", pages), ("resiliparse", pages), ("trafilatura", survivors))
    )
    print(f"{len(pages)} pages, {1 - len(two) / len(pages):.0%} of them dropped by two passes")
    print(f"two passes against one: {statistics.median(ratios):.2f} x (median of {len(ratios)})")
    shares = f"{whole:.1f} / ({cheap:.1f} + {rest:.1f})"
    print(f"bound by the engines' own CPU times: {shares} = {whole / (cheap + rest):.2f} x")
    print(f"kept by one pass {len(one)}, of these lost by two passes {len(one - two)}; gained {len(two - one)}")


if __name__ == "__main__":
    main()
