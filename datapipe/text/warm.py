"""Compile every kernel before the work begins.

Why: numba compiles a kernel at its first call and keeps it in a cache on disk; processes that start together would
all compile the same. Run once per machine.
Costs: 6-9 s on one core with an empty cache, 0.3 s with a full one.
"""

import time

import pyarrow as pa

from datapipe.text.hashing import hash128
from datapipe.text.normalise import normalised_hash
from datapipe.text.quality import quality_measures
from datapipe.text.repetition import repetition_measures
from datapipe.text.segmentation import Segmentation


def warm_up() -> float:
    """Run every kernel on a tiny text; returns the seconds that took."""
    began = time.perf_counter()
    texts = pa.array(["A word, a word."], pa.large_string())
    segmentation = Segmentation.of(texts)
    hash128(texts)
    normalised_hash(texts, segmentation)
    quality_measures(texts, segmentation)
    repetition_measures(segmentation)
    return time.perf_counter() - began
