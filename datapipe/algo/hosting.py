"""Puts something into copies of real documents, between two of their sentences: for what an audit plants.

In a conversation it goes into one of the messages. Costs some passes over the texts of the chosen documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.chance import Chance
from datapipe.schema import COLUMNS
from datapipe.stage import schema
from datapipe.text import pieces, replace_pieces

__all__ = ["CHANGES", "Case", "Host", "cases_of", "copies_of", "hosts_of", "is_chinese", "sentences_of", "text_column"]

CHANGES = ("text", "messages")
OWN: dict[str, pa.DataType] = {"parent_row": pa.uint32(), "case": pa.string(), "hidden": pa.string()}
CASES = schema(**OWN, text=COLUMNS["text"], messages=COLUMNS["messages"])
MOST_CHARACTERS = 200_000  # of a text that something is put into
LOOK = 2000  # characters by which a text's script is told
_HAN = re.compile(r"[\u3400-\u9fff]")
_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")


class Host(NamedTuple):
    """A text that something can be put into: its place among the pieces of its batch, and a document's chance."""

    row: int
    piece: int
    text: str
    chance: Chance

    def around(self, planted: str) -> str:
        """The text with something between two of its sentences, on a line of its own where the text has lines."""
        ends = [match.end() for match in _END.finditer(self.text)] or [len(self.text)]
        at = self.chance.pick(ends)
        before, after = self.text[:at], self.text[at:]
        apart = "\n" if "\n" in self.text else "" if is_chinese(self.text) else " "
        left = "" if not before or before[-1].isspace() else apart
        return f"{before}{left}{planted}{apart if after else ''}{after}"


class Case(NamedTuple):
    """What a host becomes."""

    host: Host
    kind: str
    hidden: str | None
    text: str


def is_chinese(text: str) -> bool:
    """Whether three in ten of the first characters are Chinese."""
    start = text[:LOOK]
    return len(_HAN.findall(start)) > 0.3 * len(start)


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, without the space around them."""
    return [part for each in _END.split(text) if (part := each.strip())]


def hosts_of(batch: pa.RecordBatch, seeds: Any) -> Iterator[Host]:
    """One text of each document that has any that is not too long; `seeds` are the documents' (uint64)."""
    said = pieces(batch)
    bounds = np.searchsorted(said.document, np.arange(batch.num_rows + 1))
    for row, (first, last) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        chance = Chance(int(seeds[row]))
        if first == last:
            continue
        piece = first + chance.below(last - first)
        text = said.texts[piece].as_py()
        if text.strip() and len(text) <= MOST_CHARACTERS:
            yield Host(row, piece, text, chance)


def cases_of(batch: pa.RecordBatch, made: Iterable[Case]) -> pa.RecordBatch:
    """The rows of an audit's cases, one of a document at most, in order of their documents."""
    cases = list(made)
    said = pieces(batch)
    texts = said.texts.to_pylist()
    for case in cases:
        texts[case.host.piece] = case.text
    changed = replace_pieces(batch, said, pa.array(texts, pa.large_string())) if cases else batch
    rows = pa.array([case.host.row for case in cases], pa.uint32())
    arrays: list[Any] = [
        rows,
        pa.array([case.kind for case in cases], pa.string()),
        pa.array([case.hidden for case in cases], pa.string()),
        *(changed.column(name).take(rows).cast(COLUMNS[name]) for name in CHANGES),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=CASES)


def text_column(name: str) -> tuple[str, ...]:
    """A column of texts that a case can bring itself; none where the name is not one that the schema knows."""
    return (name,) if COLUMNS.get(name) in {pa.string(), pa.large_string()} else ()


def copies_of(column: str, made: Iterable[tuple[int, str, str]]) -> pa.RecordBatch:
    """The rows of cases that are their documents with another text in one column: of each row, kind and text."""
    rows = list(made)
    arrays: list[Any] = [
        pa.array([row for row, _, _ in rows], pa.uint32()),
        pa.array([kind for _, kind, _ in rows], pa.string()),
        pa.nulls(len(rows), pa.string()),
    ]
    kinds = dict(OWN)
    for name in text_column(column):
        arrays.append(pa.array([text for _, _, text in rows], COLUMNS[name]))
        kinds[name] = COLUMNS[name]
    return pa.RecordBatch.from_arrays(arrays, schema=schema(**kinds))
