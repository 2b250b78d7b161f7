"""How the values of a numeric column are distributed: quantiles in one pass, and bins that suit them.

Values are counted by the first 12 bits of their mantissa, so that quantiles are right to 1 part in 4,096 and whole
numbers up to 8,192 are exact. Costs a sort of each slice; memory: 16 bytes for each different value, so rounded.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from datapipe.algo.tally import Tally
from datapipe.text.jit import Float64s, Uint64s

__all__ = ["MOST_BINS", "QUANTILES", "Sketch", "bins_of"]

MOST_BINS = 60
QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
_SIGN = np.uint64(1 << 63)
_DROPPED = np.uint64(40)  # bits of a 64-bit float that are not counted by
WIDE = 20  # a column whose 99th percentile is so many times its median is shown on a logarithmic scale


class Sketch:
    """Counts values as they come."""

    def __init__(self) -> None:
        self._cells = Tally()
        self._sum = 0.0
        self.count = 0
        self.missing = 0
        self.least, self.greatest = np.inf, -np.inf

    def add(self, values: Float64s) -> None:
        """Count some values; what is not finite counts as missing."""
        known = values[np.isfinite(values)]
        self.missing += len(values) - len(known)
        if not len(known):
            return
        self.count += len(known)
        self._sum += float(known.sum())
        self.least, self.greatest = min(self.least, float(known.min())), max(self.greatest, float(known.max()))
        self._cells.add(*np.unique(_cells(known), return_counts=True))

    @property
    def mean(self) -> float | None:
        """Of all values; None without any."""
        return self._sum / self.count if self.count else None

    def quantiles(self) -> dict[str, float]:
        """By the names of QUANTILES; empty without values."""
        if not self.count:
            return {}
        cells, counts = self._cells.merged()
        so_far = np.cumsum(counts)
        at = {
            name: int(np.searchsorted(so_far, max(1.0, np.ceil(part * self.count)))) for name, part in QUANTILES.items()
        }
        values = _values(cells)
        return {name: float(np.clip(values[place], self.least, self.greatest)) for name, place in at.items()}


def _cells(values: Float64s) -> Uint64s:
    """Numbers in the order of the values, alike for values that are nearly so."""
    bits = (values + 0.0).view(np.uint64)  # -0.0 is 0.0
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    cells: Uint64s = ordered >> _DROPPED
    return cells


def _values(cells: Uint64s) -> Float64s:
    """A value of each cell: the end that is nearer to 0."""
    ordered = cells << _DROPPED
    below = (ordered & _SIGN) == 0
    ordered = np.where(below, ordered | np.uint64((1 << 40) - 1), ordered)
    bits = np.where(below, ~ordered, ordered & ~_SIGN)
    values: Float64s = bits.view(np.float64)
    return values


def bins_of(sketch: Sketch, *, whole: bool) -> tuple[Literal["linear", "log"], list[float]]:
    """Edges of at most MOST_BINS bins over all values, and their scale. `whole`: the values are whole numbers."""
    if not sketch.count:
        return "linear", []
    low, high, at = sketch.least, sketch.greatest, sketch.quantiles()
    if low == high:
        return "linear", [low, low + 1 if whole else float(np.nextafter(low, np.inf))]
    if whole and high - low < MOST_BINS:
        return "linear", [float(edge) for edge in range(int(low), int(high) + 2)]
    if low >= 0 and at["p99"] > WIDE * max(at["p50"], 1.0 if whole else 0.0) > 0:
        first = max(low, min(at["p01"], at["p50"] / 100)) or (1.0 if whole else at["p50"] / 1000)
        inner = np.geomspace(first, high, MOST_BINS)
        return "log", _tidied([low, *inner], (low, high), whole=whole)
    reach = at["p99"] + 2 * (at["p99"] - at["p50"])
    last = high if high <= reach or reach <= low else reach  # a few far values are not to flatten the rest
    return "linear", _tidied(list(np.linspace(low, last, MOST_BINS)), (low, high), whole=whole)


def _tidied(edges: list[float], ends: tuple[float, float], *, whole: bool) -> list[float]:
    """Ascending edges without repetition, short to write, the ends as they are."""
    low, high = ends
    short = [float(round(edge)) if whole else float(f"{edge:.4g}") for edge in edges]
    inner = sorted({edge for edge in short if low < edge < high})
    return [low, *inner[: MOST_BINS - 1], high]
