"""Keep documents of a sensible length.

Very short texts hold no dependencies to model; very long ones are mostly dumps and logs. In scripts written
without spaces (Chinese, Japanese, Thai, ...) each character counts as one word.
Costs nothing beside other filters: the counts come from the batch's segmentation (100 MB/s if it is the first).
Source: Rae et al. 2021 (Gopher), Table A1.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pyarrow as pa

from datapipe.stage import TEXT, Map, StageConfig, above, below, columns, first_of, place, schema
from datapipe.text import segment
from datapipe.text.thresholds import Count, by_language, is_by_language, thresholds, thresholds_library

NAME = "filter.length"

TOO_FEW_WORDS = "too_few_words"
TOO_MANY_WORDS = "too_many_words"


class Config(StageConfig):
    """Bounds on the number of words, both inclusive."""

    min_words: Count = by_language(50, "words; fewer leave as too_few_words", default=50, fit=False)
    max_words: Count = by_language(100_000, "words; more leave as too_many_words", default=100_000, fit=False)
    languages: str | None = place(
        None, "folder of language files of your own; each replaces one of datapipe's, or adds one"
    )


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """Word count of each document (int32)."""
    return columns(words=segment(batch["text"]).words_per_document())


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Which documents are too short or too long."""
    words = measured["words"]
    limit = thresholds(config, NAME, measured["language"]) if is_by_language(config) else partial(getattr, config)
    few, many = below(words, limit("min_words")), above(words, limit("max_words"))
    return first_of((few, TOO_FEW_WORDS), (many, TOO_MANY_WORDS))


def decides(config: Config) -> tuple[str, ...]:
    """The language is asked for only where it matters."""
    return ("words", "language") if is_by_language(config) else ("words",)


def decide_libraries(config: Config) -> tuple[str, ...]:
    """The thresholds in the language files."""
    return thresholds_library(config, NAME)


STAGE = Map(
    name=NAME,
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(words=pa.int32()),
    reasons={TOO_FEW_WORDS: "fewer words than min_words", TOO_MANY_WORDS: "more words than max_words"},
    libraries=("datapipe.text",),
    process=process,
    decide=decide_reasons,
    decides=decides,
    decide_libraries=decide_libraries,
)
