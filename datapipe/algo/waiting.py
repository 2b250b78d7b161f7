"""What the documents of one cluster are compared by waits until it is known who stays: in memory, then in a file.

Costs: memory: as given, and once they are compared 16 bytes a set; time: each set is written and read once, or twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from datapipe.algo.nodes import Uint64s
from datapipe.stage import Scratch

__all__ = ["Alike", "WaitingSets"]

Alike: TypeAlias = Callable[[Any, Any, tuple[Any, Any]], pa.DoubleArray]


class WaitingSets:
    """Collects sets by the number of the document whose they are, then compares all of them with one."""

    def __init__(self, scratch: Scratch, alike: Alike) -> None:
        self._alike_of = alike
        self._path = scratch.folder / "sets.arrow"
        self._most = scratch.memory_bytes
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._writer: Any = None
        self._nodes: Uint64s | None = None  # once they are compared, sorted
        self._alike: Any = None

    def add(self, nodes: Uint64s, sets: Any) -> None:
        """Some more sets."""
        self._held.append(pa.record_batch({"node": pa.array(nodes), "set": sets}))
        self._bytes += self._held[-1].nbytes
        if self._bytes > self._most:
            self._spill()

    def _spill(self) -> None:
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pa.ipc.new_file(str(self._path), self._held[0].schema)
        for batch in self._held:
            self._writer.write_batch(batch)
        self._held, self._bytes = [], 0

    def similarity(self, nodes: Uint64s, survivor: int) -> pa.DoubleArray:
        """How alike some documents are to the one that stays; no set comes any more."""
        if self._nodes is None:
            self._compare(survivor)
        assert self._nodes is not None
        found: pa.DoubleArray = self._alike.take(pa.array(np.searchsorted(self._nodes, nodes)))
        return found

    def _compare(self, survivor: int) -> None:
        if self._writer is not None:
            self._writer.close()
        (one,) = (set_ for part in self._batches() if (set_ := _set_of(part, survivor)) is not None)
        nodes, alike = [], []
        for part in self._batches():
            every = np.arange(part.num_rows)
            nodes.append(part["node"].to_numpy())
            alike.append(np.asarray(self._alike_of(one, part["set"], (np.zeros_like(every), every))))
        if self._writer is not None:
            self._path.unlink()
        self._held = []
        together = np.concatenate(nodes)
        order = np.argsort(together)
        self._nodes, self._alike = together[order], pa.array(np.concatenate(alike)[order])

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if self._writer is not None:
            with pa.ipc.open_file(str(self._path)) as file:
                yield from (file.get_batch(number) for number in range(file.num_record_batches))
        yield from self._held


def _set_of(part: pa.RecordBatch, node: int) -> Any:
    at = np.flatnonzero(part["node"].to_numpy() == np.uint64(node))
    return part["set"].take(at) if len(at) else None
