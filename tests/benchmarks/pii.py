"""How fast personal data is found beside presidio, and how much of it: MB/s of UTF-8 of one process, recall by entity.

    DATAPIPE_REAL_DATA=FOLDER python -m tests.benchmarks.pii

Same entities and texts for both, context words on; what is remembered of telephone numbers and words is forgotten
before each round, patterns and kernels stay compiled. Recall and precision are those of spans on presidio-research's
synthetic sentences: a span counts as found when one of its entity overlaps it.
"""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from datapipe.algo.pii import context, phones
from datapipe.algo.pii.detector import Wanted, detect
from datapipe.algo.pii.finder import find
from datapipe.algo.pii.found import FAST
from datapipe.algo.pii.mended import find_mended
from datapipe.algo.pii.phones import REGIONS
from stages.mask.pii import ENTITIES
from tests.algo.pii.oracle import presidio_answers
from tests.real.machine import real_data_folder

ROUNDS = 3
MEMORIES = (
    *(phones._possible, phones._is_number, phones._in_window),
    *(context._is_keyword, context._is_plain, context._parts, context._words),
)
QUICK = tuple(FAST)
ALL = Wanted(ENTITIES, REGIONS, 0.4, faithful=False, public_only=True)


def records(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def seconds(call: Callable[[], Any]) -> float:
    """CPU seconds of the best round, nothing remembered."""
    best = float("inf")
    for _ in range(ROUNDS):
        for memory in MEMORIES:
            memory.cache_clear()
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
    return best


def speeds(name: str, values: list[str], *, beside: int) -> None:
    """MB/s of each way to find, and of presidio on one of every `beside` texts."""
    texts = pa.array(values, pa.large_string())
    size = sum(len(value.encode()) for value in values) / 1e6
    some = values[::beside]
    began = time.process_time()
    for value in some:
        presidio_answers(value)
    theirs = sum(len(value.encode()) for value in some) / 1e6 / (time.process_time() - began)
    ways: dict[str, Callable[[], Any]] = {
        "like presidio": lambda: find(texts, QUICK, REGIONS),
        "mended": lambda: find_mended(texts, QUICK, REGIONS, public_only=True),
        "all default entities": lambda: detect(texts, ALL),
    }
    print(f"{name}: {len(values)} texts, {size:.1f} MB; presidio {theirs:.3f} MB/s")
    for way, call in ways.items():
        mine = size / seconds(call)
        print(f"  {way:22} {mine:6.1f} MB/s, {mine / theirs:5.0f} x presidio")


def recall(rows: list[dict[str, Any]]) -> None:
    """Spans found of those labelled, by entity, and of those found how many are labelled as anything."""
    texts = pa.array([row["full_text"] for row in rows], pa.large_string())
    both = {
        "like presidio": find(texts, QUICK, REGIONS),
        "mended": find_mended(texts, QUICK, REGIONS, public_only=False),
    }
    for way, everything in both.items():
        labelled, hit, made, right = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        for number, row in enumerate(rows):
            mine = [each for each in everything.get(number, []) if each.score >= 0.4]
            gold = [(span["entity_type"], span["start_position"], span["end_position"]) for span in row["spans"]]
            for entity, start, end in gold:
                if entity in FAST:
                    labelled[entity] += 1
                    hit[entity] += any(e.entity == entity and e.start < end and start < e.end for e in mine)
            for each in mine:
                made[each.entity] += 1
                right[each.entity] += any(g[0] == each.entity and each.start < g[2] and g[1] < each.end for g in gold)
        for entity in sorted(labelled):
            got = f"recall {hit[entity]}/{labelled[entity]} = {hit[entity] / labelled[entity]:.3f}"
            print(f"  {way:14} {entity:14} {got}, precision {right[entity]}/{made[entity]}")


def main() -> None:
    """All figures."""
    data = real_data_folder()
    web = [row.get("main_content") or row.get("text") or "" for row in records(data / "extract-wcxb/gold.jsonl.gz")]
    chinese = [row["text"] for row in records(data / "raw/oiwiki_zh.jsonl.gz")]
    find_mended(pa.array([" ".join(web[:200])], pa.large_string()), QUICK, REGIONS, public_only=True)
    find(pa.array([" ".join(web[:200])], pa.large_string()), QUICK, REGIONS)
    speeds("English web pages", web, beside=5)
    speeds("Chinese wiki", chinese, beside=3)
    recall(records(data / "pii-presidio/synth_dataset_v2.jsonl.gz"))


if __name__ == "__main__":
    main()
