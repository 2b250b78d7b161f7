"""Documents to read: some that each stage dropped for each reason, and some that are left at the end.

They are chosen by a hash of id and seed: the same every time, whatever the number of shards. Costs hashing the ids of
what came to each stage, then single rows; memory: the ids of a slice.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.chance import chances
from datapipe.corpus.layer import TableFile
from datapipe.engine.columns import Columns
from datapipe.errors import InputError
from datapipe.lineage import excerpt, mask_url, measures_of, safe
from datapipe.recipe import Node
from datapipe.report.facts_stages import last_stages
from datapipe.report.model import SampleFacts
from datapipe.report.walk import Seen, came_to
from datapipe.run.again import SLICE_ROWS
from datapipe.run.context import Context
from datapipe.run.reopen import open_columns, with_input
from datapipe.stage import Expand, Sink, Source

__all__ = ["samples_of"]

DROPPED = 3  # documents shown for each stage and reason
KEPT = 8  # of each last stage
CHARACTERS = 600  # of a text that is shown
READ = 4_000  # characters of a text that are masked for that
TITLE = 200
MEASURES = 12


def samples_of(context: Context, seed: int) -> tuple[SampleFacts, ...]:
    """By stage in the order of the recipe: what is kept at the end, then what left, by reason."""
    last = {node.name for node in last_stages(context)}
    found = []
    for node in context.recipe.nodes.values():
        if not isinstance(node.stage, Sink):
            chosen = _chosen(context, node, seed, kept=node.name in last and not isinstance(node.stage, Expand))
            found += [_told(context, node, each) for each in chosen]
    return tuple(found)


@dataclass(order=True)
class _Choice:
    """A document; those of the smallest rank are chosen, so a heap holds the greatest first."""

    rank: int
    id: str
    seen: Seen = field(compare=False)
    row: int = field(compare=False)
    reason: str | None = field(compare=False)


def _chosen(context: Context, node: Node, seed: int, *, kept: bool) -> Iterator[_Choice]:
    heaps: dict[str | None, list[_Choice]] = {}
    for seen in came_to(context, node):
        if not kept and not seen.record.dropped:
            continue
        assert seen.record.reasons is not None
        file = TableFile(context.store, seen.record.reasons)
        base = TableFile(context.store, seen.shard.record.layer[0])
        for start in range(0, len(file.rows), SLICE_ROWS):
            at = np.arange(start, min(start + SLICE_ROWS, len(file.rows)))
            rows, reasons = file.rows[at], file.take("reason", at)
            ids = base.take("id", rows.astype(np.int64))
            ranks = chances(ids, seed, "report")
            for reason in pc.unique(reasons).to_pylist():
                if reason is not None or kept:
                    hit = np.flatnonzero(_given(reasons, reason))
                    near = hit[np.argsort(ranks[hit], kind="stable")[: KEPT if reason is None else DROPPED]]
                    heap = heaps.setdefault(reason, [])
                    for place in near.tolist():
                        choice = _Choice(-int(ranks[place]), ids[place].as_py(), seen, int(rows[place]), reason)
                        _push(heap, choice, KEPT if reason is None else DROPPED)
    for reason in sorted(heaps, key=lambda each: (each is not None, each or "")):
        yield from sorted(heaps[reason], key=lambda choice: (-choice.rank, choice.id))


def _given(reasons: Any, reason: str | None) -> Any:
    hit = pc.is_null(reasons) if reason is None else pc.fill_null(pc.equal(reasons, pa.scalar(reason)), False)
    return hit.to_numpy(zero_copy_only=False)


def _push(heap: list[_Choice], choice: _Choice, most: int) -> None:
    if len(heap) < most:
        heapq.heappush(heap, choice)
    elif choice > heap[0]:
        heapq.heapreplace(heap, choice)


# ---------------------------------------------------------------------------------------------- what is shown


def _told(context: Context, node: Node, choice: _Choice) -> SampleFacts:
    seen, row = choice.seen, np.array([choice.row], np.uint32)
    columns = open_columns(context, seen.path, with_input(seen.shard))
    url, title = (_value(seen, columns, name, row) for name in ("url", "title"))
    text = _value(seen, columns, "text", row)
    if text is None:
        text = _talk(_value(seen, columns, "messages", row))
    measures = () if isinstance(node.stage, Source | Expand) else measures_of(columns, seen.path, row)
    told = [each for each in measures if each.value is not None and not isinstance(each.value, list | dict)]
    return SampleFacts(
        stage=node.name,
        reason=choice.reason,
        id=safe(choice.id, lines=False) if not _is_hash(choice.id) else choice.id,
        url=None if url is None else mask_url(url),
        title=None if title is None else excerpt(safe(title[:READ], lines=False), TITLE),
        text=None if text is None else _excerpt(text),
        measures={each.name: _short(each.value) for each in told[:MEASURES]},
    )


def _value(seen: Seen, columns: Columns, name: str, row: Any) -> Any:
    """A value of a document after the stage; None where it is read from an input that is not at hand."""
    try:
        return columns.get(name, row, seen.path.owners_after.get(name, ()))[0].as_py()
    except InputError:
        return None


def _talk(messages: Any) -> str | None:
    """A conversation as lines, the role first."""
    if not messages:
        return None
    return "\n".join(f"{each['role'] or 'none'}: {(each['content'] or '')[:READ]}" for each in messages)


def _is_hash(name: str) -> bool:
    """Whether an id is one of ours; digits of a hash may look like somebody's number."""
    first = name.partition("#")[0]
    return len(first) == 32 and set(first) <= set("0123456789abcdef")


def _excerpt(text: str) -> str:
    shown = safe(text[:READ])
    if len(text) > READ:  # what the cut halved may not be known for what it is
        shown = shown[: max(0, len(shown) - 200)]
    return excerpt(shown, CHARACTERS)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return excerpt(safe(value, lines=False), TITLE) if isinstance(value, str) and not _is_hash(value) else str(value)
