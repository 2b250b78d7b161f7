"""How large a report's page is, how long it takes to make and to open, and whether its sliders say what what-if says.

    python -m tests.benchmarks.report_page RUN [--pictures DIR] [--every 5]

Prints bytes of the page, seconds to gather and to draw it (wall and CPU), milliseconds until it has loaded in Chromium
at desktop and telephone width in both themes (median of three), and how many places of sliders were decided anew.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from datapipe.registry import Registry
from datapipe.report.facts import gather
from datapipe.report.page import render
from datapipe.run.context import Context
from datapipe.run.reopen import reopen
from datapipe.run.what_if import what_if
from tests.report.browser import Browser, Page
from tests.report.sliders import moves_of

LOADED = "performance.timing.loadEventEnd - performance.timing.navigationStart"


def opened(browser: Browser, url: str, width: int, *, dark: bool, pictures: Path | None) -> None:
    """Open the page three times, and print what it did."""
    times, said, asked, wide = [], 0, 0, 0
    for _ in range(3):
        with browser.page(url, width=width, dark=dark) as page:
            times.append(page.run(LOADED))
            said, asked = said + len(page.console), asked + len(page.requests) - 1
            wide = max(wide, page.run("document.documentElement.scrollWidth"))
            if pictures is not None and len(times) == 3:
                take(page, pictures, f"{width}-{'dark' if dark else 'light'}")
    print(
        f"{width:5} px {'dark' if dark else 'light':5}  loaded in {statistics.median(times):5.0f} ms, "
        f"{said} console lines, {asked} requests, {wide} px wide"
    )


def take(page: Page, folder: Path, name: str) -> None:
    """Pictures of the page, a screen each."""
    folder.mkdir(parents=True, exist_ok=True)
    length, height = page.run("[document.documentElement.scrollHeight, innerHeight]")
    for place, top in enumerate(range(0, length, height)):
        page.run(f"new Promise(done => {{ scrollTo(0, {top}); requestAnimationFrame(() => done()) }})")
        page.picture(folder / f"{name}-{place:02d}.png")


def compared(context: Context, moves: list[Any], every: int) -> tuple[int, list[str]]:
    """How many places of sliders were decided anew, and those that came out otherwise."""
    count, wrong = 0, []
    for stage, option, places in moves:
        given = [(value, kept) for value, kept in places if value is not None]
        for value, kept in given[::every] + given[-1:]:
            count += 1
            found = what_if(context, stage, [f"{option}={value}"], Registry()).kept[1]
            if found != kept:
                wrong.append(f"{stage}.{option}={value}: page {kept}, what-if {found}")
    return count, wrong


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run")
    arguments.add_argument("--pictures", type=Path, default=None)
    arguments.add_argument("--every", type=int, default=5)
    given = arguments.parse_args()
    context = reopen(given.run, Registry())
    made: Any = context
    for name, step in (("gather", gather), ("draw", render)):
        wall, cpu = time.perf_counter(), time.process_time()
        made = step(made)
        print(f"{name:7} {time.perf_counter() - wall:6.1f} s, {time.process_time() - cpu:6.1f} s of CPU")
    print(f"page    {len(made.encode()):,} bytes")
    with tempfile.TemporaryDirectory(prefix="report-page-") as temporary:
        path = Path(temporary, "report.html")
        path.write_text(made, encoding="utf-8")
        browser = Browser(Path(temporary, "profile"))
        for width in (1280, 390):
            for dark in (False, True):
                opened(browser, path.as_uri(), width, dark=dark, pictures=given.pictures)
        with browser.page(path.as_uri()) as page:
            moves = moves_of(page)
        browser.close()
    count, wrong = compared(context, moves, given.every)
    print(f"sliders {len(moves)}, places decided anew {count}, otherwise {len(wrong)}")
    print("\n".join(wrong))


if __name__ == "__main__":
    main()
