"""How many bands of how many rows: the S-curve of locality-sensitive hashing, and its best cut for a threshold.

What: documents of Jaccard similarity s share at least one of b bands of r rows with probability 1 - (1 - s^r)^b.
`optimal_bands` weighs the area above the curve's false negatives (beyond the threshold) against that of its false
positives (below), as datasketch does, and chooses what datasketch's `MinHashLSH` chooses.
Costs: some 25 ms for 112 permutations, once for each threshold.
Source: Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, chapter 3; datasketch 2.0, the tests' oracle.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["optimal_bands", "probability"]

# Gauss-Legendre with n nodes is exact for polynomials of degree 2n - 1, and (1 - s^r)^b is one of degree r * b: up to
# 255 permutations the areas are exact. Beyond, they are off by less than 1e-6 (tests).
NODES = 128


def probability(jaccard: npt.ArrayLike, bands: int, rows: int) -> npt.NDArray[np.float64]:
    """Probability that documents of this Jaccard similarity share a band; float64, of the argument's shape."""
    similarity = np.asarray(jaccard, np.float64)
    result: npt.NDArray[np.float64] = 1.0 - (1.0 - similarity**rows) ** bands
    return result


@cache
def optimal_bands(
    threshold: float, permutations: int = 112, *, weights: tuple[float, float] = (0.5, 0.5)
) -> tuple[int, int]:
    """Bands and rows with the least weighted error at a Jaccard threshold; weights of false positives and negatives.

    Of equal ones the fewest bands, then the fewest rows. Raises ValueError for a threshold outside 0-1, less than two
    permutations, or weights that are not both in 0-1 with the sum 1.
    """
    if not 0.0 <= threshold <= 1.0:
        message = f"a Jaccard threshold is in 0-1, not {threshold}"
        raise ValueError(message)
    if permutations < 2:
        message = f"two permutations at least, not {permutations}"
        raise ValueError(message)
    if min(weights) < 0.0 or abs(sum(weights) - 1.0) > 1e-9:
        message = f"weights are in 0-1 and sum to 1, not {weights}"
        raise ValueError(message)
    nodes, shares = np.polynomial.legendre.leggauss(NODES)
    below, above = threshold * (nodes + 1) / 2, threshold + (1 - threshold) * (nodes + 1) / 2
    best, least = (0, 0), np.inf
    for bands in range(1, permutations + 1):
        rows = np.arange(1, permutations // bands + 1)[:, None]
        false_positive = (1.0 - (1.0 - below**rows) ** bands) @ shares * threshold / 2
        false_negative = (1.0 - above**rows) ** bands @ shares * (1 - threshold) / 2
        error = weights[0] * false_positive + weights[1] * false_negative
        at = int(np.argmin(error))
        if error[at] < least:
            best, least = (bands, at + 1), float(error[at])
    return best
