"""Cut long documents into shorter ones at paragraph bounds.

What: a document of more than max_tokens becomes children that follow one another without a gap: their texts put
together are its text, byte for byte (blank lines stay at the end of the child before). Each child is as long as it
may be and ends before a paragraph; where none begins in time before a line, since extractors part paragraphs by single
breaks; else before a sentence, a word after a space, a word, any token; a token longer than a child is cut between
characters. A child has at most max_tokens and, so that no short tail is left, at least min_tokens: the one before the
last is made shorter where needed. Documents that fit stay one child.
Tokens are estimated (`datapipe.text.estimate`): within 5% on English and Chinese prose, but a language that tokenizers
know little of may have twice as many. A cut inside a token counts its bytes in proportion.
Costs: 78 MB/s of documentation with code at 8,192 tokens (half the speed of finding words), 40 MB/s at 512; texts of
fewer bytes than 90% of max_tokens are not looked at (`tests/benchmarks/splitting.py`).
Each child's text is stored once more, cut or not.
Source: bounds in the order of the usual recursive splitters (blank line, line, space, character), with sentences among
them and without the separators that those throw away.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import model_validator

from datapipe.schema import COLUMNS
from datapipe.stage import TEXT, Expand, StageConfig, measure, schema
from datapipe.text import (
    AFTER_SPACE,
    IS_WORD,
    MOST_PER_BYTE,
    UNIT,
    BytesView,
    Segmentation,
    estimate_tokens,
    segment,
    view_bytes,
)

NO_TEXT = "no_text"

ADDS = schema(text=COLUMNS["text"], part=pa.int32(), parts=pa.int32(), start=pa.int64(), end=pa.int64())

Int32s: TypeAlias = npt.NDArray[np.int32]
Int64s: TypeAlias = npt.NDArray[np.int64]


class Config(StageConfig):
    """How long a document may be."""

    max_tokens: int = measure(
        8192, "estimated tokens; documents of more are cut into children of at most so many", ge=16
    )
    min_tokens: int | None = measure(
        100, "estimated tokens; no child of a document that is cut has fewer; at most half of max_tokens", ge=1
    )

    @model_validator(mode="after")
    def _leaves_room(self) -> Config:
        if self.min_tokens is not None and 2 * self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens {self.min_tokens} is more than half of max_tokens {self.max_tokens}")
        return self


@dataclass(frozen=True)
class _Document:
    """A document to be cut: its bytes, and of each token where it stands and what it comes to.

    Tokens are counted in thousandths. `before`: of all up to the end of the token before, and the total at the end;
    `own`: of the token itself. `levels`: indexes of the tokens that pieces of each kind begin with, best kind first.
    """

    data: npt.NDArray[np.uint8]
    start: Int32s
    end: Int32s
    before: Int64s
    own: Int64s
    levels: tuple[Int64s, ...]

    def cuts(self, most: int, least: int) -> list[int]:
        """Bytes at which children begin, the first of them 0."""
        total = int(self.before[-1])
        found, begun = [0], 0
        while total - begun > most:
            cut, begun = self._cut(found[-1], begun + least, min(begun + most, total - least))
            found.append(cut)
        return found

    def _cut(self, child: int, floor: int, ceiling: int) -> tuple[int, int]:
        """Where the child that begins at byte `child` ends, and the sum of tokens there, within [floor, ceiling]."""
        low = np.searchsorted(self.before, floor)
        high = np.searchsorted(self.before, ceiling, "right") - 1
        for level in self.levels:
            at = np.searchsorted(level, high, "right") - 1
            if at >= 0 and level[at] >= low:
                return self._in_front_of(int(level[at])), int(self.before[level[at]])
        if high >= low:
            return self._in_front_of(int(high)), int(self.before[high])
        return self._within(int(high), child, ceiling)

    def _in_front_of(self, token: int) -> int:
        """The byte where a child begins whose first token this is: its line's indentation goes with it."""
        last, start = int(self.end[token - 1]), int(self.start[token])
        lines = self.data[last:start].tobytes().decode().splitlines(keepends=True)
        if len(lines) < 2 or lines[-1].splitlines() != [lines[-1]]:
            return start
        return start - len(lines[-1].encode())

    def _within(self, token: int, child: int, ceiling: int) -> tuple[int, int]:
        """A cut between two characters of a token longer than a child may be, or of the blanks before it."""
        last = int(self.end[token - 1]) if token else 0
        low, high = int(self.before[token]), int(self.before[token + 1])
        start, end, middle = int(self.start[token]), int(self.end[token]), high - int(self.own[token])
        if ceiling < middle:
            end, start, high = start, last, middle
        else:
            low = middle
        cut = _character(self.data, start + (end - start) * (ceiling - low) // (high - low), -1)
        if cut <= child:
            cut = _character(self.data, child + 1, 1)
        return cut, low + (high - low) * (cut - start) // (end - start)


def _character(data: npt.NDArray[np.uint8], at: int, step: int) -> int:
    """The nearest byte from `at` on, forwards or backwards, at which a character begins."""
    while at < len(data) and data[at] & 0xC0 == 0x80:
        at += step
    return at


def _levels(pieces: Segmentation, row: int, start: Int32s, kind: npt.NDArray[np.uint8]) -> tuple[Int64s, ...]:
    """Indexes of the tokens that begin a paragraph, a line, a sentence, or follow a space, or are words."""
    spans = (pieces.paragraphs, pieces.lines, pieces.sentences)
    bounds = (np.searchsorted(start, span.start[span.first[row] : span.last[row]]) for span in spans)
    return (*bounds, *(np.flatnonzero(kind & bit) for bit in (AFTER_SPACE, IS_WORD)))


def _begins(texts: pa.Array[Any], config: Config) -> dict[int, list[int]]:
    """Bytes at which the children of each text that is cut begin; `texts` has no nulls."""
    view = view_bytes(texts)
    most, least = config.max_tokens * UNIT, (config.min_tokens or 0) * UNIT or 1
    rows = np.flatnonzero((view.ends - view.starts) * MOST_PER_BYTE > most)
    if not len(rows):
        return {}
    words = segment(texts.take(rows)).words
    tokens = estimate_tokens(words)
    over = np.flatnonzero(tokens.total > most)
    pieces = segment(texts.take(rows[over]))  # its lines are looked for, its words are not
    found = {}
    for number, at in enumerate(over):
        row, mine = int(rows[at]), slice(words.first[at], words.last[at])
        document = _Document(
            data=view.data[view.starts[row] : view.ends[row]],
            start=words.start[mine],
            end=words.end[mine],
            before=np.append(tokens.before[mine], tokens.total[at]),
            own=tokens.own[mine],
            levels=_levels(pieces, number, words.start[mine], words.kind[mine]),
        )
        found[row] = document.cuts(most, least)
    return found


def expand(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """The children of each document: text, number among those of the parent (`part` of `parts`), and span.

    Spans [start, end) are UTF-8 bytes of the parent's text. Texts are not copied: children share the parents' bytes.
    """
    given = batch["text"]
    rows = np.flatnonzero(given.is_valid().to_numpy(zero_copy_only=False)).astype(np.uint32)
    texts = given.drop_null() if given.null_count else given
    cut = _begins(texts, config)
    view = view_bytes(texts)
    parts = np.ones(len(rows), np.int32)
    parts[list(cut)] = [len(begins) for begins in cut.values()]
    parent = np.repeat(np.arange(len(rows)), parts)
    part = np.arange(len(parent)) - np.repeat(np.cumsum(parts) - parts, parts)
    start = np.zeros(len(parent), np.int64)
    start[part > 0] = [byte for _, begins in sorted(cut.items()) for byte in begins[1:]]
    offsets = np.append(view.starts[parent] + start, view.ends[-1:])
    return pa.RecordBatch.from_arrays(
        [
            pa.array(rows[parent]),
            _texts(view, offsets),
            pa.array(part.astype(np.int32)),
            pa.array(parts[parent]),
            pa.array(start),
            pa.array(offsets[1:] - view.starts[parent]),
        ],
        names=["parent_row", *ADDS.names],
    )


def _texts(view: BytesView, offsets: Int64s) -> Any:
    """Texts that follow one another in a buffer, as large_string."""
    if not len(view.starts):
        return pa.array([], pa.large_string())
    buffers: list[Any] = [pa.py_buffer(memoryview(array)) for array in (offsets.data, view.data.data)]
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, *buffers)


STAGE = Expand(
    name="split.paragraphs",
    version=1,
    config=Config,
    reads=TEXT,
    adds=ADDS,
    reasons={NO_TEXT: "the document has no text"},
    libraries=("datapipe.text",),
    expand=expand,
    childless=NO_TEXT,
)
