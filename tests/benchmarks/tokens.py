"""Tokenising against `tokenizers` itself: the stage's `process` beside a bare `encode_batch`, on one core.

    DATAPIPE_REAL_DATA=... python tests/benchmarks/tokens.py FOLDER_OF_A_TOKENIZER

Texts come in batches of 256, as the engine cuts them; both sides in turn in one process, the median of the rounds'
ratios of CPU time. `encode_batch` is called as trainers do, on the texts of the batch; `encode_batch_fast` leaves out
offsets. Conversations are held against what a user does: rendering each once with Jinja's sandbox, and `encode_batch`
of the texts; and against `encode_batch` alone.
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

import jinja2.ext
import jinja2.sandbox
import pyarrow as pa
import tokenizers

from stages.tokenize import Config, build, process
from stages.tokenize._marked import talk_of
from stages.tokenize._train import merge
from tests.stages.tokenize.talks import batch_of, batch_of_texts, real

ROUNDS = 5
ROWS = 256
EVERY = 3  # conversation of the real ones
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
        told = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        conversations(list(real(data))[::EVERY], stage, bare, told)


def never(_text: str) -> bool:
    """No text is put aside."""
    return False


def conversations(talks: list[Any], stage: Callable[..., Any], bare: Callable[..., Any], told: dict[str, Any]) -> None:
    """The figures of conversations; `told`: tokenizer_config.json."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    template = environment.from_string(told["chat_template"])
    tokens = {name: told[name] for name in ("bos_token", "eos_token") if told.get(name)}
    given = [
        (talk_of((messages, json.loads(tools or "null") or None), never, "\x00", texts=False, thinks=False))
        for messages, tools in talks
    ]

    def rendered() -> list[str]:
        return [template.render(messages=each.messages[0], tools=each.tools[0], **tokens) for each in given]

    texts = rendered()
    parts = [texts[at : at + ROWS] for at in range(0, len(texts), ROWS)]

    def used() -> None:
        texts = rendered()
        bare([texts[at : at + ROWS] for at in range(0, len(texts), ROWS)], fast=False)

    size = sum(len(text.encode()) for text in texts)
    ways: dict[str, Callable[[], Any]] = {
        "rendering and encode_batch": used,
        "encode_batch": partial(bare, parts, fast=False),
        "encode_batch_fast": partial(bare, parts, fast=True),
    }
    compare(f"{len(texts)} conversations", partial(stage, cut(batch_of(talks))), ways, size)


if __name__ == "__main__":
    main()
