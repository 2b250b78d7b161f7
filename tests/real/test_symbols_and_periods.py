"""The kernels of filter.repetition and filter.symbols equal their plain references on thousands of real documents."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from datapipe.text import reference_measures, repeated_periods, symbol_measures
from datapipe.text.segmentation import Segmentation
from tests.real.documents import documents

PERIODS = tuple(range(1, 14))


@pytest.mark.full
def test_kernels_equal_their_references_on_real_documents(real_data: Path) -> None:
    texts = documents(real_data)
    array = pa.array(texts, pa.large_string())
    segmentation = Segmentation.of(array)
    counts = repeated_periods(segmentation, PERIODS).T.tolist()
    symbols = symbol_measures(array, segmentation)
    for i, text in enumerate(texts):
        assert counts[i] == reference_measures.repeated_periods(text, periods=PERIODS)
        found = {name: float(values[i]) for name, values in symbols.items()}
        assert found == pytest.approx(reference_measures.symbol_measures(text))
    print(f"{len(texts):,} documents, {sum(map(len, texts)):,} characters: kernels and references agree")
