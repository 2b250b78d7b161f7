"""`datapipe gate`: whether a run meets the gates of its recipe; lets out what waits for that."""

from __future__ import annotations

from pathlib import Path

import click

from datapipe.cli.options import STAGES_OPTION, console

__all__ = ["gate"]


@click.command("gate")
@click.argument("run")
@click.option("--force", is_flag=True, help="Let the output out although gates fail; needs a --reason.")
@click.option("--reason", help="Why; it is told in the manifests of packed sets and in the data card.")
@STAGES_OPTION
def gate(run: str, *, force: bool, reason: str | None, stages_dir: Path | None) -> None:
    """Judge the gates of RUN, and move what its Sinks have written out of `_pending/` where all of them hold.

    Exits with 3 where one does not; a number that is not there, such as the recall of an audit of no cases, meets none.

    \b
    Examples:
      datapipe gate runs/crawl
      datapipe gate runs/crawl --force --reason "a trial of the trainer, not for release"
    """
    from datapipe.cli.gated import print_gates, require_gates
    from datapipe.cli.telling import open_run
    from datapipe.registry import Registry
    from datapipe.report.gating import opener, settle

    if force != (reason is not None and bool(reason.strip())):
        raise click.UsageError("--force and --reason TEXT go together")
    directory = str(stages_dir.resolve()) if stages_dir else None
    context = open_run(run, stages_dir)
    gates = settle(context, opener(Registry(stages_dir), directory), reason)
    out = console()
    if not gates:
        out.print(f"the recipe of {run} has no gates")
        return
    print_gates(gates, out)
    require_gates(gates, run)
