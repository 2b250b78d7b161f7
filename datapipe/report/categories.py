"""The commonest values of columns of codes, and of the hosts of URLs, by whether a stage kept the documents.

Costs a count of each slice's different values; memory: at most MOST_HELD values a column. Where there are more, those
met least are let go, so that a common value stays and counts of rare ones may be short; totals stay exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datapipe.algo.urls import split_urls
from datapipe.lineage import safe
from datapipe.report.model import Category, Value
from datapipe.stage import Mask

__all__ = ["Counted", "codes_of", "hosts"]

SHOWN = 30
MOST_HELD = 100_000


def hosts(urls: Any) -> Any:
    """The host of each URL, null where there is none."""
    found, _ = split_urls(urls)
    return found.cast(pa.string())


def codes_of(values: Any) -> tuple[Any, Any] | None:
    """Codes (string) of a column, and the row of each; None where it holds no codes. A list has several, or none."""
    kind = values.type
    if pa.types.is_boolean(kind):
        return values.cast(pa.string()), None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values.cast(pa.string()), None
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and pa.types.is_string(kind.value_type):
        return values.flatten(), pc.list_parent_indices(values).to_numpy()
    return None


class Counted:
    """Counts the values of one column."""

    def __init__(self, column: str) -> None:
        self.column = column
        self._counts: dict[str | None, list[int]] = {}
        self._all = [0, 0]  # kept, dropped
        self._lost = 0  # values that were let go

    def add(self, values: Any, kept: Mask) -> None:
        """Count some rows."""
        coded = codes_of(values)
        assert coded is not None
        codes, rows = coded
        if rows is not None:
            kept = kept[rows]
        encoded = codes.dictionary_encode(null_encoding="encode")
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        which, size = encoded.indices.to_numpy(), len(encoded.dictionary)
        both = np.bincount(which, minlength=size)
        stayed = np.bincount(which[kept], minlength=size)
        self._all[0] += int(stayed.sum())
        self._all[1] += int((both - stayed).sum())
        for value, here, left in zip(
            encoded.dictionary.to_pylist(), stayed.tolist(), (both - stayed).tolist(), strict=True
        ):
            counts = self._counts.setdefault(value, [0, 0])
            counts[0] += here
            counts[1] += left
        if len(self._counts) > MOST_HELD:
            self._let_go()

    def _let_go(self) -> None:
        ordered = sorted(self._counts.items(), key=_rank)
        self._lost += len(ordered) - MOST_HELD // 2
        self._counts = dict(ordered[: MOST_HELD // 2])

    def facts(self) -> Category | None:
        """What was counted; None where there was no value."""
        named = sum(value is not None for value in self._counts)
        if not named:
            return None
        shown = sorted(self._counts.items(), key=_rank)[:SHOWN]
        told = [
            Value(value=None if value is None else safe(value, lines=False), kept=kept, dropped=dropped)
            for value, (kept, dropped) in shown
        ]
        rest = [whole - sum(counts[at] for _, counts in shown) for at, whole in enumerate(self._all)]
        others = Value(value="others", kept=rest[0], dropped=rest[1])
        return Category(column=self.column, values=tuple(told), others=others, distinct=named + self._lost)


def _rank(entry: tuple[str | None, list[int]]) -> tuple[int, str]:
    value, counts = entry
    return -sum(counts), value or ""
