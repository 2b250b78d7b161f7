"""The kernels of filter.repetition and filter.symbols equal their plain references on thousands of real documents."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from datapipe.text import reference_measures, repeated_periods, symbol_measures
from datapipe.text.segmentation import Segmentation

FILES = {
    "raw/c4_demo_300.jsonl.gz": "text",
    "raw/oiwiki_zh.jsonl.gz": "text",
    "raw/tang_poems.jsonl.gz": "text",
    "extract-zh/gold.jsonl.gz": "text",
    "extract-wcxb/gold.jsonl.gz": "main_content",
}
PERIODS = tuple(range(1, 14))
CHARACTERS = 6_000  # of each document: the plain references are slow
FEWEST = 5_000


def _texts(folder: Path) -> list[str]:
    found = []
    for name, column in FILES.items():
        with gzip.open(folder / name, "rt", encoding="utf-8") as lines:
            found += [(json.loads(line).get(column) or "")[:CHARACTERS] for line in lines]
    return found


@pytest.mark.full
def test_kernels_equal_their_references_on_real_documents(real_data: Path) -> None:
    texts = _texts(real_data)
    assert len(texts) >= FEWEST
    array = pa.array(texts, pa.large_string())
    segmentation = Segmentation.of(array)
    counts = repeated_periods(segmentation, PERIODS).T.tolist()
    symbols = symbol_measures(array, segmentation)
    for i, text in enumerate(texts):
        assert counts[i] == reference_measures.repeated_periods(text, periods=PERIODS)
        found = {name: float(values[i]) for name, values in symbols.items()}
        assert found == pytest.approx(reference_measures.symbol_measures(text))
    print(f"{len(texts):,} documents, {sum(map(len, texts)):,} characters: kernels and references agree")
