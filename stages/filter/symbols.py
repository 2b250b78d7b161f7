"""Drop documents that are mostly marks, digits, capitals or addresses.

What: shares of punctuation, digits, addresses and code characters among the characters of a document without its
spaces, of capitals among its letters, and of lines that look like code. Tables cut into text, lists of numbers, link
lists and shouted adverts are at the far end of one of them. What each counts is said in `datapipe.text.symbols`.
The rules on code are off by default: code is no bad text, but a recipe for prose may want it elsewhere.
Thresholds: the file of a language may give others (and capitals say nothing where a script has none). The numbers here
lie beyond 99.5% of the documents in each of: 751 technical papers, 465 pages of a Chinese wiki on programming, 8,000
Chinese poems, 25 Chinese and 1,249 other web pages cut by hand. Of 300 documents of C4, 0.7% lie beyond any one.
Costs 90-360 MB/s beside the segmentation's lines.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from datapipe.stage import TEXT, Map, StageConfig, above, first_of, place
from datapipe.text import segment, symbol_measures
from datapipe.text.thresholds import Share, by_language, thresholds, thresholds_library

NAME = "filter.symbols"

REASONS = {
    "too_much_punctuation": "too much of it is punctuation",
    "too_many_digits": "too much of it is digits",
    "too_many_capitals": "too many of its letters are capitals",
    "too_many_addresses": "too much of it is web addresses",
    "too_many_code_characters": "too much of it is code characters",
    "too_many_code_lines": "too many lines end like code",
}
# In the order in which they are asked.
MEASURES = ("punctuation", "digits", "capitals", "addresses", "code_characters", "code_lines")
ADDS = pa.schema([(name, pa.float64()) for name in MEASURES])


class Config(StageConfig):
    """The largest shares, all inclusive: a document at a threshold is kept."""

    max_punctuation: Share = by_language(0.4, "share of characters; more leaves as too_much_punctuation")
    max_digits: Share = by_language(0.2, "share of characters; more leaves as too_many_digits")
    max_capitals: Share = by_language(0.4, "share of letters; more leaves as too_many_capitals")
    max_addresses: Share = by_language(0.7, "share of characters; more leaves as too_many_addresses")
    max_code_characters: Share = by_language(None, "share of characters; more leaves as too_many_code_characters")
    max_code_lines: Share = by_language(None, "share of lines; more leaves as too_many_code_lines")
    languages: str | None = place(
        None, "folder of language files of your own; each replaces one of datapipe's, or adds one"
    )


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The shares of each document (float64); 0 where there is nothing to count."""
    found = symbol_measures(batch["text"], segment(batch["text"]))
    return pa.RecordBatch.from_arrays([pa.array(found[name]) for name in MEASURES], schema=ADDS)


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Why each document leaves, by the first rule that it fails."""
    limit = thresholds(config, NAME, measured["language"])
    rules = zip(MEASURES, REASONS, strict=True)
    return first_of(*((above(measured[name], limit(f"max_{name}")), reason) for name, reason in rules))


def decide_libraries(config: Config) -> tuple[str, ...]:
    """The thresholds in the language files."""
    return thresholds_library(config, NAME)


STAGE = Map(
    name=NAME,
    version=1,
    config=Config,
    reads=TEXT,
    adds=ADDS,
    reasons=REASONS,
    process=process,
    libraries=("datapipe.text",),
    decide=decide_reasons,
    decides=(*MEASURES, "language"),
    decide_libraries=decide_libraries,
)
