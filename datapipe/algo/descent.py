"""Documents that were made of one: whose ids begin with the same parent's, as `parent#n` or `parent#n#m`.

Why: they share what they were made of, so none of them may be a shot for another, or stand in a part apart.
"""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

__all__ = ["roots_of"]

CHILD = r"(#\d+)+$"


def roots_of(ids: Any) -> Any:
    """The id of the document that each was made of, at first; its own where it was made of none."""
    return pc.replace_substring_regex(ids, CHILD, "")
