"""Where a document's perplexity stands among those of its language: the sketch that `prepare` makes, and its use.

A histogram of log10 perplexity by language, of fixed bins, so that it comes out the same whatever the batches and
however large the corpus. A document's percentile is the share of documents in lower bins; those of one bin share it.
Costs: 20,001 bins a language at most, 0.4 MB; a bin is 0.23% wide.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.resource import loaded_once
from datapipe.stage import schema
from datapipe.text.jit import Float64s, Int64s

FILE = "percentiles.json"
BINS_A_DECADE = 1000
LAST = 20 * BINS_A_DECADE  # perplexities from 10^20 on share a bin
SKETCH = schema(language=pa.string(), bin=pa.int64(), documents=pa.int64())


class _Histogram(NamedTuple):
    """Bins that hold documents, in order (int64), and the documents in lower bins than each, then all (int64)."""

    bins: Int64s
    below: Int64s


def bins_of(perplexities: Float64s) -> Int64s:
    """The bin of each perplexity (at least 1)."""
    bins: Int64s = np.clip(np.floor(np.log10(perplexities) * BINS_A_DECADE), 0, LAST).astype(np.int64)
    return bins


def sketch_of(languages: pa.Array[Any], perplexities: Float64s) -> pa.Table:
    """Documents by language and bin."""
    bins: Any = pa.array(bins_of(perplexities))
    ones: Any = pa.array(np.ones(len(bins), np.int64))
    return merge([pa.Table.from_arrays([languages, bins, ones], schema=SKETCH)])


def merge(sketches: Sequence[pa.Table]) -> pa.Table:
    """Documents by language and bin, of several sketches."""
    table = pa.concat_tables([SKETCH.empty_table(), *sketches])
    summed: Any = table.group_by(["language", "bin"]).aggregate([("documents", "sum")])
    summed = summed.rename_columns({"documents_sum": "documents"}).select(SKETCH.names)
    ordered: pa.Table = summed.sort_by([("language", "ascending"), ("bin", "ascending")])
    return ordered


def build(table: pa.Table, config: Any, folder: Path) -> None:
    """Write the histograms, one JSON object with an entry a language."""
    found: dict[str, dict[str, list[int]]] = {}
    for row in table.to_pylist():
        histogram = found.setdefault(row["language"], {"bins": [], "documents": []})
        histogram["bins"].append(row["bin"])
        histogram["documents"].append(row["documents"])
    (folder / FILE).write_text(json.dumps(found, indent=None, sort_keys=True) + "\n", encoding="utf-8")


@loaded_once(FILE)
def _histograms(folder: Path) -> dict[str, _Histogram]:
    found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return {
        code: _Histogram(np.array(each["bins"], np.int64), np.cumsum([0, *each["documents"]]))
        for code, each in found.items()
    }


def percentiles_of(perplexities: Float64s, language: str, folder: Path) -> Float64s | None:
    """Percent of the language's documents that lie in lower bins; None if the corpus had no document in it."""
    histogram = _histograms(folder).get(language)
    if histogram is None:
        return None
    below = histogram.below[np.searchsorted(histogram.bins, bins_of(perplexities))]
    found: Float64s = 100.0 * below / histogram.below[-1]
    return found
