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

import pyarrow as pa

from datapipe.algo.line_shape import ADDS, DECIDES, REASONS, LineShapeConfig, line_shapes, reasons_by_shape
from datapipe.stage import Map
from datapipe.text.thresholds import thresholds_library

NAME = "filter.fineweb"


class Config(LineShapeConfig):
    """Thresholds of FineWeb."""


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
