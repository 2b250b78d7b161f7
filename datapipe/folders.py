"""The one folder outside a run where datapipe keeps anything: compiled kernels.

`DATAPIPE_CACHE` names it; otherwise it is `datapipe` in the user's cache folder. It may be deleted at any time.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """Where the cache is; it may not exist yet."""
    named = os.environ.get("DATAPIPE_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datapipe"
