"""The table of a run's gates, for `datapipe gate` and for the end of `datapipe run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datapipe.cli.options import table
from datapipe.errors import GateNotMet
from datapipe.lineage import escape

if TYPE_CHECKING:
    from rich.console import Console

    from datapipe.report import GateFacts

__all__ = ["print_gates", "require_gates"]


def print_gates(gates: tuple[GateFacts, ...], console: Console) -> None:
    """One row a gate."""
    made = table("gate", "", "found")
    for gate in gates:
        word = "passed" if gate.passed else "forced" if gate.forced else "failed"
        said = f"{gate.told} (let out: {gate.forced})" if gate.forced else gate.told  # texts in it are masked already
        made.add_row(
            escape(gate.gate, lines=False), word, escape(said, lines=False), style=None if gate.passed else "bold"
        )
    console.print(made)


def require_gates(gates: tuple[GateFacts, ...], run: str) -> None:
    """Raise GateNotMet, naming what failed, unless all hold or output was let out all the same."""
    failed = [gate.gate for gate in gates if not gate.passed and gate.forced is None]
    if failed:
        raise GateNotMet(
            f"{run} does not meet {len(failed)} of {len(gates)} gates: {'; '.join(failed)}",
            remedy="its output stays in `_pending/`; mend the data, or: datapipe gate RUN --force --reason TEXT",
        )
