"""`datapipe warm`: compile the kernels and import the engines, so that later commands start at once.

Kernels that every run needs are compiled by name; those of single stages by running each stage once over the samples
of the contract.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path

import click

from datapipe.cli.options import STAGES_OPTION

__all__ = ["warm"]


@click.command("warm")
@STAGES_OPTION
def warm(stages_dir: Path | None) -> None:
    """Compile all kernels into the cache folder, and import the engines and run the stages once.

    Worth a line in the image or job script of a cluster: processes that start together would all compile.
    Set DATAPIPE_CACHE to choose the folder.

    \b
    Example:
      datapipe warm
    """
    from datapipe.text import warm_up

    compiled = warm_up()
    began = time.perf_counter()
    for module in ("datapipe.engine.local", "datapipe.engine.cluster"):
        importlib.import_module(module)
    failures = _stages(stages_dir)
    seconds = time.perf_counter() - began
    click.echo(f"kernels {compiled:.1f} s, engines and stages {seconds:.1f} s; cache {_cache_folder()}")
    for failure in failures:
        click.echo(f"not usable: {failure}", err=True)


def _stages(stages_dir: Path | None) -> list[str]:
    """Run every stage once; returns what stood in the way of those that cannot be used."""
    from datapipe.contract import run_once
    from datapipe.errors import DatapipeError
    from datapipe.registry import Registry

    registry = Registry(stages_dir)
    failures = []
    for name in registry.names():
        try:
            run_once(registry.load(name))
        except DatapipeError as error:
            failures.append(str(error))
    return failures


def _cache_folder() -> str:
    """Where numba keeps compiled kernels: the folder that it was told of, or beside each module."""
    from numba.core import config

    return str(getattr(config, "CACHE_DIR", "")) or "beside the modules"
