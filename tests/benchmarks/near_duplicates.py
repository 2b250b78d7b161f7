"""What dedup.minhash costs as the corpus grows: a table of seconds and of the most memory, over made-up documents.

    PYTHONPATH=. python tests/benchmarks/near_duplicates.py [KEY_ROWS ...]

By default 0.1, 0.3, 1, 3 and 10 million rows of keys, 14 a document of 40 words. A quarter of the documents are near
copies, in clusters of two to nine, and one text is copied a hundred times. `datapipe run` is timed from its start to
its end, by itself for the stage: reading the documents comes before. Memory: the most that all its processes hold
together, and the most of any of them, looked at ten times a second; pages that processes share count in each.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow.parquet as pq
import yaml

BANDS = 14
WORDS = 40
SHARED = 9  # the most documents of a cluster, but for one
HUB = 100
FILES = 8
STEPS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)


class Cost(NamedTuple):
    """Of a command: wall time, CPU time of all its processes, bytes of all of them and of the largest."""

    seconds: float
    cpu: float
    together: int
    largest: int


def write_documents(folder: Path, count: int) -> int:
    """JSON lines of `count` documents; returns how many of them are near copies of an earlier one."""
    random = np.random.default_rng(count)
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)
    words = np.full((20_000, 8), ord(" "), np.uint8)
    words[:, :7] = letters[random.integers(0, 26, (len(words), 7))]
    texts = random.integers(0, len(words), (count, WORDS), dtype=np.uint16)
    copies = _copy(texts, random)
    folder.mkdir()
    order = random.permutation(count)
    for number, part in enumerate(np.array_split(order, FILES)):
        with (folder / f"{number}.jsonl").open("wb") as file:
            file.writelines(b'{"text": "%s"}\n' % words[texts[row]].tobytes() for row in part)
    return copies


def _copy(texts: npt.NDArray[np.uint16], random: np.random.Generator) -> int:
    """Make clusters: near copies have another last word, which changes one of 36 shingles."""
    count, row, copies = len(texts), 0, 0
    sizes = [min(HUB, count // 4), *random.integers(2, SHARED + 1, count // 8).tolist()]
    for size in sizes:
        if copies > count // 4:
            break
        texts[row + 1 : row + size] = texts[row]
        texts[row : row + size, -1] = np.arange(size)
        row += size
        copies += size - 1
    return copies


def cost_of(command: list[str], log: Path, environment: dict[str, str] | None = None) -> Cost:
    """Carry it out, and watch."""
    began = time.perf_counter()
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file, env=environment) as run:
        cpu, together, largest = _watch(run)
    if run.returncode:
        sys.exit(log.read_text()[-2000:])
    return Cost(time.perf_counter() - began, cpu, together, largest)


def _watch(run: subprocess.Popen[bytes]) -> tuple[float, int, int]:
    together = largest = 0
    spent: dict[int, float] = {}
    process = psutil.Process(run.pid)
    while run.poll() is None:
        sizes = [0]
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended since
            for one in [process, *process.children(recursive=True)]:
                sizes.append(one.memory_info().rss)
                times = one.cpu_times()
                spent[one.pid] = times.user + times.system
        together, largest = max(together, sum(sizes)), max(largest, *sizes)
        time.sleep(0.1)
    return sum(spent.values()), together, largest


def run_of(folder: Path, recipe: Path, *stages: str) -> Cost:
    """What a run costs."""
    return cost_of([sys.executable, "-m", "datapipe", "run", str(recipe), *stages], folder / "log")


def left(folder: Path) -> int:
    """Documents that the stage `near` removed."""
    reasons = sorted((folder / "run" / "near").glob("*.reasons.parquet"))
    return sum(pq.read_table(path, columns=["reason"])["reason"].drop_null().length() for path in reasons)


def measure(folder: Path, key_rows: int) -> tuple[int, int, Cost]:
    """Documents, how many of them must leave, and what the stage costs."""
    documents = key_rows // BANDS
    copies = write_documents(folder / "in", documents)
    recipe = folder / "recipe.yaml"
    stages = {
        "docs": {"use": "read.jsonl", "paths": [str(folder / "in")], "source": "made", "shard_bytes": "32MB"},
        "near": {"use": "dedup.minhash"},
    }
    recipe.write_text(yaml.safe_dump({"run": str(folder / "run"), "stages": stages}))
    run_of(folder, recipe, "docs")
    return documents, copies, run_of(folder, recipe)


def main() -> None:
    """Print the table."""
    print("key rows | documents | seconds | CPU s | rows/s | all processes MB | largest MB | left | planted")
    for key_rows in [int(word) for word in sys.argv[1:]] or STEPS:
        with tempfile.TemporaryDirectory() as folder:
            documents, copies, cost = measure(Path(folder), key_rows)
            gone = left(Path(folder))
        memory = f"{cost.together / 1e6:.0f} | {cost.largest / 1e6:.0f}"
        rate = f"{key_rows / cost.seconds:.0f}"
        print(
            f"{key_rows} | {documents} | {cost.seconds:.1f} | {cost.cpu:.1f} | {rate} | {memory} | {gone} | {copies}",
            flush=True,
        )


if __name__ == "__main__":
    main()
