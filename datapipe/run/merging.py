"""Keeps the number of exchange files that one task opens bounded: many are first merged, some at a time.

So the work grows with the rows, not with the number of files times that of ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from datapipe.corpus.exchange import BUCKETS
from datapipe.engine.resolve import Resolved
from datapipe.engine.task import Input, Keys

__all__ = ["in_blocks", "in_few_files", "keys_of"]

MERGE_INPUTS = 128  # files that one task opens


def in_few_files(
    inputs: tuple[Keys, ...],
    merge: Callable[[list[str], list[tuple[Input, ...]]], list[Resolved]],
    name: str = "merged",
) -> tuple[Keys, ...]:
    """The same rows in no more files than a task may open; `merge(names, blocks)` makes one file of each block."""
    level = 0
    while len(inputs) > MERGE_INPUTS:
        blocks = in_blocks(inputs)
        names = [f"{name}-{level}-{at:05d}" for at in range(len(blocks))]
        results = merge(names, [tuple(keys.slice(0, BUCKETS) for keys in block) for block in blocks])
        inputs = tuple(keys for result in results for keys in keys_of(result, None, None))
        level += 1
    return inputs


def in_blocks(inputs: Sequence[Keys]) -> list[tuple[Keys, ...]]:
    """Files that have rows, as many together as a task may open."""
    blocks = [inputs[at : at + MERGE_INPUTS] for at in range(0, len(inputs), MERGE_INPUTS)]
    return [some for block in blocks if (some := tuple(keys for keys in block if keys.part.rows))]


def keys_of(result: Resolved, shard: int | None, run: int | None) -> Iterator[Keys]:
    """The files that a task has made."""
    return (Keys(part, buckets, shard, run) for part, buckets in zip(result.parts, result.buckets, strict=True))
