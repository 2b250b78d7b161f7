"""The closing funnel of a run: documents, bytes and the share kept by each stage, and why documents left."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from datapipe.cli.progress import say_bytes
from datapipe.run.context import Context
from datapipe.run.state import totals

__all__ = ["print_funnel", "troubles"]

TROUBLES = frozenset({"damaged_input", "crashed", "timed_out", "too_big"})


def print_funnel(context: Context, console: Console) -> None:
    """Print one row a stage, and below it one for each reason."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage")
    for name in ("documents in", "kept", "share", "input kept", "measured now"):
        table.add_column(name, justify="right")
    for name, records in context.records.items():
        sums = totals(list(records.values()))
        came, kept = sums["documents_in"], sums["documents_kept"]
        share = f"{kept / came:.1%}" if came else "–"
        measured = context.measured.get(name, 0)
        table.add_row(
            name, f"{came:,}", f"{kept:,}", share, say_bytes(sums["bytes_kept"]), f"{measured:,}", style="bold"
        )
        for reason, count in sums["dropped"].items():
            table.add_row(f"  {reason}", "", f"-{count:,}", f"{count / came:.1%}", "", "", style="dim")
        for passed in ("not_applied", "not_judged"):
            if sums[passed]:
                table.add_row(f"  {passed}", "", f"{sums[passed]:,}", "", "", "", style="dim italic")
    console.print(table)


def troubles(context: Context) -> dict[str, int]:
    """How many documents could not be read, or were set aside because a stage failed on them, by reason."""
    found: dict[str, int] = {}
    for records in context.records.values():
        for record in records.values():
            for reason in TROUBLES & record.dropped.keys():
                found[reason] = found.get(reason, 0) + record.dropped[reason].documents
    return dict(sorted(found.items()))
