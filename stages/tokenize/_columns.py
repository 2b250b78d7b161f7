"""What is told of tokenised documents, as columns.

Costs a few microseconds a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.schema import COLUMNS, SPAN_OF_LOSS
from datapipe.stage import columns, schema
from stages.tokenize._encode import Items, Tokens
from stages.tokenize._turns import Rendered

__all__ = ["ADDS", "Row", "columns_of"]

# What became of one message: characters of it that are not in the rendering, characters of its turn that are in no
# message (the end of the turn is among them), its tokens that carry loss, and what they weigh: 0 for none.
BECAME = pa.struct(
    [
        pa.field("dropped", pa.int32()),
        pa.field("added", pa.int32()),
        pa.field("trained", pa.int32()),
        pa.field("weight", pa.float32()),
    ]
)
ADDS = schema(
    tokens=COLUMNS["tokens"],
    loss=COLUMNS["loss"],
    token_count=pa.int32(),
    trained_count=pa.int32(),
    fault=pa.string(),
    unknown_tokens=pa.int32(),
    by_message=pa.large_list(BECAME),
    dropped_characters=pa.int32(),
    added_characters=pa.int32(),
    lost_reasoning=pa.int32(),
    rewritten_turns=pa.int32(),
    cut_messages=pa.int32(),
    cut_tokens=pa.int32(),
)


@dataclass
class Row:
    """A document on its way: its sequence, how it was rendered, and what is wrong with it.

    `cut`: messages [start, end) that were left out to make it fit.
    """

    items: Items | None = None
    rendered: Rendered | None = None
    fault: str | None = None
    tokens: Tokens | None = None
    cut: tuple[int, int] = (0, 0)
    cut_tokens: int = 0


def columns_of(rows: list[Row]) -> pa.RecordBatch:
    """The columns of some rows; see `ADDS`."""
    fine = [row.tokens if row.fault is None else None for row in rows]
    counts = [None if one is None else len(one.ids) for one in fine]
    spans = [None if one is None else one.spans for one in fine]
    trained = [
        count if each is None else sum(end - start for start, end, _ in each)
        for count, each in zip(counts, spans, strict=True)
    ]
    told = [row.rendered for row in rows]

    def counted(values: list[int | None]) -> Any:
        return pa.array(values, pa.int32())

    return columns(
        tokens=_lists(counts, [one.ids for one in fine if one is not None]),
        loss=_losses(spans),
        token_count=counted(counts),
        trained_count=counted(trained),
        fault=pa.array([row.fault for row in rows], pa.string()),
        unknown_tokens=counted([None if one is None else one.unknown for one in fine]),
        by_message=_became(rows),
        dropped_characters=counted([None if one is None else sum(one.dropped) for one in told]),
        added_characters=counted([None if one is None else sum(turn.added for turn in one.turns) for one in told]),
        lost_reasoning=counted([None if one is None else one.lost for one in told]),
        rewritten_turns=counted([None if one is None else one.rewritten for one in told]),
        cut_messages=counted([row.cut[1] - row.cut[0] for row in rows]),
        cut_tokens=counted([row.cut_tokens for row in rows]),
    )


def _offsets(counts: list[int | None]) -> Any:
    return pa.array(np.cumsum([0, *(count or 0 for count in counts)]).astype(np.int64))


def _missing(counts: list[int | None]) -> Any:
    return pa.array([count is None for count in counts], pa.bool_())


def _lists(counts: list[int | None], parts: list[Any]) -> Any:
    """Lists of tokens, null where there is no count."""
    flat = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    return pa.LargeListArray.from_arrays(
        _offsets(counts), pa.array(flat), type=COLUMNS["tokens"], mask=_missing(counts)
    )


def _losses(spans: list[Any]) -> Any:
    counts = [None if each is None else len(each) for each in spans]
    flat = [span for each in spans for span in each or ()]
    starts, ends, weights = zip(*flat, strict=True) if flat else ((), (), ())
    fields = list(SPAN_OF_LOSS)
    made = pa.StructArray.from_arrays(
        [pa.array(starts, pa.int32()), pa.array(ends, pa.int32()), pa.array(weights, pa.float32())], fields=fields
    )
    return pa.LargeListArray.from_arrays(_offsets(counts), made, type=COLUMNS["loss"], mask=_missing(counts))


def _became(rows: list[Row]) -> Any:
    """What became of each message of conversations that have tokens; a message that was cut is null."""
    counts, flat = list[int | None](), [list[int]() for _ in range(3)]
    weights, cut = list[float](), list[bool]()
    for row in rows:
        if row.rendered is None or row.tokens is None or row.fault is not None:
            counts.append(None)
            continue
        first, last = row.cut
        dropped = row.rendered.dropped[:-1]
        dropped[first:first] = [0] * (last - first)
        count = len(dropped)
        added, trained, weight = [0] * count, [0] * count, [0.0] * count
        for turn, (start, end, carried) in zip(row.rendered.turns, row.tokens.spans or (), strict=True):
            at = turn.message + (last - first if turn.message >= first else 0)
            added[at], trained[at], weight[at] = turn.added, end - start, carried
        counts.append(count)
        for values, more in zip(flat, (dropped, added, trained), strict=True):
            values.extend(more)
        weights += weight
        cut += [first <= at < last for at in range(count)]
    numbers = [pa.array(values, pa.int32()) for values in flat]
    gone: Any = pa.array(cut, pa.bool_())
    made = pa.StructArray.from_arrays([*numbers, pa.array(weights, pa.float32())], fields=list(BECAME), mask=gone)
    return pa.LargeListArray.from_arrays(_offsets(counts), made, type=pa.large_list(BECAME), mask=_missing(counts))
