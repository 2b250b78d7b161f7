"""How many passes over each source a mixture makes: from weights, a budget, a temperature and caps.

Costs nothing: arithmetic over a handful of sources.
Source: temperature as in Conneau et al. 2019, caps as in Chung et al. 2023 (UniMax).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Wish", "passes"]


class Wish(NamedTuple):
    """What a source is given: passes, or a weight (None: its size) with at most so many passes."""

    epochs: float | None = None
    weight: float | None = None
    most: float | None = None


def passes(
    sizes: Mapping[str, float], wishes: Mapping[str, Wish], total: float | None, temperature: float = 1.0
) -> dict[str, float]:
    """Passes over each source of `sizes` units; those with a weight share `total`, by weight ** (1 / temperature).

    Without a total they bring as much as they have without one going beyond its cap, or one pass. What a cap holds
    back is shared by the others. Sources without anything are passed over 0 times.
    """
    found = {name: wish.epochs for name, wish in wishes.items() if wish.epochs is not None}
    found |= {name: 0.0 for name in wishes if not sizes.get(name)}
    open_ = {name: wish for name, wish in wishes.items() if name not in found}
    shares = {name: _weight(wish, sizes[name]) ** (1 / temperature) for name, wish in open_.items()}
    found |= {name: 0.0 for name, share in shares.items() if not share}
    shares = {name: share for name, share in shares.items() if share}
    if total is None and shares:
        whole = sum(shares.values())
        total = min((open_[name].most or 1.0) * sizes[name] * whole / share for name, share in shares.items())
    left = total or 0.0
    while shares:
        whole = sum(shares.values())
        given = {name: left * share / whole / sizes[name] for name, share in shares.items()}
        capped = {name: cap for name in shares if (cap := open_[name].most) is not None and given[name] > cap}
        if not capped:
            return found | given
        found |= capped
        left -= sum(cap * sizes[name] for name, cap in capped.items())
        shares = {name: share for name, share in shares.items() if name not in capped}
    return found


def _weight(wish: Wish, size: float) -> float:
    return size if wish.weight is None else wish.weight
