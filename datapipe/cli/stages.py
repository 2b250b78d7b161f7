"""`datapipe stages`: what stages there are, and all about one of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datapipe.cli.options import STAGES_OPTION, console, table

if TYPE_CHECKING:
    from datapipe.registry import Registry

__all__ = ["stages"]

KINDS = ("Source", "Map", "Expand", "Group", "Sink")


@click.command("stages")
@click.argument("name", required=False)
@STAGES_OPTION
@click.option(
    "--languages", is_flag=True, help="Show which stage knows which language; with NAME: its thresholds in each."
)
@click.option("--test", is_flag=True, help="Hold the stage NAME against the contract that every stage keeps.")
def stages(name: str | None, stages_dir: Path | None, *, languages: bool, test: bool) -> None:
    """List all stages, or describe one.

    With NAME: its options, columns and reasons.

    \b
    Examples:
      datapipe stages
      datapipe stages filter.gopher
      datapipe stages --languages
      datapipe stages filter.gopher --languages
      datapipe stages filter.mine --stages my_stages --test
    """
    from datapipe.registry import Registry

    registry = Registry(stages_dir)
    if languages:
        if test:
            raise click.UsageError("--languages and --test do not go together")
        from datapipe.cli.languages_page import print_languages, print_thresholds

        if name is None:
            print_languages(registry)
        else:
            print_thresholds(registry, name)
    elif name is None:
        if test:
            raise click.UsageError("--test needs the NAME of a stage")
        _print_list(registry)
    elif test:
        _test(registry, name)
    else:
        from datapipe.cli.stage_page import print_page

        print_page(registry, name)


def _print_list(registry: Registry) -> None:
    """All stages by kind, read from their sources; none is imported."""
    from datapipe.cli.outline import outline

    found: dict[str, list[tuple[str, str]]] = {}
    for name in registry.names():
        kind, about = outline(registry.module_file(name))
        origin = registry.origin(name)
        found.setdefault(kind, []).append((name, about if origin == "built-in" else f"{about} [{origin}]"))
    out = console()
    for kind in (*KINDS, ""):
        if kind in found:
            made = table(kind or "other", "")
            for row in found[kind]:
                made.add_row(*row)
            out.print(made)


def _test(registry: Registry, name: str) -> None:
    from datapipe.contract import check_stage

    findings = check_stage(registry.load(name), registry=registry)
    for finding in findings:
        click.echo(str(finding), err=finding.fault)
    if any(finding.fault for finding in findings):
        raise click.exceptions.Exit(1)
    click.echo(f"{name} keeps the contract")
