"""Centers of blocks, found once on a sample of all documents' vectors.

The sample is of different vectors, those whose hashes are least, so it depends on the documents alone and not on how
they stand in shards; how many there are in all is told by the greatest of these hashes.
Costs: memory: of each shard and of all `sample` vectors at a time; time: as `datapipe.algo.blocks`, of the sample.
Source of the estimate: Bar-Yossef et al. 2002 (Counting distinct elements in a data stream).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isqrt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.blocks import PER_CENTER, Blocks
from datapipe.algo.nodes import mixed
from datapipe.algo.resource import loaded_once
from datapipe.algo.vectors import vectors_of

SKETCH = pa.schema([("order", pa.uint64()), ("vector", pa.large_list(pa.float32())), ("most", pa.int64())])
FILE = "centers.npy"
BLOCK = 4096  # vectors that a block has on average, until there are more blocks than that
HASHES = 2.0**64


def sketch(batch: pa.RecordBatch, config: Any) -> pa.Table:
    """The different vectors of a batch whose hashes are least: `sample` or fewer."""
    vectors = vectors_of(batch[config.column], config.column)
    sound = np.flatnonzero(vectors.is_sound)
    order = mixed(vectors.contents()[sound] ^ np.uint64(config.seed))
    at: Any = pa.array(sound)
    columns: list[Any] = [
        pa.array(order),
        vectors.listed().take(at),
        pa.array(np.full(len(sound), config.sample)),
    ]
    return merge([pa.Table.from_arrays(columns, schema=SKETCH)])


def merge(sketches: Sequence[pa.Table]) -> pa.Table:
    """One sketch of several."""
    table = pa.concat_tables([SKETCH.empty_table(), *sketches])
    if not len(table):
        return table
    _, at = np.unique(table["order"].to_numpy(), return_index=True)
    least: Any = pa.array(at[: table["most"][0].as_py()])
    return table.take(least).combine_chunks()


def build(table: pa.Table, config: Any, folder: Path) -> None:
    """Centers, as whole numbers, of the vectors that are of the commonest size."""
    vectors = vectors_of(table["vector"].combine_chunks(), config.column)
    sizes, counts = np.unique(vectors.sizes, return_counts=True)
    centers = np.zeros((0, 0), np.float32)
    if len(sizes):
        some = np.flatnonzero(vectors.sizes == sizes[counts.argmax()])
        centers = Blocks.of(vectors.matrix(some), _blocks(table["order"].to_numpy(), len(some), config)).centers
    np.save(folder / FILE, centers.astype(np.int16))


def _blocks(order: Any, sampled: int, config: Any) -> int:
    """How many blocks: as told, or as the documents' estimated number asks for and the sample can tell apart."""
    if config.blocks is not None:
        return min(int(config.blocks), sampled)
    found = len(order)
    documents = found if found < config.sample else round((found - 1) * HASHES / float(order[-1]))
    return max(1, min(ceil(documents / BLOCK), isqrt(documents), sampled // PER_CENTER))


@loaded_once(FILE)
def centers_in(folder: Path) -> Blocks:
    """What `build` wrote."""
    return Blocks(np.load(folder / FILE).astype(np.float32))
