"""`datapipe report`: what a run did and found, as a page, a summary, a data card, and JSON for gates and tools."""

from __future__ import annotations

from pathlib import Path

import click

from datapipe.cli.options import STAGES_OPTION, console

__all__ = ["report"]


@click.command("report")
@click.argument("run")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the files go; default: into the run's folder.",
)
@STAGES_OPTION
def report(run: str, out: Path | None, stages_dir: Path | None) -> None:
    """Gather what RUN stores of its documents, and write report.html, report.json, report.md and a card, README.md.

    The page needs the extra `report`; it is one file, asks for no network, and its thresholds can be moved. Nothing is
    measured again. A run that is half done is told as far as it is. Texts are masked.

    \b
    Examples:
      datapipe report runs/crawl
      datapipe report runs/crawl --out cards/crawl
    """
    from datapipe.cli.gated import print_gates
    from datapipe.cli.masked import masked
    from datapipe.cli.telling import open_run
    from datapipe.corpus.store import Store
    from datapipe.registry import Registry
    from datapipe.report.gating import opener
    from datapipe.report.writing import full_report, lacking, write_report

    directory = str(stages_dir.resolve()) if stages_dir else None
    made = full_report(open_run(run, stages_dir), opener(Registry(stages_dir), directory))
    folder = str(out) if out is not None else run
    names = write_report(made, Store(folder))
    to = console()
    if not made.run.complete:
        to.print(f"the run is not finished: {', '.join(made.run.unfinished)}; the report tells what stands")
    if made.gates:
        print_gates(made.gates, to)
    if missing := lacking():
        to.print(f"without report.html, for {', '.join(missing)}: pip install 'datapipe\\[report]'")
    to.print(masked(f"wrote {', '.join(names)} into {folder}"))
