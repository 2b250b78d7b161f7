"""Masks lines of our own, such as errors and notes: names of files and values that a user gave may be personal.

Costs importing what masks, and only where a line could hold personal data.
"""

from __future__ import annotations

__all__ = ["masked"]


def masked(line: str) -> str:
    """The line, on one line, without what the patterns of `datapipe.lineage.mask_url` know."""
    from datapipe.algo.pii.suspects import suspicious

    if not suspicious(line):
        return line
    from datapipe.lineage import mask_url

    return mask_url(line)
