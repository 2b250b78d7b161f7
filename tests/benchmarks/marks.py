"""How fast the stages of `mark` and those that cut lines or paragraphs are: MB/s of UTF-8 and CPU time of one process.

    DATAPIPE_REAL_DATA=FOLDER python -m tests.benchmarks.marks

On English (WCXB) and Chinese (OI-wiki) texts, the segmentation included and then beside it. Of Groups, `emit` alone.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from datapipe.algo.mentions import associated
from datapipe.registry import Registry
from datapipe.text import forget, normal_form, segment
from tests.real.machine import human, real_data_folder

STAGES = (
    "dedup.host_lines",
    "dedup.lines",
    "dedup.paragraphs",
    "mark.templates",
    "mark.machine_text",
    "mark.spam",
    "mark.bias",
)
ROUNDS = 5
ROWS = 256


def batches(texts: list[str], code: str) -> list[pa.RecordBatch]:
    """The texts as pages of a hundred hosts."""
    found = []
    for start in range(0, len(texts), ROWS):
        some = texts[start : start + ROWS]
        urls = pa.array([f"https://host{n % 100}.example/{n}" for n in range(len(some))])
        codes = pa.array([code] * len(some))
        found.append(pa.record_batch({"text": pa.array(some, pa.large_string()), "language": codes, "url": urls}))
    return found


def seconds(call: Callable[[pa.RecordBatch], Any], parts: list[pa.RecordBatch], *, warm: bool) -> float:
    """CPU seconds over all batches, the median of some rounds; `warm`: the words and lines were found before."""
    times = []
    for _ in range(ROUNDS):
        spent = 0.0
        for part in parts:
            forget()
            if warm:
                pieces = segment(part["text"])
                _ = (pieces.words, pieces.lines)
            began = time.process_time()
            call(part)
            spent += time.process_time() - began
        times.append(spent)
    return statistics.median(times)


def main() -> None:
    """Print a table."""
    data = real_data_folder()
    sets = {"en": human(data, chinese=False)["wcxb"], "zh": human(data, chinese=True)["oiwiki"]}
    for code, texts in sets.items():
        parts = batches(texts, code)
        size = sum(len(text.encode()) for text in texts) / 1e6
        for name in STAGES:
            stage: Any = Registry().load(name)
            config = stage.config()
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                if stage.prepare is not None:
                    stage.prepare.build(config, place)
                work = stage.process if stage.kind == "Map" else stage.rounds[0].emit
                rates = [size / seconds(lambda part: work(part, config, place), parts, warm=w) for w in (False, True)]  # noqa: B023 - called at once
            print(f"{code} {name:<18} {rates[0]:6.1f} MB/s, beside the segmentation {rates[1]:6.1f}")
        form = size / seconds(lambda part: normal_form(part["text"]), parts, warm=True)
        print(f"{code} normal_form        beside the segmentation {form:6.1f} MB/s")
        groups = pa.array([["all"]] * ROWS, pa.list_(pa.string()))

        def read(parts: list[pa.RecordBatch] = parts, groups: Any = groups) -> list[pa.RecordBatch]:
            forget()
            return [pa.record_batch({"text": part["text"], "groups": groups[: len(part)]}) for part in parts]

        began = time.process_time()
        associated(read, "groups")
        print(f"{code} associated         {size / (time.process_time() - began):6.1f} MB/s")


if __name__ == "__main__":
    main()
