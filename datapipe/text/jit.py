"""The one way this package compiles numeric code.

What: `kernel`, a typed wrapper of numba's `njit`, and names for the array types that kernels take.
Why: every kernel is kept in numba's disk cache and runs without the interpreter lock; both are easily forgotten.
Costs: importing this module imports numba (about half a second); a kernel compiles at its first call
(0.1-1 s each, once per machine and version: see `datapipe.text.warm`).

A rule for kernels: they always get the same array types (see `buffers.readonly`), so that each compiles once.
numba's cache looks only at the file of the called kernel, not at those of its parts; so compiled code is kept in
a folder named by a digest of all sources that hold kernels, below the cache folder.
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
import xxhash

from datapipe.folders import cache_folder

P = ParamSpec("P")
R = TypeVar("R")

Int = int | np.integer[Any]  # numbers in kernels are of either
Uint8s = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Uint64s = npt.NDArray[np.uint64]
Float64s = npt.NDArray[np.float64]

# uint64 with int64 becomes float64 in numba: constants and shifts of hashes are wrapped with this.
U64: Callable[[Any], Any] = np.uint64
# In the place of `int`, for which numba compiles a helper for each type of number.
I64: Callable[[Any], Any] = np.int64

# No kernel uses array expressions, which is what `no_rewrites` leaves out (constant indexes of tuples too: unpack
# them). No kernel makes arrays, so none needs to count references to them; counting, atomically at each call, took more
# than half of the time, and a good part of compiling.
_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True, "no_rewrites": True}


# Typed by hand: `_nrt` and the wrapper options are known to numba, not to its stubs.
_njit: Callable[..., Callable[[Any], Any]] = numba.njit


@cache
def kernel_folder() -> Path:
    """Where compiled kernels are kept: `NUMBA_CACHE_DIR` if it is set, else below the cache folder."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return Path(named)
    hasher = xxhash.xxh3_64(numba.__version__.encode())
    here = Path(__file__).parent
    for path in sorted([*here.glob("*.py"), *(here.parent / "algo").rglob("*.py")]):
        source = path.read_bytes()
        if b"datapipe.text.jit" in source:
            hasher.update(source)
    return cache_folder() / f"kernels-{hasher.hexdigest()}"


_settings: Any = numba.config  # its names are made at import, so its stubs know none
_settings.CACHE_DIR = str(kernel_folder())


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """A part of kernels, compiled once and merged into each that calls it; not callable from Python."""
    return cast("Callable[P, R]", _njit(**_OPTIONS, forceinline=True, no_cpython_wrapper=True)(function))


def called(function: Callable[P, R]) -> Callable[P, R]:
    """A part of kernels, compiled once and called: for what is long and runs seldom, or is long and stands in loops."""
    return cast("Callable[P, R]", _njit(**_OPTIONS, no_cpython_wrapper=True)(function))


def pasted(function: Callable[P, R]) -> Callable[P, R]:
    """A part of kernels whose code is pasted into its caller before types are known: the fastest to run.

    For parts that are called from one place, or a line long: each paste is compiled anew.
    """
    return cast("Callable[P, R]", _njit(**_OPTIONS, inline="always", no_cpython_wrapper=True)(function))


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of numbers and arrays at its first call; cached on disk, without the interpreter lock."""
    return cast("Callable[P, R]", _njit(**_OPTIONS, cache=True)(function))
