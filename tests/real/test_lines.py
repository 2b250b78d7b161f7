"""What filter.lines takes from real texts; `pytest -s -m full` prints the shares and who leaves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datapipe.text import forget
from stages.filter.lines import Config, process
from tests.real.machine import human
from tests.real.scoring import wcxb

LIMIT = float(Config().max_removed_share or 0)
ROWS = 256


def removed_shares(texts: list[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The share of words that each text loses."""
    shares: list[Any] = []
    for start in range(0, len(texts), ROWS):
        forget()
        batch = pa.record_batch({"text": pa.array(texts[start : start + ROWS], pa.large_string())})
        shares += process(batch, Config(), None)["removed_share"].to_pylist()
    return np.array(shares)


@pytest.mark.full
def test_one_limit_serves_chinese_too(real_data: Path) -> None:
    """Of the 25 pages none leaves, and none loses over 1.8%; of the wiki 5 of 465 leave."""
    found = {name: removed_shares(texts) for name, texts in human(real_data, chinese=True).items()}
    for name, shares in found.items():
        print(f"{name}: {(shares > LIMIT).sum()} of {len(shares)} leave; at most {shares.max():.3f} is removed")
    assert found["extract-zh"].max() <= 0.02
    assert (found["oiwiki"] > LIMIT).mean() <= 0.02


@pytest.mark.full
def test_what_leaves_of_english_pages_is_no_article(real_data: Path) -> None:
    pages = wcxb(real_data)
    leave = removed_shares([page.gold for page in pages]) > LIMIT
    all_of, left = (
        Counter(page.kind for page in pages),
        Counter(page.kind for page, is_out in zip(pages, leave, strict=True) if is_out),
    )
    print({kind: f"{left[kind]} of {count}" for kind, count in all_of.items()})
    assert left["article"] <= 0.05 * all_of["article"]
