"""Keys and shingles of texts, by which documents that are nearly the same find each other.

Costs: as `datapipe.algo.minhash`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.algo.banding import optimal_bands
from datapipe.algo.minhash import band_keys, content_hashes, signatures
from datapipe.algo.near.candidates import TELLING
from datapipe.algo.survivors import scoped
from datapipe.stage import Share, StageConfig, measure, schema
from datapipe.text import Shingles
from datapipe.text.jit import Uint64s

__all__ = ["KEYS", "NearConfig", "band_rows", "bands_of", "equal_rows"]

KEYS = schema(row=pa.uint32(), key=pa.uint64(), signature=pa.uint64(), content=pa.uint64())


class NearConfig(StageConfig):
    """How texts are compared, and how alike they must be."""

    shingle: int = measure(5, "words in a shingle; characters in scripts without spaces", ge=1, le=64)
    bands: int = measure(14, "bands of a signature; two documents that share one are compared", ge=1)
    rows: int = measure(8, "values in a band", ge=1)
    threshold: Share | None = measure(
        None, "choose bands and rows out of bands x rows values for this similarity, as datasketch does", gt=0, lt=1
    )
    min_similarity: Share | None = measure(
        0.75, "exact Jaccard similarity of shingles from which on candidates are linked; null: whatever it is", gt=0
    )
    max_words: int | None = measure(
        100_000, "words of a document that are compared; longer ones with the same beginning are equal", ge=64
    )
    seed: int = measure(1, "of the signatures", ge=0, lt=2**32)


def bands_of(config: NearConfig) -> tuple[int, int]:
    """Bands, and rows of each."""
    if config.threshold is None:
        return config.bands, config.rows
    return optimal_bands(config.threshold, config.bands * config.rows)


def band_rows(found: Shingles, config: NearConfig, scopes: pa.RecordBatch) -> pa.RecordBatch:
    """The keys of the bands of each document that has a word, and hashes of its whole signature and of its shingles.

    Documents of the same shingles in the same order are known to be equal by a band and the hash of 64 bits each.
    Only documents of the same values in all columns of `scopes`, a row a document, share a key.
    """
    bands, rows = bands_of(config)
    values = signatures(found, bands * rows, config.seed)
    keys, whole = band_keys(values, bands, rows), band_keys(values, 1, bands * rows)[:, 0]
    some = np.flatnonzero(found.per_document() > 0)
    flat = keys[some].ravel()
    owners = np.repeat(some, bands)
    if scopes.num_columns:  # a band in one scope has nothing to do with the same band in another
        flat, _ = scoped((flat, flat), scopes.take(owners))
    telling = np.tile(np.arange(bands) == 0, len(some))  # equals share all bands: one of them tells of it
    whole = np.where(telling, whole[owners] | TELLING, whole[owners] & ~TELLING)
    contents = content_hashes(found)[owners]
    arrays: list[Any] = [pa.array(each) for each in (owners.astype(np.uint32), flat, whole, contents)]
    return pa.RecordBatch.from_arrays(arrays, schema=KEYS)


def equal_rows(halves: tuple[Uint64s, Uint64s], rows: Any) -> pa.RecordBatch:
    """A key for each of some rows by which those of the same 128-bit hash are known to be equal."""
    high, low = (half[rows] for half in halves)
    arrays: list[Any] = [pa.array(each) for each in (rows.astype(np.uint32), high, low | TELLING, low)]
    return pa.RecordBatch.from_arrays(arrays, schema=KEYS)
