"""How fast conversations get templates and shots, and what becomes of their reasoning: documents/s of one process.

    DATAPIPE_REAL_DATA=FOLDER python -m tests.benchmarks.flan

On copies of real instructions and questions with reasoning, read once; each stage alone, and beside it in
the same rounds what `chat.validate` takes for the same batches. Medians over rounds of CPU time.
"""

from __future__ import annotations

import gzip
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from datapipe.algo.turns import turns_of
from stages.chat import reasoning, shots, templates, validate
from stages.chat.shots import _pool as pooling
from stages.read import conversations
from tests.real.machine import real_data_folder

FILES = ("llamafactory/alpaca_en_demo", "llamafactory/alpaca_zh_demo", "llamafactory/v1_sft_demo")
COPIES, ROUNDS = 6, 5


def corpus(folder: Path) -> list[pa.RecordBatch]:
    """Batches of all conversations, with ids."""
    for name in FILES:
        data = gzip.decompress((real_data_folder() / "sft" / f"{name}.jsonl.gz").read_bytes()).strip() + b"\n"
        (folder / f"{Path(name).name}.jsonl").write_bytes(data * COPIES)
    config = conversations.Config(paths=(str(folder),), source="instruction")
    found: list[pa.RecordBatch] = []
    number = 0
    for split in conversations.splits(config):
        for batch in conversations.read(split, config, 0):
            ids = pa.array([f"{number + row:032x}" for row in range(len(batch))])
            number += len(batch)
            nobody: Any = pa.nulls(len(batch), pa.string())
            found.append(batch.append_column("id", ids).append_column("language", nobody))
    return found


def _reasoned(config: reasoning.Config, batch: pa.RecordBatch) -> pa.RecordBatch:
    return reasoning.process(batch, config, None)


def main() -> None:
    """Print one line a stage."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "in").mkdir()
        batches = corpus(folder / "in")
        few, many = (shots.Config(part=None, apart=(), style=style, zero_shot=0) for style in ("turns", "prompt"))
        began = time.process_time()
        made = [pooling.sketch(batch, few) for batch in batches]
        pool = pooling.merge(made)
        sketched = time.process_time() - began
        pooling.build(pool, few, folder)
        one, three = templates.Config(), templates.Config(copies=3, inverted=0.1)
        policies = {name: reasoning.Config.model_validate({"policy": name}) for name in ("train", "mask", "strip")}
        calls: dict[str, Callable[[pa.RecordBatch], Any]] = {
            "chat.validate": lambda batch: validate.process(batch, validate.Config(languages=False), None),
            "chat.templates": lambda batch: templates.expand(batch, one, None),
            "chat.templates, 3 copies, some inverted": lambda batch: templates.expand(batch, three, None),
            "chat.shots": lambda batch: shots.process(batch, few, folder),
            "chat.shots, style: prompt": lambda batch: shots.process(batch, many, folder),
            **{f"chat.reasoning, {name}": partial(_reasoned, config) for name, config in policies.items()},
        }
        count = sum(map(len, batches))
        size = sum(batch["messages"].nbytes for batch in batches)
        single = sum(int(turns_of(batch["messages"]).exchanges().sum()) for batch in batches)
        print(f"{count:,} conversations, {single:,} of one question and answer, {size / 1e6:.1f} MB")
        print(f"pool of {len(pool)} shots: {count / sketched:,.0f}/s")
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(ROUNDS):
            for name, call in calls.items():
                began = time.process_time()
                for batch in batches:
                    call(batch)
                times[name].append(time.process_time() - began)
        base = times["chat.validate"]
        for name, seconds in times.items():
            ratio = statistics.median(mine / theirs for mine, theirs in zip(seconds, base, strict=True))
            rate = count / statistics.median(seconds)
            print(f"{name:40} {rate:9,.0f} documents/s, {ratio:.2f} of the time of chat.validate")


if __name__ == "__main__":
    main()
