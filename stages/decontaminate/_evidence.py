"""What of items stands in the texts of documents, as rows: which item, which part of it, how surely, and where.

Costs the match (`datapipe.algo.item_match`), and one more look at the texts that hold something.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.folded_tokens import fold_table, places_of
from datapipe.algo.item_index import KINDS, Index, Loaded
from datapipe.algo.item_match import match_items
from datapipe.algo.item_rules import INPUT, INPUT_OUTPUT, LEAST, OUTPUT, strengths
from datapipe.text import BytesView, Pieces
from datapipe.text.cutting import listed
from datapipe.text.jit import Float64s, Int64s

__all__ = ["EVIDENCE", "Evidence", "by_kind", "find", "rows_of", "together"]

EVIDENCE = pa.list_(
    pa.struct(
        [
            ("benchmark", pa.string()),
            ("item", pa.int32()),
            ("kind", pa.string()),
            ("score", pa.float32()),
            ("strength", pa.float32()),
            ("message", pa.int32()),
            ("start", pa.int64()),
            ("end", pa.int64()),
        ]
    )
)
DECIMALS = 4  # what is beyond differs between processors


class Evidence(NamedTuple):
    """Of each part found: its text (place among pieces), item, kind, score (cover), strength, start, end (bytes)."""

    text: Int64s
    item: Int64s
    kind: Int64s
    score: Float64s
    strength: Float64s
    start: Int64s
    end: Int64s


def find(view: BytesView, index: Index) -> Evidence:
    """All that is found in texts, but for what is far from a verdict."""
    matches = match_items(view, index, fold_table())
    strength = strengths(index, matches)
    some = np.flatnonzero(strength > LEAST)
    text, segment = matches.text[some], matches.segment[some]
    starts, _ = places_of(view, fold_table(), text, matches.first[some])
    _, ends = places_of(view, fold_table(), text, matches.last[some])
    cover = np.round(matches.bits[some] / index.bits[segment], DECIMALS)
    item, kind = index.item[segment].astype(np.int64), index.kind[segment].astype(np.int64)
    return Evidence(text, item, kind, cover, np.round(strength[some], DECIMALS), starts, ends)


def together(parts: list[Evidence]) -> Evidence:
    """Several in one."""
    return Evidence(*map(np.concatenate, zip(*parts, strict=True)))


def by_kind(found: Evidence, document: Int64s, count: int) -> dict[str, Any]:
    """The greatest strength of each kind in each of `count` documents (float32), 0 where there is none.

    An input and a long answer of one item, wherever they stand in a document, are input and output.
    """
    greatest = np.zeros((len(KINDS), count))
    np.maximum.at(greatest, (found.kind, document), found.strength)
    pair = document * (int(found.item.max(initial=0)) + 1) + found.item
    inputs, outputs = (found.kind == kind for kind in (INPUT, OUTPUT))
    asked, answered = np.unique(pair[inputs]), np.unique(pair[outputs])
    both, first, second = np.intersect1d(asked, answered, return_indices=True)
    if len(both):
        values = [_greatest(pair[one], found.strength[one])[at] for one, at in ((inputs, first), (outputs, second))]
        owner = both // (int(found.item.max(initial=0)) + 1)
        np.maximum.at(greatest[INPUT_OUTPUT], owner, np.minimum(*values))
    return {name: pa.array(greatest[kind].astype(np.float32)) for kind, name in enumerate(KINDS)}


def _greatest(keys: Int64s, values: Float64s) -> Float64s:
    """The greatest value of each key, in order of key."""
    order = np.lexsort((values, keys))
    last = np.append(keys[order][1:] != keys[order][:-1], True)
    found: Float64s = values[order][last]
    return found


def rows_of(found: Evidence, said: Pieces, loaded: Loaded, count: int) -> Any:
    """The evidence as lists, one for each document, in order of message and place."""
    index, names = loaded.index, pa.array(list(loaded.about), pa.string())
    document, message = said.document[found.text], said.message[found.text]
    kinds: Any = pa.array(KINDS, pa.string())
    order = np.lexsort((found.kind, found.item, found.end, found.start, message, document))
    item, told = found.item[order], message[order]
    columns: list[Any] = [
        names.take(index.benchmark[item]),
        pa.array(index.number[item]),
        kinds.take(found.kind[order]),
        pa.array(found.score[order].astype(np.float32)),
        pa.array(found.strength[order].astype(np.float32)),
        pa.array(told.astype(np.int32), mask=told < 0),
        pa.array(found.start[order]),
        pa.array(found.end[order]),
    ]
    rows = pa.StructArray.from_arrays(columns, fields=list(EVIDENCE.value_type))
    return listed(rows, document[order], count)
