"""A tokenizer by its name on a hub: the library's own client, against a server of the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stages.read.hub_server import hub
from tests.stages.tokenize.styles import STYLES, write

ROOT = Path(__file__).parents[3]
FIRST, LAST, BARE = "1" * 40, "2" * 40, "3" * 40
NAMES = ("someone/things", f"someone/things@{FIRST}", f"someone/things@{BARE}", "nobody/none", "someone/things@no-such")
PROGRAM = """
import json, sys
from pathlib import Path
from datapipe.errors import InputError
from stages.tokenize import Config, build, libraries
for at, name in enumerate(json.loads(sys.argv[1])):
    folder = Path(sys.argv[2], str(at))
    folder.mkdir()
    try:
        config = Config(tokenizer=name)
        told = {"version": libraries(config)[-1]}
        build(None, config, folder)
        told |= {"files": sorted(path.name for path in folder.iterdir())}
        told |= {"config": json.loads((folder / "tokenizer_config.json").read_text())["add_bos_token"]}
    except InputError as error:
        told = {"error": str(error)}
    print(json.dumps(told))
"""


def files(folder: Path, **changes: Any) -> dict[str, bytes]:
    """The files of a model, with a large one that nobody needs."""
    made = write(STYLES["chatml"], folder, **changes)
    return {path.name: path.read_bytes() for path in made.iterdir()} | {"model.safetensors": b"x" * 4096}


def asked(folder: Path, names: tuple[str, ...], **environment: str) -> list[dict[str, Any]]:
    """What the stage makes of some names, in a process whose library is told of the hub."""
    folder.mkdir()
    command = [sys.executable, "-c", PROGRAM, json.dumps(names), str(folder)]
    known = {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_tokenizer_is_fetched_by_name_and_revision_and_stays_when_offline(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    commits = {
        FIRST: files(tmp_path / "one", add_bos_token=True),
        BARE: {"README.md": b"none"},
        LAST: files(tmp_path / "two", add_bos_token=False),
    }
    home = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    with hub(commits) as server:
        main, first, *others = asked(tmp_path / "online", NAMES, HF_ENDPOINT=server.url, HF_HUB_OFFLINE="0", **home)
        fetched = {path for _, path, _ in server.asked}
    assert (main["config"], first["config"]) == (False, True)
    assert main["version"] != first["version"]
    assert main["files"] == first["files"] == ["tokenizer.json", "tokenizer_config.json"]
    assert not any("safetensors" in path for path in fetched)
    for found, says in zip(others, ("has no tokenizer.json", "nobody/none", "no-such"), strict=True):
        assert says in found["error"]
        assert "\n" not in found["error"]
    kept, never = asked(tmp_path / "offline", (NAMES[1], "nobody/none"), HF_HUB_OFFLINE="1", **home)
    assert kept == first
    assert "the hub does not give it" in never["error"]
