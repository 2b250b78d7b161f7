"""`datapipe init`: looks at files and writes a recipe that reads, cleans and writes them."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["init"]


@click.command()
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), default="recipe.yaml", show_default=True)
@click.option("--run", "run_folder", metavar="DIR", help="Folder of the run. [default: runs/<name of the recipe>]")
@click.option("--force", is_flag=True, help="Write over an existing recipe.")
@click.option("--samples", is_flag=True, help="Copy the recipes and samples that come with datapipe to this folder.")
def init(inputs: tuple[str, ...], output: Path, run_folder: str | None, *, force: bool, samples: bool) -> None:
    """Look at files and write a commented recipe for them.

    An INPUT is a file, a folder or a glob.

    WARC, WET and ARC archives, HTML pages, PDF, text, JSON, CSV, Parquet, Arrow and what `datasets` saved are told
    apart by name and first bytes; in tables the column that holds the text, or the fields that hold a conversation, are
    found by looking at some records.

    \b
    Examples:
      datapipe init "crawl/*.warc.gz"
      datapipe init pages/ dump.jsonl.gz --output clean.yaml --run runs/clean
      datapipe init --samples && datapipe run configs/quickstart.yaml
    """
    if samples:
        _copy_samples()
        return
    if not inputs:
        raise click.UsageError("name at least one INPUT, or --samples")
    from datapipe.cli.look import look
    from datapipe.cli.starter import starter
    from datapipe.errors import InputError

    if output.exists() and not force:
        raise InputError(f"{output} exists", remedy="give --output another name, or --force to write over it")
    found, unknown = look(inputs)
    text = starter(found, run_folder or f"runs/{output.stem}")
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}", remedy="check the folder") from error
    for kind in found:
        click.echo(f"{kind.files:,} {kind.label} file{'' if kind.files == 1 else 's'} → {kind.reader}")
    if unknown:
        click.echo(f"{unknown:,} other file{'' if unknown == 1 else 's'} left out")
    click.echo(f"wrote {output}; next: datapipe check {output}")


def _copy_samples() -> None:
    from datapipe.bundled import copy_bundled

    written = copy_bundled(Path.cwd())
    click.echo(f"copied {len(written)} files to configs/ and samples/; next: datapipe run configs/quickstart.yaml")
