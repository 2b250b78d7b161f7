"""What a stage prepared in a folder, loaded once in each process.

Why: a stage is called for every batch, but what it looks things up in stays the same until the folder is filled anew.
Costs one `stat` a call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar

__all__ = ["loaded_once"]

T = TypeVar("T")


def loaded_once(marker: str) -> Callable[[Callable[[Path], T]], Callable[[Path], T]]:
    """Decorator of a function that loads a folder; `marker` is the file in it that is written last."""

    def decorate(load: Callable[[Path], T]) -> Callable[[Path], T]:
        @lru_cache(maxsize=4)
        def kept(folder: Path, _inode: int, _modified: int) -> T:
            return load(folder)

        @wraps(load)
        def loaded(folder: Path) -> T:
            seen = (folder / marker).stat()
            return kept(folder, seen.st_ino, seen.st_mtime_ns)

        return loaded

    return decorate
