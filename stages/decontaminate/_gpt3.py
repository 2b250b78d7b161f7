"""Decontamination as GPT-3's authors did it, to compare with.

What: words are lower-case, between white space, without punctuation; each run of 13 words that an item has and a
document too is cut with 200 characters on each side; of the pieces between, those under 200 characters go as well; a
document cut into more than 10 pieces leaves. Items of fewer than 13 words are never found.
Other than there, runs that stand in more than 10 documents are cut as well (that would ask the whole corpus), and what
is left of a document stays one, its pieces joined by an empty line.
Costs: as the stage's own way without weighing: 100 MB/s.
Source: Brown et al. 2020, appendix C.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from datapipe.algo.folded_tokens import bare_table, places_of, tokens_of
from datapipe.algo.item_grams import Lengths, Table, grams_of, hit_grams, make_table
from datapipe.algo.item_index import Item
from datapipe.algo.resource import loaded_once
from datapipe.text import Pieces, pieces, readonly, replace_pieces, view_bytes
from datapipe.text.cutting import listed
from datapipe.text.jit import Int32s, Int64s
from stages.decontaminate._cutting import words_left
from stages.decontaminate._evidence import EVIDENCE

WORDS = 13
LENGTHS = Lengths.of((WORDS, WORDS))
AROUND = 200  # characters that go on each side
SHORTEST = 200  # characters of a piece; shorter ones go
KIND = "13_gram"
BETWEEN = "\n\n"
_ABOUT = "gpt3.json"


class _Index(NamedTuple):
    """The runs of all items, and of each the benchmark (its place in `names`) and number of the first item with it."""

    table: Table
    benchmark: Int32s
    number: Int32s
    names: list[str]


def build(items: list[Item], folder: Path) -> None:
    """Write the runs of all texts of the items."""
    texts, owners = [], []
    for at, item in enumerate(items):
        parts = [item.context, " ".join([item.input, *item.options]), item.output]
        texts += parts
        owners += [at] * len(parts)
    tokens = tokens_of(view_bytes(pa.array(texts, pa.large_string())), bare_table())
    grams = grams_of(tokens, np.zeros(len(texts), np.uint8), LENGTHS)
    some = np.flatnonzero(grams)
    hashes, first = np.unique(grams[some], return_index=True)
    owner = np.array(owners, np.int64)[np.searchsorted(tokens.bounds, some[first], side="right") - 1]
    names = list(dict.fromkeys(item.benchmark for item in items))
    for name, value in make_table(hashes)._asdict().items():
        np.save(folder / f"{name}.npy", value, allow_pickle=False)
    np.save(folder / "benchmark.npy", np.array([names.index(items[at].benchmark) for at in owner], np.int32))
    np.save(folder / "number.npy", np.array([items[at].number for at in owner], np.int32))
    (folder / _ABOUT).write_bytes(orjson.dumps(names))


@loaded_once(_ABOUT)
def _load(folder: Path) -> _Index:
    def read(name: str) -> Any:
        return readonly(np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)))

    names = orjson.loads((folder / _ABOUT).read_bytes())
    return _Index(Table(*map(read, Table._fields)), read("benchmark"), read("number"), names)


def split(text: str, runs: list[tuple[int, int]]) -> list[str]:
    """The pieces of a text between runs [start, end), in characters and in order, that are cut with what is around."""
    found, at = [], 0
    for start, end in runs:
        if start - AROUND > at:
            found.append(text[at : start - AROUND])
        at = max(at, end + AROUND)
    found.append(text[at:])
    return [piece for piece in found if len(piece) >= SHORTEST]


def process(batch: pa.RecordBatch, folder: Path) -> dict[str, Any]:
    """The columns of the stage: evidence, what is left, and into how many pieces documents were cut (null: not cut)."""
    count, said, index = len(batch), pieces(batch), _load(folder)
    view = view_bytes(said.texts)
    hits = hit_grams(view, bare_table(), LENGTHS, index.table)
    text, last = hits.text.astype(np.int64), hits.token.astype(np.int64)
    starts, _ = places_of(view, bare_table(), text, last - WORDS + 1)
    _, ends = places_of(view, bare_table(), text, last)
    rows = np.unique(text)
    new = said.texts.to_pylist() if len(rows) else []
    cut_into = np.zeros(len(said.texts), np.int64)
    for row in rows.tolist():  # few documents, and each is cut in characters
        mine = np.flatnonzero(text == row)
        parts = split(new[row], _characters(new[row], starts[mine], ends[mine]))
        new[row], cut_into[row] = BETWEEN.join(parts), len(parts)
    is_cut = np.isin(np.arange(len(said.texts)), rows)
    rest: Any = pa.array(new, pa.large_string()) if len(rows) else said.texts
    changed = replace_pieces(batch, said, rest) if len(rows) else batch
    into = np.bincount(said.document, cut_into, count).astype(np.int32)
    cut = np.bincount(said.document[is_cut], minlength=count) > 0
    return {
        **{name: pa.nulls(count, pa.float32()) for name in ("input_output", "input", "output", "context")},
        "evidence": _evidence((text, hits.gram.astype(np.int64), starts, ends), said, index, count),
        "text": changed["text"],
        "messages": changed["messages"],
        "words_left": words_left(rest, said.document, is_cut, count),
        "items_left": pa.array(np.zeros(count, np.int32)),
        "pieces": pa.array(into, mask=~cut),
    }


def _characters(text: str, starts: Int64s, ends: Int64s) -> list[tuple[int, int]]:
    """Places in bytes as places in characters."""
    begins = np.flatnonzero(np.frombuffer(text.encode(), np.uint8) & 0xC0 != 0x80)
    return [
        (int(start), int(end))
        for start, end in zip(np.searchsorted(begins, starts), np.searchsorted(begins, ends), strict=True)
    ]


def _evidence(runs: tuple[Int64s, Int64s, Int64s, Int64s], said: Pieces, index: _Index, count: int) -> Any:
    """Runs, given as text, number of the hash, start and end, as lists; they stand in order."""
    text, gram, starts, ends = runs
    message = said.message[text]
    nothing = pa.nulls(len(text), pa.float32())
    columns: list[Any] = [
        pa.array(index.names, pa.string()).take(index.benchmark[gram]),
        pa.array(index.number[gram]),
        pa.array([KIND] * len(text), pa.string()),
        nothing,
        nothing,
        pa.array(message.astype(np.int32), mask=message < 0),
        pa.array(starts),
        pa.array(ends),
    ]
    return listed(pa.StructArray.from_arrays(columns, fields=list(EVIDENCE.value_type)), said.document[text], count)
