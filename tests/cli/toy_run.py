"""A run of toy stages for the commands that read runs, and the command line as a test calls it."""

from __future__ import annotations

import importlib
from pathlib import Path

from click.testing import CliRunner, Result

from tests.run.workbench import TOYS, Workbench


def finished(folder: Path) -> Workbench:
    """Two files of twenty lines, run to the end as `run`."""
    bench = Workbench(folder).fill(files=2)
    bench.write("p.txt", ["one two three four jane@example.org +49 30 1234567 \x1b[31mred \u202elast"])
    bench.run("run")
    return bench


def call(command: str, *arguments: str | Path, text: str = "") -> Result:
    """Call a command with the toy stages; errors of ours are raised."""
    module = importlib.import_module(f"datapipe.cli.{command}")
    given = [*map(str, arguments), "--stages", str(TOYS)]
    return CliRunner().invoke(getattr(module, command), given, input=text, catch_exceptions=False)
