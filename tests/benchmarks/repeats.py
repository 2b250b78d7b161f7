"""How fast parts of texts that stand elsewhere are found and cut: MB/s of UTF-8 a core, and bytes in the exchange.

    DATAPIPE_REAL_DATA=FOLDER python -m tests.benchmarks.repeats

`dedup.substring`, by words and characters, and `match: ngrams` of `dedup.lines` and `dedup.paragraphs`, on English
(PEPs, of which many repeat each other) and Chinese (OI-wiki) texts. Each function of a stage by itself, over the texts
that it was given: `emit` sees all, `measure` and `answer` those that may have copies, `apply` all; with the
segmentation and beside it, the best of some rounds, in CPU time. Sorting and files of the exchange are the
framework's, and not in it.
Then the parts that they are made of, and which share of n-grams of several sizes stands in an earlier document.
"""

from __future__ import annotations

import gzip
import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.hash_sets import are_first, are_in
from datapipe.algo.rolling import fixed_ends, rolled, word_hashes
from datapipe.algo.winnowing import HIGH, HashedRuns, Runs
from datapipe.registry import Registry
from datapipe.stage import Group
from datapipe.text import forget, normal_form, segment
from datapipe.text.buffers import view_bytes
from datapipe.text.cutting import without
from tests.real.machine import human, real_data_folder
from tests.stages.dedup.exchange import judged

ROUNDS = 5
ROWS = 256
TEXTS = {"en": "dedup-peps/docs.jsonl.gz", "zh": "raw/oiwiki_zh.jsonl.gz"}
CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("dedup.substring", {}),
    ("dedup.substring", {"unit": "characters"}),
    ("dedup.lines", {"match": "ngrams"}),
    ("dedup.paragraphs", {"match": "ngrams"}),
    ("dedup.lines", {}),
    ("dedup.paragraphs", {}),
)


class Clock:
    """Seconds and bytes of text of each function of a stage, and rows that it gave."""

    def __init__(self, *, warm: bool) -> None:
        self.warm = warm
        self.seconds: dict[str, float] = defaultdict(float)
        self.bytes: dict[str, int] = defaultdict(int)
        self.rows: dict[str, int] = defaultdict(int)

    def timed(self, name: str, work: Callable[..., pa.RecordBatch]) -> Callable[..., pa.RecordBatch]:
        """The same function, with its time taken."""

        def call(batch: pa.RecordBatch, *more: Any) -> pa.RecordBatch:
            forget()
            if self.warm and "text" in batch.schema.names:
                pieces = segment(batch["text"])
                _ = pieces.words, pieces.lines
            began = time.process_time()
            made = work(batch, *more)
            self.seconds[name] += time.process_time() - began
            self.bytes[name] += batch["text"].nbytes if "text" in batch.schema.names else 0
            self.rows[name] += made.num_rows
            return made

        return call

    def rate(self, name: str) -> float:
        """MB/s."""
        return self.bytes[name] / self.seconds[name] / 1e6


def one_round(stage: Group, config: Any, shards: list[pa.RecordBatch], *, warm: bool) -> Clock:
    """Everything once."""
    clock = Clock(warm=warm)
    rounds = [
        replace(
            each,
            emit=clock.timed("emit", each.emit) if each.emit else None,
            answer=clock.timed("answer", each.answer) if each.answer else None,
        )
        for each in stage.rounds
    ]
    timed = replace(stage, rounds=tuple(rounds), apply=clock.timed("apply", stage.apply))
    if stage.measure is not None:
        timed = replace(timed, measure=clock.timed("measure", stage.measure))
    judged(timed, config, shards, cut=65_536)
    clock.bytes["answer"] = clock.bytes["measure"]  # of the same documents
    return clock


def _fingerprints(runs: HashedRuns) -> Any:
    return runs.fingerprints(every=False)


def _first_by_sorting(hashes: Any) -> Any:
    return np.unique(hashes, return_index=True)


def report_parts(shards: list[pa.RecordBatch]) -> None:
    """Parts of the stages, and what numpy takes for the same."""
    spent: dict[str, float] = defaultdict(float)
    count = 0

    def timed(name: str, work: Callable[..., Any], *given: Any) -> Any:
        took = []
        for _ in range(ROUNDS):
            began = time.process_time()
            made = work(*given)
            took.append(time.process_time() - began)
        spent[name] += min(took)
        return made

    for shard in shards:
        texts = shard["text"]
        form = timed("normal form", normal_form, texts)
        words = timed("hashes of words", word_hashes, form)
        bounds, size = (form.first, form.last), len(words)
        ends = timed("fixed_ends", fixed_ends, bounds, size, 13)
        grams = timed("rolled", rolled, words, bounds, ends, HIGH)
        runs = Runs.of_words(texts, segment(texts), 50).hashed
        timed("fingerprints of words", _fingerprints, runs)
        timed("are_first", are_first, grams)
        timed("np.unique with indexes", _first_by_sorting, grams)
        timed("are_in", are_in, grams, grams[::10])
        timed("np.isin", np.isin, grams, grams[::10])
        view = view_bytes(texts)
        timed("without the second halves", without, texts, (view.starts + view.ends) // 2, view.ends)
        count += size
    print("  ns a word: " + ", ".join(f"{name} {took / count * 1e9:.1f}" for name, took in spent.items()))


def report_ngrams(texts: list[str]) -> None:
    """Which share of the n-grams of a document's paragraphs stands in an earlier document."""
    whole = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    stage: Any = Registry().load("dedup.paragraphs")
    line = []
    for size in (8, 13, 20):
        config = stage.config(match="ngrams", ngram=size)
        (found,) = judged(stage, config, [whole], cut=65_536)
        cut = int(pc.sum(found["paragraphs"]).as_py())
        line.append(f"{size}: {pc.mean(found['seen']).as_py():.2%} seen, {cut} paragraphs cut")
    print("  n-grams of " + "; ".join(line))


def read(path: Path) -> list[pa.RecordBatch]:
    """Texts in batches."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    ids = pa.array([str(number) for number in range(len(texts))])
    whole = pa.record_batch({"text": pa.array(texts, pa.large_string()), "id": ids})
    return [
        whole.slice(start, ROWS).take(pa.array(range(min(ROWS, len(texts) - start))))
        for start in range(0, len(texts), ROWS)
    ]


def main() -> None:
    """Print a table."""
    data = real_data_folder()
    for code, name in TEXTS.items():
        shards = read(data / name)
        size = sum(shard["text"].nbytes for shard in shards)
        print(f"{code} {name}: {size / 1e6:.1f} MB")
        for use, options in CASES:
            stage: Any = Registry().load(use)
            config = stage.config(**options)
            cold, warm = (
                [one_round(stage, config, shards, warm=is_warm) for _ in range(ROUNDS)] for is_warm in (False, True)
            )
            parts = [
                f"{each} {max(c.rate(each) for c in cold):6.1f} MB/s, beside the segmentation "
                f"{max(c.rate(each) for c in warm):6.1f}, of {cold[0].bytes[each] / size:.0%} of the text, "
                f"{cold[0].rows[each] / size:.3f} rows a byte"
                for each in ("emit", "measure", "answer", "apply")
                if cold[0].bytes[each]
            ]
            print(f"  {use} {options}\n    " + "\n    ".join(parts))
        report_parts(shards)
    print("documents of WCXB (en) and OI-wiki (zh)")
    report_ngrams(human(data, chinese=False)["wcxb"])
    report_ngrams(human(data, chinese=True)["oiwiki"])


if __name__ == "__main__":
    main()
