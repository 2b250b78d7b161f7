"""Options that several commands share, and the console on which they write.

Costs importing click; the rest is imported when it is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["RECIPE_ARGUMENT", "SET_OPTION", "STAGES_OPTION", "console", "table"]

PLAIN_WIDTH = 160  # columns where nothing says how wide the output is, such as in a file


RECIPE_ARGUMENT = click.argument("recipe", type=click.Path(path_type=Path, dir_okay=False))
SET_OPTION = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set an option of a stage or of the recipe, such as quality.min_words=20, run=runs/b or cluster.workers=4.",
)
STAGES_OPTION = click.option(
    "--stages",
    "stages_dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder with stages of your own: DIR/filter/mine.py is filter.mine.",
)


def console() -> Console:
    """Standard output; wide where it is no terminal, so that tables in files are not cut."""
    from rich.console import Console

    out = Console(highlight=False, emoji=False, markup=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out.width = PLAIN_WIDTH
    return out


def table(*headings: str) -> Table:
    """An empty table without walls."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, heading in enumerate(headings):
        made.add_column(heading, overflow="fold", no_wrap=at == 0)
    return made
