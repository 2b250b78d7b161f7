"""How a report's page writes numbers, names and texts.

Costs nothing.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from datapipe.lineage import escape

__all__ = ["count", "number", "percent", "shown", "signed"]

NOTHING = "–"
MOST_CHARACTERS = 2_000  # of any text on the page
_MINUS = "\N{MINUS SIGN}"


def count(value: int | None) -> str:
    """A whole number with thousands apart; a dash for null."""
    return NOTHING if value is None else f"{value:,}".replace("-", _MINUS)


def signed(value: int) -> str:
    """A change, with its sign."""
    return f"+{value:,}" if value > 0 else count(value)


def percent(share: float | None) -> str:
    """A share, 0 to 1, as a percentage that says no 0 and no 100 which are not so."""
    if share is None:
        return NOTHING
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 <= share < 1:
        return ">99.9%"
    return f"{share:.1%}" if share not in {0, 1} else f"{share:.0%}"


def number(value: float | None, digits: int = 4) -> str:
    """A number in so many digits; below a million million, whole ones and those above 1,000 are written out."""
    if value is None:
        return NOTHING
    if abs(value) < 1e12 and (value == int(value) or abs(value) >= 1000):
        return count(round(value))
    return f"{value:.{digits}g}".replace("-", _MINUS)


def shown(value: Any) -> Any:
    """What stands on the page for a value of a template: text without unseen marks and of bounded length.

    Jinja escapes it for HTML afterwards; what is markup already stays as it is.
    """
    if value is None:
        return NOTHING
    if isinstance(value, str) and not isinstance(value, Markup):
        cut = value if len(value) <= MOST_CHARACTERS else f"{value[:MOST_CHARACTERS]} …"
        return escape(cut)
    return value
