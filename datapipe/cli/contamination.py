"""`datapipe contamination`: which items of benchmarks stand in a run's documents, and which do not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datapipe.cli.options import STAGES_OPTION, console, table

if TYPE_CHECKING:
    from datapipe.lineage import Contamination
    from datapipe.lineage.contamination import Split

__all__ = ["contamination"]

UNSEEN = "Rephrased and translated items, and code with other names, are not found: clean means not copied."


@click.command("contamination")
@click.argument("run")
@click.option("--stage", metavar="STAGE", help="The stage that looks for items, where there are several.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for lists of items.")
@click.option("--strength", default=1.0, show_default=True, type=click.FloatRange(0.7), help="What counts as found.")
@STAGES_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def contamination(
    run: str, stage: str | None, stages_dir: Path | None, *, out: Path | None, strength: float, as_json: bool
) -> None:
    """Show by benchmark how many of its items the documents of a run hold, before they left or were cut.

    An item is dirty where a document holds its input, its input with options or answer, or its long answer. --out
    writes BENCHMARK.clean.jsonl and BENCHMARK.dirty.jsonl, a line an item by its number, with the documents that hold
    it by kind, to report an evaluation on both parts. Items that are not identifiable, too short or too common, may
    stand somewhere unseen.

    \b
    Examples:
      datapipe contamination runs/quickstart
      datapipe contamination runs/quickstart --out evaluation/
    """
    import json

    from datapipe.cli.telling import open_run
    from datapipe.lineage import contamination as found_in
    from datapipe.lineage import write_splits

    found = found_in(open_run(run, stages_dir), stage, strength=strength)
    if out is not None:
        write_splits(found, out)
    if as_json:
        click.echo(json.dumps(_plain(found)))
    else:
        _print(found, out)


def _row(split: Split) -> dict[str, int]:
    """Items of a benchmark, by what they are."""
    from datapipe.lineage import CONTAMINATING

    return {
        "items": len(split.identifiable),
        "dirty": len(split.dirty),
        **{kind: sum(counts[kind] > 0 for counts in split.found.values()) for kind in CONTAMINATING},
        "clean": len(split.clean),
        "not_identifiable": sum(not split.identifiable[number] for number in split.clean),
    }


def _plain(found: Contamination) -> dict[str, object]:
    return {
        "stage": found.stage,
        "shards": found.shards,
        "of_shards": found.of_shards,
        "documents": found.documents,
        "holding": found.holding,
        "benchmarks": {split.benchmark: _row(split) for split in found.splits},
    }


def _print(found: Contamination, out: Path | None) -> None:
    screen = console()
    rows = {split.benchmark: _row(split) for split in found.splits}
    made = table("benchmark", *next(iter(rows.values()), {}))
    for name, row in rows.items():
        made.add_row(name, *map("{:,}".format, row.values()))
    screen.print(made)
    part = "" if found.shards == found.of_shards else f" ({found.shards} of {found.of_shards} shards are done)"
    screen.print(f"{found.holding:,} of {found.documents:,} documents that came to {found.stage} hold an item{part}.")
    screen.print(UNSEEN)
    if out is not None:
        screen.print(f"Lists of items: {out}")
