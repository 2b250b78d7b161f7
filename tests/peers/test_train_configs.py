"""The ready configs of training, read by the tools they are for, each in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest

from datapipe.folders import cache_folder

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs" / "train"
SIDE = Path(__file__).with_name("train_configs_side.py")
TORCH = "torch==2.13.0"  # any other request may bring gigabytes of CUDA packages
TRL = ("trl==1.16.0", "deepspeed==0.19.8")


def peer(name: str, packages: tuple[str, ...]) -> Path:
    """The Python of an environment, made when it is not there: some 2 minutes, 1.5 GB."""
    folder = cache_folder() / f"peer-{name}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", TORCH, *packages], check=True)
        (folder / "complete").touch()
    return python


def read(python: Path, tool: str, files: list[Path]) -> list[Any]:
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, SIDE, tool, *files], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_transformers_and_deepspeed_read_their_files() -> None:
    files = sorted((CONFIGS / "deepspeed").glob("*.json"))
    found = dict(zip([path.stem for path in files], read(peer("trl", TRL), "deepspeed", files), strict=True))
    assert {name: (told["zero2"], told["zero3"]) for name, told in found.items()} == {
        "zero1": (False, False),
        "zero2": (True, False),
        "zero2_offload": (True, False),
        "zero3": (False, True),
        "zero3_offload": (False, True),
    }
    assert {name for name, told in found.items() if told["offload"]} == {"zero2_offload", "zero3_offload"}
    assert [told["unknown"] for told in found.values()] == [[]] * 5


def test_trl_reads_its_files() -> None:
    messages, packed = read(peer("trl", TRL), "trl", sorted((CONFIGS / "trl").glob("*.yaml")))
    assert messages["assistant_only_loss"]
    assert messages["packing"]
    assert packed["dataset_kwargs"] == {"skip_prepare_dataset": True}
    assert (packed["packing"], packed["padding_free"], packed["max_length"]) == (False, True, None)
    assert messages["rest"] == packed["rest"] == []
