"""The command `datapipe`: finds the module of each command, and turns errors into one line and an exit code.

A command is a click command in the module of its own name, listed in COMMANDS. Modules of commands import Arrow,
numba and the like inside their functions, so that `datapipe --help` takes under half a second (a test holds this).
"""

from __future__ import annotations

import importlib
import io
import sys
import traceback
from collections.abc import Sequence
from keyword import iskeyword

import click

from datapipe import __version__
from datapipe.cli.masked import masked
from datapipe.errors import DatapipeError, RecipeError

__all__ = ["COMMANDS", "cli", "main"]

# In the order in which a newcomer meets them; `what-if` lives in what_if.py, and `try`, a Python word, in try_.py.
COMMANDS: tuple[str, ...] = (
    "init",
    "check",
    "run",
    "try",
    "status",
    "show",
    "explain",
    "trace",
    "similar",
    "what-if",
    "bias",
    "contamination",
    "report",
    "gate",
    "prune",
    "train",
    "stages",
    "schema",
    "fit",
    "warm",
)

INTERRUPTED = 130  # as shells report a process ended by Ctrl-C


class _Commands(click.Group):
    """Commands by name, each imported when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of COMMANDS."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None if there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_") + ("_" if iskeyword(cmd_name) else "")
        command: click.Command = getattr(importlib.import_module(f"datapipe.cli.{name}"), name)
        return command


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Paths are relative to the current directory. Exit codes: 0 done, 1 failed, 2 bad recipe or input, "
    "3 gate not met.",
)
@click.version_option(__version__, prog_name="datapipe")
def cli() -> None:
    """Turn raw web archives and conversations into packed token shards, and explain every document.

    \b
    datapipe init "crawl/*.warc.gz"    look at files, write recipe.yaml
    datapipe check recipe.yaml         see what it would do
    datapipe stages filter.gopher      read what a stage does and can be told
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = cli.main(arguments, prog_name="datapipe", standalone_mode=False)
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        click.echo("\n".join(map(masked, said.getvalue().rstrip("\n").split("\n"))), err=True)
        return error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except RecipeError as error:
        click.echo("\n".join(map(_shown, str(error).split("\n"))), err=True)
        return error.exit_code
    except DatapipeError as error:
        click.echo(f"error: {_shown(str(error))}", err=True)
        return error.exit_code
    except OSError as error:
        click.echo(f"error: {_shown(str(error))}", err=True)
        return 1
    except Exception as error:  # noqa: BLE001 - a bug of ours: where it is, but not what it says
        click.echo(_bug(error), err=True)
        return 1
    return result if isinstance(result, int) else 0


def _bug(error: BaseException) -> str:
    """The traceback of an error and of those behind it, without their messages, which may hold texts of documents."""
    chain: list[BaseException] = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None and before not in chain:
        chain.append(before)
    parts = []
    for each in reversed(chain):
        frames = "".join(traceback.format_tb(each.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{type(each).__name__}")
    parts.append("error: this is a bug of datapipe; what the error says may hold a text and is not shown")
    return "\n\n".join(parts)


def _shown(message: str) -> str:
    """On one line, masked, and nothing in it that a terminal obeys: names of files and the like may hold anything."""
    line = masked(" ".join(message.split()))
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in line)
