"""How an audit is told on a terminal: by stage and kind of planted case, how many were found, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from datapipe.cli.options import table

__all__ = ["print_audit"]


def print_audit(found: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """Print a row a stage, and below it one for each kind of which some were missed; nothing where none was audited."""
    if not found:
        return
    made = table("audit: planted cases", "planted", "judged", "found", "recall", "95% interval")
    for column in made.columns[1:]:
        column.justify = "right"
    for stage, whole in found.items():
        made.add_row(stage, *_cells(whole), style="bold")
        missed = {kind: numbers for kind, numbers in whole["kinds"].items() if numbers["found"] < numbers["judged"]}
        for kind, numbers in missed.items():
            made.add_row(f"  {kind}", *_cells(numbers), style="dim")
        if others := len(whole["kinds"]) - len(missed):
            made.add_row(f"  {'the other ' if missed else 'all '}{others} kinds: none missed", style="dim")
    console.print(made)


def _cells(numbers: Mapping[str, Any]) -> tuple[str, ...]:
    counts = tuple(f"{numbers[name]:,}" for name in ("planted", "judged", "found"))
    if numbers["recall"] is None:
        return (*counts, "·", "·")
    return (*counts, f"{numbers['recall']:.1%}", f"{numbers['recall_low']:.1%} to {numbers['recall_high']:.1%}")
