"""Speed of a whole deduplication, `datapipe run` beside datatrove's four MinHash steps, over the same documents.

    DATAPIPE_REAL_DATA=... PYTHONPATH=. python tests/peers/minhash_speed.py [COPIES [ROUNDS]]

Both read JSON lines, take words in fives and 14 bands of 8, and write the documents that stay as JSON lines, with two
processes each, from the start of a process to its end, kernels compiled before. Ours verifies candidates besides.
The documents are English pages, and COPIES times the same with their words in other orders, so that these have no near
copies. Rounds of both alternate; medians count. CPU time: that of all processes, looked at ten times a second, which
tells more than wall time where others use the machine.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

import yaml

from tests.benchmarks.near_duplicates import cost_of
from tests.peers.comparing import english_web, peer

ROOT = Path(__file__).parents[2]
SIDE = Path(__file__).with_name("datatrove_minhash_side.py")
PROCESSES = 2


def write_documents(data: Path, folder: Path, copies: int) -> tuple[int, int]:
    """One file a process; returns documents and bytes of text."""
    shuffle = random.Random(5).shuffle
    texts = english_web(data)
    for text in list(texts):
        words = text.split(" ")
        for _ in range(copies):
            shuffle(words)
            texts.append(" ".join(words))
    shuffle(texts)
    folder.mkdir()
    for number in range(PROCESSES):
        with (folder / f"{number}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(
                json.dumps({"text": text, "id": f"{number}-{row}"}) + "\n"
                for row, text in enumerate(texts[number::PROCESSES])
            )
    return len(texts), sum(len(text.encode()) for text in texts)


def seconds(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall time from start to end, and the CPU time of all its processes."""
    cost = cost_of(command, folder / "log", {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"})
    return cost.seconds, cost.cpu


def ours(folder: Path, source: Path) -> list[str]:
    """The command of a run of its own."""
    stages = {
        "docs": {"use": "read.jsonl", "paths": [str(source)], "source": "web"},
        "near": {"use": "dedup.minhash"},
        "kept": {"use": "write.jsonl", "compression": "none"},
    }
    folder.mkdir()
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"run": str(folder / "run"), "stages": stages}))
    return [sys.executable, "-m", "datapipe", "run", str(recipe), "--workers", str(PROCESSES)]


def kept(folder: Path) -> int:
    """Documents in the JSON lines below a folder."""
    return sum(path.read_bytes().count(b"\n") for path in folder.rglob("*.jsonl"))


def main() -> None:
    """Print medians, and the ratio."""
    given = [int(word) for word in sys.argv[1:]]
    copies, rounds = given + [3, 3][len(given) :]
    data = os.environ.get("DATAPIPE_REAL_DATA")
    if not data:
        sys.exit("set DATAPIPE_REAL_DATA to the folder of real data")
    took: dict[str, list[tuple[float, float]]] = {"datapipe": [], "datatrove": []}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        documents, size = write_documents(Path(data), folder / "in", copies)
        print(f"{documents} documents, {size / 1e6:.1f} MB, {PROCESSES} processes", flush=True)
        seconds(ours(folder / "first", folder / "in"), folder)  # compiles what is not compiled yet
        for number in range(rounds):
            mine, theirs = folder / f"ours-{number}", folder / f"theirs-{number}"
            took["datapipe"].append(seconds(ours(mine, folder / "in"), folder))
            command = [str(peer()), str(SIDE), str(folder / "in"), str(theirs), str(PROCESSES)]
            took["datatrove"].append(seconds(command, folder))
            print({name: f"{times[-1][0]:.1f} s, CPU {times[-1][1]:.1f} s" for name, times in took.items()}, flush=True)
            print("kept", {"datapipe": kept(mine / "run" / "kept"), "datatrove": kept(theirs / "kept")}, flush=True)
    for number, what in enumerate(("wall", "CPU")):
        middle = {name: statistics.median(each[number] for each in times) for name, times in took.items()}
        rates = ", ".join(f"{name} {each:.1f} s, {size / each / 1e6:.2f} MB/s" for name, each in middle.items())
        print(f"{what}, medians of {rounds}: {rates}; {middle['datatrove'] / middle['datapipe']:.1f} times")


if __name__ == "__main__":
    main()
