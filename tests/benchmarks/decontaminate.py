"""Speed of decontamination on real texts, in MB of UTF-8 a second of CPU time on one core; build and size of the index.

    DATAPIPE_REAL_DATA=... python -m tests.benchmarks.decontaminate

`clean` texts go through the stage's `process` in batches, with all real items at hand in the index; `items` are
documents made of five items each and nothing else. Rounds of all alternate, and the best of each counts.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from stages.decontaminate import STAGE, Config
from tests.real.benchmark_items import chinese, english, hosts, rows

ROUNDS, ROWS, TOGETHER = 5, 512, 5


def batches(texts: list[str]) -> list[pa.RecordBatch]:
    """As a stage gets them."""
    made = []
    for start in range(0, len(texts), ROWS):
        array: Any = pa.array(texts[start : start + ROWS], pa.large_string())
        made.append(pa.RecordBatch.from_arrays([array, pa.nulls(len(array), pa.string())], names=["text", "url"]))
    return made


def seconds(work: Callable[[], object]) -> float:
    """CPU time it takes once."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Print everything."""
    named = os.environ.get("DATAPIPE_REAL_DATA")
    if not named:
        sys.exit("set DATAPIPE_REAL_DATA to the folder of real data")
    real = Path(named)
    items = english(real) + chinese(real)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.jsonl"
        fields = ("input", "output", "options", "context")
        path.write_text("\n".join(json.dumps({name: getattr(one, name) for name in fields}) for one in items))
        config = Config(benchmarks=(str(path),), action="mark")
        index = Path(folder) / "index"
        index.mkdir()
        assert STAGE.prepare is not None
        for run in ("with compiling what is not", "again"):
            began, before = time.perf_counter(), time.process_time()
            STAGE.prepare.build(config, index)
            print(f"{len(items)} items, index built in {time.perf_counter() - began:.1f} s, {run}", end="; ")
            print(f"{time.process_time() - before:.1f} s of CPU")
        size = sum(each.stat().st_size for each in index.iterdir())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"index {size / 1e6:.0f} MB, memory {memory / 1e6:.2f} GB at most")
        around = hosts(real)
        texts = {
            "English": around["en"],
            "Chinese": around["zh"],
            "PEPs": [row["text"] for row in rows(real / "raw/peps.jsonl.gz")],
            "items": [
                "\n".join(one.input for one in items[at : at + TOGETHER]) for at in range(0, len(items), TOGETHER)
            ],
        }
        given = {name: batches(some) for name, some in texts.items()}
        best = dict.fromkeys(given, float("inf"))
        for _ in range(ROUNDS):
            for name, some in given.items():
                took = seconds(lambda some=some: [STAGE.process(one, config, index) for one in some])  # type: ignore[misc]
                best[name] = min(best[name], took)
        for name, every in texts.items():
            size = sum(len(text.encode()) for text in every)
            print(f"{name}: {size / 1e6:.1f} MB at {size / 1e6 / best[name]:.1f} MB/s")


if __name__ == "__main__":
    main()
