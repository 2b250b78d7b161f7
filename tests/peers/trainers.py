"""The readers of other trainers in an environment of their own, and what they say of what we have written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from datapipe.folders import cache_folder

# One call of pip: torch of any other version would bring several GB, and torchvision, which streaming wants, follows.
PACKAGES = ("torch==2.13.0", "trl==1.16.0", "mosaicml-streaming==0.13.0", "datasets==5.0.1")
ALONE = ("megatron-core==0.16.1",)  # its requirements are for GPUs; the data sets need none of them
SIDE = Path(__file__).with_name("trainers_side.py")


def peer() -> Path:
    """The Python of the other environment, made when it is not there: some 2 minutes, 1.5 GB."""
    folder = cache_folder() / "peer-trainers-1"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", *ALONE], check=True)
        # It does not load beside a torch for the CPU alone, and then trl does not either; see `trainers_side.py`.
        subprocess.run([python, "-m", "pip", "uninstall", "-q", "-y", "torchvision"], check=True)
        (folder / "complete").touch()
    return python


def theirs(reader: str, folder: Path, scratch: Path, **asked: Any) -> Any:
    """What a reader of `trainers_side.py` says of a folder."""
    target = scratch / f"{reader}.json"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(scratch / "hub"), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(  # noqa: PLW1510 - looked at below
        [peer(), SIDE, reader, folder, target, json.dumps(asked)], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return json.loads(target.read_text())
