"""Logs of a run, as JSON lines: what each task did, what befell documents, and where each worker was last.

A process that is killed says nothing; the file with the stage, shard and row that it was at says it for it.
One write of a few bytes a batch and stage, and a line a record. Logs hold numbers and names, never text.
"""

from __future__ import annotations

import functools
import json
import os
import time
from pathlib import Path
from typing import Any

import psutil

from datapipe.corpus.record import Record
from datapipe.corpus.store import Store

__all__ = ["last_seen", "log", "log_records", "mark"]


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


def log_records(store: Store, records: list[Record]) -> None:
    """Add what a task did to `logs/tasks.jsonl`, where the run lies on a local disk."""
    if not store.local or not records:
        return
    path = Path(store.path("logs/tasks.jsonl"))
    path.parent.mkdir(parents=True, exist_ok=True)
    now = round(time.time(), 1)
    lines = [
        json.dumps(
            {
                "time": now,
                "stage": record.stage,
                "shard": record.shard,
                "documents_in": record.incoming.documents,
                "documents_kept": record.kept.documents,
                "measured": record.work.processed,
                "read_again": record.work.reread,
                "seconds": record.work.seconds,
            }
        )
        for record in records
    ]
    with path.open("a", encoding="utf-8") as file:
        file.write("\n".join([*lines, ""]))


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
