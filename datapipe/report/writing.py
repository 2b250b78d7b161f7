"""Writes a report: `report.json`, a summary, a data card, and the page where the extra `report` is installed.

Costs what gathering costs; the files are small.
"""

from __future__ import annotations

from importlib.util import find_spec

from datapipe.corpus.store import Store
from datapipe.report.card import card
from datapipe.report.facts import gather
from datapipe.report.gating import Opener, judged
from datapipe.report.markdown import summary
from datapipe.report.model import Report
from datapipe.run.context import Context

__all__ = ["full_report", "lacking", "write_report"]

PAGE_NEEDS = ("jinja2", "markupsafe", "vl_convert")


def lacking() -> tuple[str, ...]:
    """What the page needs and is not installed."""
    return tuple(name for name in PAGE_NEEDS if find_spec(name) is None)


def full_report(context: Context, others: Opener) -> Report:
    """What a run stores, and its gates."""
    report = gather(context)
    return report.model_copy(update={"gates": judged(context, report, others)})


def write_report(report: Report, store: Store) -> tuple[str, ...]:
    """Write all forms of a report into a folder; returns their names."""
    files = {
        "report.json": report.model_dump_json(indent=1) + "\n",
        "report.md": summary(report),
        "README.md": card(report),
    }
    if not lacking():
        from datapipe.report.page import render  # noqa: PLC0415 - asks for the extra

        files["report.html"] = render(report)
    for name, text in files.items():
        store.write(name, text.encode())
    return tuple(files)
