"""Sets of hashes: which values are the first of their kind, and which are among others.

Why: `np.unique` and `np.isin` sort, which takes 59 to 108 ns a value of real batches; hashes need no order.
Costs: 7 to 15 ns a value there, 16 to 32 bytes of scratch a value of the set (tests/benchmarks/repeats.py).
"""

from __future__ import annotations

import numpy as np

from datapipe.stage import Mask
from datapipe.text.jit import U64, Uint64s, kernel

__all__ = ["are_first", "are_in"]

EMPTY = U64(0)  # a hash of 0 is taken for one of 1


def are_first(hashes: Uint64s) -> Mask:
    """Whether no value before is the same; hashes are uint64 of which the low bits are as good as chance."""
    out = np.zeros(len(hashes), np.bool_)
    _add(hashes, _table(len(hashes)), out)
    return out


def are_in(hashes: Uint64s, others: Uint64s) -> Mask:
    """Whether each value is one of the others; hashes as in `are_first`."""
    table = _table(len(others))
    _add(others, table, np.zeros(len(others), np.bool_))
    out = np.zeros(len(hashes), np.bool_)
    _find(hashes, table, out)
    return out


def _table(count: int) -> Uint64s:
    return np.zeros(1 << (2 * count).bit_length(), np.uint64)


@kernel
def _add(hashes: Uint64s, table: Uint64s, is_new: Mask) -> None:
    last = U64(len(table) - 1)
    for i in range(len(hashes)):
        value = max(hashes[i], U64(1))
        at = value & last
        while table[at] != EMPTY and table[at] != value:
            at = (at + U64(1)) & last
        is_new[i] = table[at] == EMPTY
        table[at] = value


@kernel
def _find(hashes: Uint64s, table: Uint64s, found: Mask) -> None:
    last = U64(len(table) - 1)
    for i in range(len(hashes)):
        value = max(hashes[i], U64(1))
        at = value & last
        while table[at] != EMPTY and table[at] != value:
            at = (at + U64(1)) & last
        found[i] = table[at] == value
