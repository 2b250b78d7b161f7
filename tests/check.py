"""The one check command: `python -m tests.check` runs every tool that judges the code.

One line a tool; what a failing tool says follows its line. Exit code 1 if any fails.
Costs about half a minute the first time (mypy), a few seconds after.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CHECKS = {
    "ruff check": ("ruff", "check", "--quiet", "."),
    "ruff format": ("ruff", "format", "--check", "--quiet", "."),
    "mypy": ("mypy",),
    "lint-imports": ("lint-imports", "--no-cache"),
    "deptry": ("deptry", "--no-ansi", "."),
}


def main() -> int:
    """Run every check; 0 if all pass."""
    scripts = Path(sysconfig.get_path("scripts"))
    environment = os.environ | {"PYTHONHASHSEED": "0"}  # mypy joins the types of a tuple in the order of a set
    failed = False
    for name, (tool, *arguments) in CHECKS.items():
        began = time.monotonic()
        done = subprocess.run(
            [scripts / tool, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        verdict = "passed" if done.returncode == 0 else "FAILED"
        print(f"{name:<14} {verdict}  {time.monotonic() - began:5.1f} s", flush=True)
        if done.returncode != 0:
            failed = True
            print((done.stdout + done.stderr).rstrip(), flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
