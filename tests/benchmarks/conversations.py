"""How fast conversations are read, checked and written: MB/s of their JSON and CPU time of one process.

    DATAPIPE_REAL_DATA=FOLDER python -m tests.benchmarks.conversations

On eight copies of English conversations of six forms; beside it, what `read.jsonl` takes for the same lines.
"""

from __future__ import annotations

import gzip
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.chat import validate
from stages.read import conversations, jsonl
from stages.write import conversations as writing
from tests.real.machine import real_data_folder

FILES = (
    "llamafactory/alpaca_en_demo",
    "llamafactory/glaive_toolcall_en_demo",
    "llamafactory/v1_sft_demo",
    "llamafactory/dpo_en_demo",
    "llamafactory/kto_en_demo",
    "fastchat_dummy_conversation",
)
COPIES, ROUNDS = 8, 5


def main() -> None:
    """Print one line a stage."""
    parts = [gzip.decompress((real_data_folder() / "sft" / f"{name}.jsonl.gz").read_bytes()) for name in FILES]
    data = b"\n".join(part.strip() for part in parts * COPIES) + b"\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "talks.jsonl")
        path.write_bytes(data)
        talks = conversations.Config(paths=(str(path),), source="s")
        lines = jsonl.Config(paths=(str(path),), source="s")
        (split,) = conversations.splits(talks)
        found: list[Any] = list(conversations.read(split, talks, 0))
        pairs = [batch.select(["messages", "rejected"]) for batch in found]
        whole = [batch.select(list(writing.READS)) for batch in found]
        plain = writing.Config(compression="none")
        calls: dict[str, Callable[[], Any]] = {
            "read.jsonl": lambda: list(jsonl.read(split, lines, 0)),
            "read.conversations": lambda: list(conversations.read(split, talks, 0)),
            "chat.validate": lambda: [validate.process(batch, validate.Config(), None) for batch in pairs],
            "chat.validate, languages: false": lambda: [
                validate.process(batch, validate.Config(languages=False), None) for batch in pairs
            ],
            "write.conversations, compression: none": lambda: writing.write(iter(whole), io.BytesIO(), plain),
        }
        turns = sum(len(batch["messages"].flatten()) for batch in found)
        print(f"{len(data) / 1e6:.1f} MB, {sum(map(len, found)):,} conversations, {turns:,} turns")
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(ROUNDS):
            for name, call in calls.items():
                began = time.process_time()
                call()
                times[name].append(time.process_time() - began)
        for name, some in times.items():
            print(f"{name:40} {len(data) / 1e6 / statistics.median(some):6.1f} MB/s")


if __name__ == "__main__":
    main()
