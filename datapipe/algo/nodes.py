"""Documents as numbers: shard and row in one uint64, and that number mixed, to be a key that spreads."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["Uint64s", "firsts", "mixed", "nodes_of", "place_of"]

Uint64s: TypeAlias = npt.NDArray[np.uint64]

HALF = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)


def nodes_of(rows: pa.RecordBatch) -> Uint64s:
    """The documents of rows with `shard` and `row`."""
    shard, row = (rows[name].to_numpy().astype(np.uint64) for name in ("shard", "row"))
    found: Uint64s = shard << HALF | row
    return found


def place_of(nodes: Uint64s) -> tuple[pa.Array[Any], pa.Array[Any]]:
    """Shard and row of documents, uint32."""
    return pa.array((nodes >> HALF).astype(np.uint32)), pa.array((nodes & LOW).astype(np.uint32))


def mixed(nodes: Uint64s) -> Uint64s:
    """Different numbers for different documents, spread over all uint64: the finaliser of splitmix64."""
    z = nodes + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Uint64s = z ^ (z >> np.uint64(31))
    return found


def firsts(keys: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where another key begins in sorted keys."""
    new = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    return new
