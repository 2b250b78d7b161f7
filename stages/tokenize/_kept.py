"""Things that are made once and kept, up to a size: all are let go when there are too many.

Costs memory for what is kept: keys and texts of MOST characters, and what is made of them.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Kept"]

MOST = 16 << 20  # characters of all


class Kept:
    """Values by key. One that is larger than an eighth of the room is not kept."""

    def __init__(self) -> None:
        self._values: dict[bytes, Any] = {}
        self._size = 0

    def get(self, key: bytes) -> Any:
        """What is kept, or None."""
        return self._values.get(key)

    def put(self, key: bytes, value: Any, size: int) -> None:
        """Keep a value of some size, in characters."""
        if size > MOST // 8:
            return
        if self._size + size > MOST:
            self._values.clear()
            self._size = 0
        self._values[key] = value
        self._size += size
