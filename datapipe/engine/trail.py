"""Where each worker was last: stage, shard, row and memory, in a small file that outlives the worker.

A process that is killed says nothing; this file says it for it. One write of a few bytes a batch and stage.
"""

from __future__ import annotations

import functools
import json
import os
import time
from pathlib import Path
from typing import Any

import psutil

from datapipe.corpus.store import Store

__all__ = ["last_seen", "log", "mark"]


@functools.lru_cache(maxsize=4)
def _file(run: str, process: int) -> int | None:
    store = Store(run)
    if not store.local:
        return None
    folder = Path(store.path("logs"))
    folder.mkdir(parents=True, exist_ok=True)
    return os.open(folder / f"worker-{process}.last", os.O_WRONLY | os.O_CREAT, 0o644)


def mark(run: str, stage: str, shard: str, row: int) -> None:
    """Note what this process is about to do."""
    file = _file(run, os.getpid())
    if file is not None:
        memory = psutil.Process().memory_info().rss >> 20
        line = json.dumps(
            {"stage": stage, "shard": shard, "row": row, "memory_mib": memory, "time": round(time.time(), 1)}
        )
        os.pwrite(file, line.ljust(300).encode(), 0)


def log(store: Store, stage: str, shard: str, events: list[dict[str, Any]]) -> None:
    """Write what befell some documents of a shard as JSON lines: rows, reasons and kinds of error, never text."""
    lines = "".join(json.dumps({"stage": stage, **event}) + "\n" for event in events)
    store.write(f"logs/{stage}.{shard}.jsonl", lines.encode())


def last_seen(run: str) -> str:
    """What the workers that are gone did last, in words."""
    gone = []
    for path in Path(Store(run).path("logs")).glob("worker-*.last"):
        process = int(path.stem.split("-")[1])
        if not psutil.pid_exists(process):
            seen = json.loads(path.read_text())
            where = f"at {seen['stage']}, shard {seen['shard']}, row {seen['row']}"
            gone.append((seen["time"], f"{where}, with {seen['memory_mib']} MiB ({path})"))
    return f"last seen {max(gone)[1]}" if gone else "nothing is known of them"
