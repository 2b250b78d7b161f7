"""Drop lists, menus and repeated lines by the shape of lines: the three rules that FineWeb added, and its fourth.

- too few lines end as sentences do (`terminal_lines`): a mark of any script, or a quotation mark
- too many lines are short (`short_lines`)
- too many characters stand in lines that stood before (`duplicate_line_characters`)
- too many line breaks for the words (`newlines_per_word`)
All thresholds are inclusive: a document at one is kept. They were found on English; the file of a language may give
others, and an option that a recipe sets holds for every language. Lines are not blank, and stripped.
In FineWeb's experiments the first three removed 22% of the tokens for about one point of accuracy.
Costs: 550 MB/s of English beside the segmentation, 340 of Chinese, most of it to look at lines and find copies.
Source: Penedo et al. 2024 (FineWeb), section 3.6 and its public configuration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from datapipe.stage import Map, StageConfig, above, below, first_of, measure, place, schema
from datapipe.text import line_measures, peer_line_measures, segment
from datapipe.text.thresholds import Number, Share, by_language, thresholds, thresholds_library

NAME = "filter.fineweb"

TOO_FEW_TERMINAL_LINES = "too_few_terminal_lines"
TOO_MANY_SHORT_LINES = "too_many_short_lines"
DUPLICATE_LINE_CHARACTERS = "duplicate_line_characters"
TOO_MANY_NEWLINES = "too_many_newlines"


class Config(StageConfig):
    """Thresholds of FineWeb."""

    short_line_characters: int = measure(30, "characters; a line with no more is short", ge=0)
    like: Literal["datatrove"] | None = measure(
        None,
        "datatrove: lines are cut at line feeds alone and not stripped, no quotation mark ends one, punctuation counts "
        "as words, and repeated characters are a share of all but line feeds",
    )
    min_terminal_lines: Share = by_language(0.12, "share of lines; less leaves as too_few_terminal_lines")
    max_short_lines: Share = by_language(0.67, "share of lines; more leaves as too_many_short_lines")
    max_duplicate_line_characters: Share = by_language(
        0.01, "share of characters in lines; more leaves as duplicate_line_characters"
    )
    max_newlines_per_word: Number = by_language(0.3, "line breaks a word; more leaves as too_many_newlines")
    languages: str | None = place(
        None, "folder of language files of your own; each replaces one of datapipe's, or adds one"
    )


MEASURES = ("terminal_lines", "short_lines", "duplicate_line_characters", "newlines_per_word")
ADDS = schema(**dict.fromkeys(MEASURES, pa.float64()))


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The four measures."""
    measures = line_measures if config.like is None else peer_line_measures
    found = measures(batch["text"], segment(batch["text"]), short=config.short_line_characters)
    arrays: list[pa.Array[Any]] = [pa.array(found[name]) for name in MEASURES]
    return pa.RecordBatch.from_arrays(arrays, schema=ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Why each document leaves, by the first rule that it fails."""
    limit = thresholds(config, NAME, measured["language"])
    return first_of(
        (below(measured["terminal_lines"], limit("min_terminal_lines")), TOO_FEW_TERMINAL_LINES),
        (above(measured["short_lines"], limit("max_short_lines")), TOO_MANY_SHORT_LINES),
        (
            above(measured["duplicate_line_characters"], limit("max_duplicate_line_characters")),
            DUPLICATE_LINE_CHARACTERS,
        ),
        (above(measured["newlines_per_word"], limit("max_newlines_per_word")), TOO_MANY_NEWLINES),
    )


def decide_libraries(config: Config) -> tuple[str, ...]:
    """The thresholds in the language files."""
    return thresholds_library(config, NAME)


STAGE = Map(
    name=NAME,
    version=1,
    config=Config,
    reads=("text",),
    adds=ADDS,
    reasons={
        TOO_FEW_TERMINAL_LINES: "too few lines end as sentences do",
        TOO_MANY_SHORT_LINES: "too many lines are short",
        DUPLICATE_LINE_CHARACTERS: "too many characters in lines that stood before",
        TOO_MANY_NEWLINES: "too many line breaks for its words",
    },
    libraries=("datapipe.text",),
    process=process,
    decide=decide_reasons,
    decides=(*MEASURES, "language"),
    decide_libraries=decide_libraries,
)
