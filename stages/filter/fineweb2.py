"""FineWeb's rules of lines for a thousand languages: those of FineWeb2, with thresholds by language.

- too few lines end as sentences do; too many characters in lines that stood before; too many line breaks a word.
The rule of short lines is off, as FineWeb2 has it; give `max_short_lines` a value to have it. The thresholds stand in
the file of each language, where they are known: those that FineWeb2 published, for 50 languages, but that line breaks
are counted by words and so have none where each character counts as one; Chinese has thresholds measured here.
`datapipe fit language` finds them for others, by percentiles of reference texts. Else FineWeb's own hold, but for
repeated lines, of which FineWeb2 allows a tenth.
Costs: as `filter.fineweb`.
Source: Penedo et al. 2025 (FineWeb2), section 3.4 and its public configuration.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.algo.line_shape import ADDS, DECIDES, REASONS, LineShapeConfig, line_shapes, reasons_by_shape
from datapipe.stage import Map
from datapipe.text.thresholds import Share, by_language, thresholds_library

NAME = "filter.fineweb2"


class Config(LineShapeConfig):
    """Thresholds of FineWeb2, by language."""

    max_short_lines: Share = by_language(None, "share of lines; more leaves as too_many_short_lines")
    max_duplicate_line_characters: Share = by_language(
        0.1, "share of characters in lines; more leaves as duplicate_line_characters"
    )


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The four measures."""
    return line_shapes(batch, config)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Why each document leaves, by the first rule that it fails."""
    return reasons_by_shape(measured, config, NAME)


def decide_libraries(config: Config) -> tuple[str, ...]:
    """The thresholds in the language files."""
    return thresholds_library(config, NAME)


STAGE = Map(
    name=NAME,
    version=2,
    config=Config,
    reads=("text",),
    adds=ADDS,
    reasons=REASONS,
    libraries=("datapipe.text",),
    process=process,
    decide=decide_reasons,
    decides=DECIDES,
    decide_libraries=decide_libraries,
)
