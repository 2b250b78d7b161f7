"""The rules of lines that FineWeb added, for the stages that apply them with thresholds of their own.

Costs: as `line_measures`; deciding is some Arrow kernels a batch.
Source: Penedo et al. 2024 (FineWeb), section 3.6 and its public configuration.
"""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa

from datapipe.stage import StageConfig, above, below, first_of, measure, place, schema
from datapipe.text import line_measures, peer_line_measures, segment
from datapipe.text.thresholds import Number, Share, by_language, thresholds

__all__ = ["ADDS", "DECIDES", "REASONS", "LineShapeConfig", "line_shapes", "reasons_by_shape"]

REASONS = {
    "too_few_terminal_lines": "too few lines end as sentences do",
    "too_many_short_lines": "too many lines are short",
    "duplicate_line_characters": "too many characters in lines that stood before",
    "too_many_newlines": "too many line breaks for its words",
}


class LineShapeConfig(StageConfig):
    """Thresholds of FineWeb."""

    short_line_characters: int = measure(30, "characters; a line with no more is short", ge=0)
    like: Literal["datatrove"] | None = measure(
        None,
        "datatrove: lines are cut at line feeds alone and not stripped, no quotation mark ends one, words are cut "
        "nearly as there, punctuation counts, and repeated characters are a share of all but line feeds",
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
DECIDES = (*MEASURES, "language")


def line_shapes(batch: pa.RecordBatch, config: LineShapeConfig) -> pa.RecordBatch:
    """The four measures of each text."""
    texts, short = batch["text"], config.short_line_characters
    if config.like is None:
        found = line_measures(texts, segment(texts), short=short)
    else:
        found = peer_line_measures(texts, short=short)
    arrays: list[pa.Array[Any]] = [pa.array(found[name]) for name in MEASURES]
    return pa.RecordBatch.from_arrays(arrays, schema=ADDS)


def reasons_by_shape(measured: pa.RecordBatch, config: LineShapeConfig, stage: str) -> pa.StringArray:
    """Why each document leaves, by the first rule that it fails; `stage` is who asks the language files."""
    limit = thresholds(config, stage, measured["language"])
    terminal, short, duplicate, newlines = MEASURES
    few, many, copies, breaks = REASONS
    return first_of(
        (below(measured[terminal], limit("min_terminal_lines")), few),
        (above(measured[short], limit("max_short_lines")), many),
        (above(measured[duplicate], limit("max_duplicate_line_characters")), copies),
        (above(measured[newlines], limit("max_newlines_per_word")), breaks),
    )
