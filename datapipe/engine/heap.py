"""Keeps memory that was freed, for the next batch.

Why: batches of pages come and go in buffers of megabytes. By default the C library gives each back to the kernel,
which clears it anew for the next one (dask even asks for that): 4% of an extraction's time.
Costs up to 128 MiB a process that would else be free for others.
"""

from __future__ import annotations

import contextlib
import ctypes
from functools import cache

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt(3)
KEPT_BYTES = 128 << 20
LARGE_BYTES = 32 << 20  # the most that glibc takes


@cache
def keep_freed_memory() -> None:
    """Tell the C library of this process; without effect where it is not glibc."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
