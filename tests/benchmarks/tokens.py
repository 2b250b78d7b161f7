"""Tokenising against `tokenizers` itself: the stage's `process` beside a bare `encode_batch`, on one core.

    DATAPIPE_REAL_DATA=... python tests/benchmarks/tokens.py FOLDER_OF_A_TOKENIZER

Texts come in batches of 256, as the engine cuts them; both sides in turn in one process, the median of the rounds'
ratios of CPU time. `encode_batch` is called as trainers do, on the texts of the batch; `encode_batch_fast` leaves out
offsets. Conversations are held against `encode_batch_fast` on the text as it is rendered.
"""

import gzip
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import tokenizers

from stages.tokenize import Config, build, process
from stages.tokenize._train import merge
from tests.stages.tokenize.talks import batch_of, batch_of_texts, real

ROUNDS = 3
ROWS = 256
EVERY = 10  # conversation of the real ones
NAMES = ("c4_demo_300", "oiwiki_zh")


def seconds(work: Callable[[], Any]) -> float:
    """CPU seconds, of all threads."""
    before = time.process_time()
    work()
    return time.process_time() - before


def cut(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """Batches of some rows."""
    return [batch.slice(at, ROWS) for at in range(0, len(batch), ROWS)]


def compare(name: str, mine: Callable[[], Any], theirs: dict[str, Callable[[], Any]], size: int) -> None:
    """Speed of mine, and by name what it is of theirs."""
    mine()
    rounds = [(seconds(mine), {name: seconds(work) for name, work in theirs.items()}) for _ in range(ROUNDS)]
    speed = size / 1e6 / statistics.median(own for own, _ in rounds)
    told = [f"{statistics.median(others[other] / own for own, others in rounds):.0%} of {other}" for other in theirs]
    print(f"{name}: {size / 1e6:.1f} MB, {speed:.1f} MB/s a core; {', '.join(told)}")


def main() -> None:
    """Print the figures."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    data = Path(os.environ["DATAPIPE_REAL_DATA"])
    config = Config(tokenizer=sys.argv[1])
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        build(merge([]), config, folder)
        whole = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))

        def stage(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
            return [process(batch, config, folder) for batch in batches]

        def bare(texts: list[Any], *, fast: bool) -> None:
            encode = whole.encode_batch_fast if fast else whole.encode_batch
            for some in texts:
                encode(some, add_special_tokens=False)

        for name in NAMES:
            (path,) = data.rglob(f"{name}.jsonl.gz")
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                texts = [json.loads(line)["text"] for line in lines]
            size = sum(len(text.encode()) for text in texts)
            batches = cut(batch_of_texts(list(texts)))
            parts = [batch["text"].to_pylist() for batch in batches]
            ways: dict[str, Callable[[], Any]] = {
                "encode_batch": partial(bare, parts, fast=False),
                "encode_batch_fast": partial(bare, parts, fast=True),
            }
            compare(name, partial(stage, batches), ways, size)
        batches = cut(batch_of(list(real(data))[::EVERY]))
        rows = [row for batch in stage(batches) for row in batch["tokens"].to_pylist() if row]
        rendered = [whole.decode(row, skip_special_tokens=False) for row in rows]
        size = sum(len(text.encode()) for text in rendered)
        ways = {
            "encode_batch": partial(bare, [rendered], fast=False),
            "encode_batch_fast": partial(bare, [rendered], fast=True),
        }
        compare(f"{len(rows)} conversations", partial(stage, batches), ways, size)


if __name__ == "__main__":
    main()
