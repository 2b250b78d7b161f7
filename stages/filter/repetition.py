"""Drop documents in which a few words repeat without a break more than a text ever does.

What: the block of 1 to 13 words that stands most often in a row, and how often. Loops of a generator, counters and
filler text hold such runs, and a model that reads them learns to loop. In scripts written without spaces (Chinese,
Japanese, Thai, ...) a block is one of characters. Punctuation between the words is not looked at, nor their case.
`filter.gopher` measures how much of a document is repeated anywhere; this rule finds one long run, however small a
part of the document it is.
Costs: 560 MB/s of English and 350 MB/s of Chinese beside the segmentation that other filters share
(tests/benchmarks/lines_and_peers.py): one pass over the words for each period, no hash table.
Source: the training code of OLMo leaves out what holds periods of 1 to 13 tokens more than 32 times in a row; here
words are counted, since no tokenizer is there yet.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from datapipe.stage import TEXT, Map, StageConfig, above, columns, decide, first_of, measure, schema
from datapipe.text import repeated_periods, segment

REPEATED = "repeated_words"


class Config(StageConfig):
    """How long a block may be, and how often it may stand in a row."""

    max_period: int = measure(13, "words (characters without spaces) in the longest block looked for", ge=1, le=64)
    max_repeats: int | None = decide(32, "times in a row that a block may stand; more leave as repeated_words", ge=1)


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """How often a block stands in a row at most (int32), and its words (int32, the shortest; null if none repeats)."""
    counts = repeated_periods(segment(batch["text"]), range(1, config.max_period + 1))
    most = counts.max(axis=0)
    shortest = (counts.argmax(axis=0) + 1).astype(np.int32)
    return columns(repeats=most, period=pa.array(shortest, mask=most < 2))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents repeat a block too often."""
    return first_of((above(measured["repeats"], config.max_repeats), REPEATED))


STAGE = Map(
    name="filter.repetition",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(repeats=pa.int32(), period=pa.int32()),
    reasons={REPEATED: "a block of words stands more than max_repeats times in a row"},
    libraries=("datapipe.text",),
    process=process,
    decide=decide_reasons,
)
