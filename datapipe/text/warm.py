"""Compile every kernel before the work begins.

Why: numba compiles a kernel at its first call and keeps it in a cache on disk; processes that start together would
all compile the same. Done once per machine: a mark in the cache says that it is done.
Costs: some 6 s of CPU time in each of two processes with an empty cache; nothing with a full one.
"""

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from datapipe.text.estimate import estimate_tokens
from datapipe.text.hashing import hash128
from datapipe.text.jit import kernel_folder
from datapipe.text.line_corrections import corrected_lines
from datapipe.text.line_rules import kept_lines
from datapipe.text.line_shape import line_measures
from datapipe.text.normalise import normalised_hash
from datapipe.text.periods import repeated_periods
from datapipe.text.quality import quality_measures
from datapipe.text.repetition import repetition_measures
from datapipe.text.segmentation import Segmentation
from datapipe.text.shingling import shingles
from datapipe.text.symbols import symbol_measures


def warm_up() -> float:
    """Compile what is not compiled yet; returns the seconds that took."""
    began = time.perf_counter()
    mark = kernel_folder() / "complete"
    if mark.exists():
        return 0.0
    helper = subprocess.Popen([sys.executable, "-m", "datapipe.text.warm"])
    _compile_words()
    if helper.wait() != 0:
        _compile_lines()
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return time.perf_counter() - began


def load_kernels() -> None:
    """Load every compiled kernel into this process: 0.3 s."""
    _compile_words()
    _compile_lines()


def _tiny() -> tuple[pa.LargeStringArray, Segmentation]:
    texts = pa.array(["A word, a word."], pa.large_string())
    return texts, Segmentation.of(texts)


class _WordsOnly:
    """Words in the place of lines and paragraphs: the same types, so the same compiled code, without those kernels."""

    def __init__(self, segmentation: Segmentation) -> None:
        self.words = self.lines = self.paragraphs = segmentation.words

    def __len__(self) -> int:
        return 1


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Compiling makes millions of objects, hardly any of them garbage in cycles: looking for those takes a tenth."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_without_collecting()
def _compile_words() -> None:
    _, segmentation = _tiny()
    estimate_tokens(segmentation.words)
    stand_in: Any = _WordsOnly(segmentation)
    repetition_measures(stand_in)
    kept_lines(*_tiny())
    line_measures(*_tiny())
    repeated_periods(stand_in, (1,))


@_without_collecting()
def _compile_lines() -> None:
    """What does not need words first: by then the other process has compiled those."""
    texts, segmentation = _tiny()
    _ = segmentation.lines
    hash128(texts)
    quality_measures(texts, segmentation)
    symbol_measures(texts, segmentation)
    normalised_hash(texts, segmentation)
    shingles(texts)
    corrected_lines(texts, segmentation, upper=0.5, min_words=1, short=10, counted=("likes",))


if __name__ == "__main__":
    _compile_lines()
