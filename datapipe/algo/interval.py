"""How sure a share is that was counted on some cases.

Source: Wilson 1927; unlike the normal approximation it stays within 0 and 1, and is honest about 0 of 5.
"""

from __future__ import annotations

from math import sqrt

__all__ = ["NORMAL_95", "wilson"]

NORMAL_95 = 1.959963984540054  # of a normal variable 95% lie within so many standard deviations


def wilson(hits: int, cases: int, deviations: float = NORMAL_95) -> tuple[float, float]:
    """The interval in which the share lies that `hits` of `cases` are drawn from, by default with 95% confidence.

    Of no cases nothing is known: (0, 1).
    """
    if not cases:
        return 0.0, 1.0
    square = deviations**2
    share = hits / cases
    middle = (share + square / (2 * cases)) / (1 + square / cases)
    half = deviations * sqrt(share * (1 - share) / cases + square / (4 * cases**2)) / (1 + square / cases)
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == cases else min(1.0, middle + half)
