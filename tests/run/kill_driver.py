"""A driver to be killed: runs a recipe file with the toy stages. Says `ready` when only the run is left to do.

Arguments: the recipe file, how many dask workers (0: the local engine), and, where ranges of keys are to be short, of
how many rows.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from datapipe.engine.cluster import DaskEngine
from datapipe.engine.local import LocalEngine
from datapipe.run import group
from tests.run.workbench import run_file

if __name__ == "__main__":
    workers = int(sys.argv[2])
    if len(sys.argv) > 3:
        group.RANGE_ROWS = int(sys.argv[3])
    engine = DaskEngine(workers=workers) if workers else LocalEngine()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    run_file(Path(sys.argv[1]), engine, Path(tempfile.mkdtemp(dir=Path(sys.argv[1]).parent)))
    engine.close()
