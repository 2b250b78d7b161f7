"""Keep documents of a sensible length.

Very short texts hold no dependencies to model; very long ones are mostly dumps and logs. In scripts written
without spaces (Chinese, Japanese, Thai, ...) each character counts as one word.
Costs nothing beside other filters: the counts come from the batch's segmentation (100 MB/s if it is the first).
Source: Rae et al. 2021 (Gopher), Table A1.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.stage import TEXT, Map, StageConfig, above, below, columns, decide, first_of, schema
from datapipe.text import segment

TOO_FEW_WORDS = "too_few_words"
TOO_MANY_WORDS = "too_many_words"


class Config(StageConfig):
    """Bounds on the number of words, both inclusive."""

    min_words: int | None = decide(50, "words; fewer leave as too_few_words", ge=0)
    max_words: int | None = decide(100_000, "words; more leave as too_many_words", ge=0)


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Word count of each document (int32)."""
    return columns(words=segment(batch["text"]).words_per_document())


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents are too short or too long."""
    words = measured["words"]
    return first_of((below(words, config.min_words), TOO_FEW_WORDS), (above(words, config.max_words), TOO_MANY_WORDS))


STAGE = Map(
    name="filter.length",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(words=pa.int32()),
    reasons={TOO_FEW_WORDS: "fewer words than min_words", TOO_MANY_WORDS: "more words than max_words"},
    libraries=("datapipe.text",),
    process=process,
    decide=decide_reasons,
)
