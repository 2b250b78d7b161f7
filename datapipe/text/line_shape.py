"""What the lines of a document look like: how many end as sentences do, and how many are short.

A line ends well if a terminal mark of any script ends it, closing punctuation behind the mark not counted, or a
quotation mark does: C4's rule, for all scripts. Lines are those of the segmentation: not blank, and stripped.
Source: Raffel et al. 2020 (C4), Penedo et al. 2024 (FineWeb).
Costs: about 1 GB/s after the segmentation, since only the last characters of lines are read; no scratch.
"""

from typing import NamedTuple

import numpy as np

from datapipe.text import tables
from datapipe.text.buffers import BytesView, Texts, view_bytes
from datapipe.text.characters import look_up, read
from datapipe.text.jit import I64, Int32s, Int64s, Uint8s, inlined, kernel
from datapipe.text.repetition import repetition_measures
from datapipe.text.segmentation import Segmentation
from datapipe.text.tables import CLOSING, TERMINAL, Table

# Marks that close a quotation somewhere; C4 takes a line for a sentence that ends in one.
QUOTATION_MARKS = "\"'\u00bb\u00ab\u2019\u201d\u201c\u300d\u300f\u203a\uff02"
_QUOTATION_MARKS = np.array(sorted(map(ord, QUOTATION_MARKS)), np.int64)

LINE_FEED = 10
# Rows of the counts.
TERMINAL_LINES, SHORT_LINES, LINE_FEEDS = range(3)
COUNTS = 3


class _Lines(NamedTuple):
    first: Int64s
    last: Int64s
    start: Int32s
    end: Int32s
    length: Int32s


@inlined
def last_character(data: Uint8s, start: int, end: int) -> tuple[int, int]:
    """Code point and place of the last character of data[start:end], which is not empty."""
    i: int = I64(end - 1)
    while i > start and end - i < 4 and data[i] & 0xC0 == 0x80:
        i -= 1
    point, width = read(data, i, end)
    return (point, i) if i + width == end else (read(data, end - 1, end)[0], end - 1)


@inlined
def ends_well(data: Uint8s, start: int, end: int, table: Table) -> bool:
    """Whether data[start:end] ends as a sentence does."""
    point, i = last_character(data, start, end)
    for mark in _QUOTATION_MARKS:
        if point == mark:
            return True
    while i > start and look_up(table, point) & CLOSING and not look_up(table, point) & TERMINAL:
        point, i = last_character(data, start, i)
    return look_up(table, point) & TERMINAL != 0


@kernel
def _count(view: BytesView, lines: _Lines, shape: tuple[int, Table], counts: Int64s) -> None:
    """Fill counts int64 (documents, COUNTS)."""
    short, table = shape
    for x in range(len(view.starts)):
        base = view.starts[x]
        for line in range(lines.first[x], lines.last[x]):
            counts[x, TERMINAL_LINES] += ends_well(view.data, base + lines.start[line], base + lines.end[line], table)
            counts[x, SHORT_LINES] += lines.length[line] <= short
        for i in range(base, view.ends[x]):
            counts[x, LINE_FEEDS] += view.data[i] == LINE_FEED


def line_measures(texts: Texts, segmentation: Segmentation, *, short: int = 30) -> dict[str, np.ndarray]:
    """FineWeb's measures of the lines of each text, one float64 array each; 0 where a text has no lines or words.

    terminal_lines, short_lines: shares of lines that end as a sentence does, that have at most `short` characters;
    duplicate_line_characters: share of characters in lines that stood before; newlines_per_word: line feeds a word.
    """
    view, lines = view_bytes(texts), segmentation.lines
    counts = np.zeros((len(view.starts), COUNTS), np.int64)
    places = _Lines(lines.first, lines.last, lines.start, lines.end, lines.length)
    _count(view, places, (short, tables.load().folded), counts)
    some_lines = np.maximum(lines.per_document(), 1)
    return {
        "terminal_lines": counts[:, TERMINAL_LINES] / some_lines,
        "short_lines": counts[:, SHORT_LINES] / some_lines,
        "duplicate_line_characters": repetition_measures(segmentation, top=(), duplicate=())[
            "duplicate_line_characters"
        ],
        "newlines_per_word": counts[:, LINE_FEEDS] / np.maximum(segmentation.words_per_document(), 1),
    }
