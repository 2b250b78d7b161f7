"""First round: documents that share a band of their signatures are candidates; a bucket makes few pairs a document.

Documents of the same shingles stand for one: each is paired with the first of them, and known to be its equal. So are
those of the same signature, though compared. Of different signatures each is paired with the eight before it in the
bucket and with the bucket's first, so that small buckets give all their pairs, and a bucket of a million gives nine
million and not half a billion.
Costs: 12 million rows a second; memory: the last nine documents of a bucket.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.keyed import counted
from datapipe.algo.nodes import nodes_of, place_of
from datapipe.stage import Scratch, schema
from datapipe.text import readonly
from datapipe.text.jit import Uint64s, kernel

NEIGHBOURS = 8  # different signatures before a document in its bucket that it is compared with
ASKED = schema(shard=pa.uint32(), row=pa.uint32(), center=pa.uint64(), equal=pa.bool_())


class _Bucket(NamedTuple):
    """What is known of the bucket at hand.

    head: key, signature, first document, number of different signatures, whether there is a bucket, content and first
    document of that content; recent: the last documents of different signatures, uint64 (NEIGHBOURS,).
    """

    head: Uint64s
    recent: Uint64s


def resolve(stream: Iterator[pa.RecordBatch], config: Any, scratch: Scratch) -> Iterator[pa.RecordBatch]:
    """What is asked of candidates: each of a pair by the document that stands before the other, its center."""
    bucket = _Bucket(np.zeros(7, np.uint64), np.zeros(NEIGHBOURS, np.uint64))
    for rows, sizes, _ in counted(stream, ("key",), 2):
        some = rows.filter(pa.array(sizes > 1))
        if some.num_rows == 0:
            continue
        out = np.empty((some.num_rows * (NEIGHBOURS + 1), 3), np.uint64)
        names = ("key", "signature", "content")
        keys, signatures, contents = (readonly(np.ascontiguousarray(some[name].to_numpy())) for name in names)
        count = _pair((keys, signatures, contents, readonly(nodes_of(some))), bucket, out)
        yield _asked(out[:count])


def _asked(pairs: Uint64s) -> pa.RecordBatch:
    centers = np.stack([pairs[:, 1], pairs[:, 1], np.zeros(len(pairs), np.uint64)], axis=1)
    both = np.concatenate([pairs, centers])  # centers are asked by themselves
    order = np.lexsort((both[:, 1], both[:, 0]))
    both = both[order]
    new = np.ones(len(both), np.bool_)
    new[1:] = (both[1:, :2] != both[:-1, :2]).any(axis=1)
    shard, row = place_of(both[new, 0])
    return pa.RecordBatch.from_arrays([shard, row, pa.array(both[new, 1]), pa.array(both[new, 2] == 1)], schema=ASKED)


@kernel
def _pair(rows: tuple[Uint64s, Uint64s, Uint64s, Uint64s], bucket: _Bucket, out: Uint64s) -> int:
    """Document, center and whether they are equal, of rows in order; returns how many. Buckets go on between calls."""
    keys, signatures, contents, nodes = rows
    head, recent = bucket
    size = np.uint64(len(recent))
    count = 0
    for i in range(len(keys)):
        same_bucket = head[4] == 1 and head[0] == keys[i]
        if same_bucket and head[1] == signatures[i]:
            out[count, 0], out[count, 2] = nodes[i], np.uint64(head[5] == contents[i])
            out[count, 1] = head[6] if head[5] == contents[i] else recent[(head[3] - np.uint64(1)) % size]
            count += 1
            if head[5] != contents[i]:
                head[5], head[6] = contents[i], nodes[i]
            continue
        if not same_bucket:
            head[0], head[2], head[3], head[4] = keys[i], nodes[i], 0, 1
        known = min(head[3], size)
        for k in range(known):
            out[count, 0], out[count, 1], out[count, 2] = nodes[i], recent[k], 0
            count += 1
        if head[3] > size:
            out[count, 0], out[count, 1], out[count, 2] = nodes[i], head[2], 0
            count += 1
        recent[head[3] % size] = nodes[i]
        head[1], head[5], head[6] = signatures[i], contents[i], nodes[i]
        head[3] += np.uint64(1)
    return count
