"""Blocks of vectors that are near each other, so that not every pair of a corpus need be compared: spherical k-means.

What: each block has a center; a vector belongs to those whose centers have the greatest cosines with it. Centers are
found on a sample: at first they are some of its vectors, then in turn each vector goes to its nearest center and each
center to the middle of its vectors, until nothing changes or MOST_STEPS are done; a center that has none is put on the
vector that is farthest from its own. A block that has too many for all pairs is cut into blocks of its own (`cut`).
All products are of rounded vectors (`datapipe.algo.vectors`) and sums are of whole numbers: the same anywhere.
Costs: a product of a vector and a center each, at 110 thousand million operations a second a core (AVX-512); memory:
the sample, and a few thousand products.
Source: Dhillon and Modha 2001 (spherical k-means); Abbas et al. 2023 (SemDeDup) compare within its blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from datapipe.algo.vectors import Float32s, rounded
from datapipe.text import readonly
from datapipe.text.jit import Float64s, Int64s, kernel

__all__ = ["PER_CENTER", "Blocks", "cut"]

MOST_STEPS = 15
PER_CENTER = 16  # vectors of a sample for each center, at the least
PRODUCTS = 1 << 22  # that are held at a time
MOST_PARTS = 64  # that a block is cut into at a time
SHRINKS = 0.75  # a part that has more of its block's vectors than this is not worth cutting by centers


@dataclass(frozen=True, eq=False)
class Blocks:
    """centers: float32 (blocks, numbers), rounded; blocks may be 0: then all belong to block 0."""

    centers: Float32s

    @classmethod
    def of(cls, sample: Float32s, count: int) -> Blocks:
        """Of a sample in random order, `count` or as many as it has vectors."""
        points = rounded(sample)[0]
        blocks = cls(points[:count].copy())
        before = np.full(len(points), -1)
        for _ in range(MOST_STEPS):
            scores, nearest = blocks._nearest(points)
            if (nearest == before).all():
                break
            blocks, before = cls(_middles(points, scores, nearest, blocks.centers)), nearest
        return blocks

    def nearest(self, matrix: Float32s, count: int) -> Int64s:
        """Of each row its `count` nearest blocks, int64 (rows, count) or as many as there are; of equals the first."""
        found = np.zeros((len(matrix), max(1, min(count, len(self.centers)))), np.int64)
        if len(self.centers) > 1:
            points = rounded(matrix)[0]
            for start, stop in self._pieces(len(points)):
                scores = points[start:stop] @ self.centers.T
                rows = np.arange(stop - start)
                for rank in range(found.shape[1]):
                    found[start:stop, rank] = scores.argmax(axis=1)
                    scores[rows, found[start:stop, rank]] = -np.inf
        return found

    def _nearest(self, points: Float32s) -> tuple[Float32s, Int64s]:
        scores, nearest = np.empty(len(points), np.float32), np.empty(len(points), np.int64)
        for start, stop in self._pieces(len(points)):
            products = points[start:stop] @ self.centers.T
            nearest[start:stop] = products.argmax(axis=1)
            scores[start:stop] = products.max(axis=1)
        return scores, nearest

    def _pieces(self, rows: int) -> Iterator[tuple[int, int]]:
        size = max(1, PRODUCTS // max(1, len(self.centers)))
        yield from ((start, min(start + size, rows)) for start in range(0, rows, size))


def _middles(points: Float32s, scores: Float32s, nearest: Int64s, centers: Float32s) -> Float32s:
    """New centers: the sums of their points; where there are none, points that are far from theirs."""
    sums = np.zeros(centers.shape, np.float64)
    _add(readonly(points), readonly(nearest), sums)
    empty = np.flatnonzero(np.bincount(nearest, minlength=len(centers)) == 0)
    far = np.argsort(scores, kind="stable")[: len(empty)]
    sums[empty[: len(far)]] = points[far]
    middles = sums.astype(np.float32)
    none = ~middles.any(axis=1)  # of opposites
    middles[none] = centers[none]
    return rounded(middles)[0]


@kernel
def _add(points: Float32s, nearest: Int64s, sums: Float64s) -> None:
    for i in range(points.shape[0]):
        for k in range(points.shape[1]):
            sums[nearest[i], k] += np.float64(points[i, k])


def cut(matrix: Float32s, most: int, count: int) -> Iterator[Int64s]:
    """Rows of a matrix, in parts of at most `most` (and one) in which they are near each other, each in `count` or so.

    A part that centers do not tell apart is cut as it comes, and each piece has its first row.
    """
    yield from _cut(matrix, np.arange(len(matrix)), most, count)


def _cut(matrix: Float32s, rows: Int64s, most: int, count: int) -> Iterator[Int64s]:
    if len(rows) <= most:
        yield rows
        return
    parts = min(MOST_PARTS, max(4 * count, -(-2 * len(rows) // most)))
    blocks = Blocks.of(matrix[rows[: 4 * PER_CENTER * parts]], parts)
    step = max(1, PRODUCTS // matrix.shape[1])
    nearest = np.concatenate([blocks.nearest(matrix[rows[at : at + step]], count) for at in range(0, len(rows), step)])
    for block in range(parts):
        mine = rows[(nearest == block).any(axis=1)]
        if len(mine) <= max(most, SHRINKS * len(rows)):
            yield from _cut(matrix, mine, most, count)
        else:
            for start in range(0, len(mine), most):
                yield np.union1d(mine[:1], mine[start : start + most])
