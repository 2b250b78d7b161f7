"""The closing funnel of a run: documents, bytes and the share kept by each stage, and why documents left."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from datapipe.cli.progress import say_bytes
from datapipe.run.context import Context
from datapipe.run.state import totals
from datapipe.stage import Source

__all__ = ["idle_stages", "print_funnel", "troubles"]

_LANGUAGE = "language"
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


def idle_stages(context: Context) -> list[str]:
    """A line for each stage that judged none of the documents it was to judge: it let all of them pass unseen."""
    found = []
    for name, records in context.records.items():
        sums = totals(list(records.values()))
        asked = sums["documents_in"] - sums["not_applied"]
        if 0 < asked == sums["not_judged"]:
            use = context.recipe.nodes[name].use if name in context.recipe.nodes else name
            asked_of = f"{asked:,} document{'' if asked == 1 else 's'}"
            found.append(f"{name} ({use}) judged none of its {asked_of}; {_remedy(context, name, use)}")
    return found


def _remedy(context: Context, name: str, use: str) -> str:
    node = context.recipe.nodes.get(name)
    if node is None or _LANGUAGE not in node.stage.reads_for(node.config):
        return f"what it asks of them: datapipe stages {use}"
    above = [each for path in context.paths.to(name) for each in path.nodes[:-1] if not isinstance(each.stage, Source)]
    if any(_LANGUAGE in each.stage.adds_for(each.config).names for each in above):
        return f"which languages it knows: datapipe stages {use}"
    return "it asks for their language: put a stage {use: filter.language} above it"
