"""Runs a Group over pages in memory, as the contract suite does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from datapipe.contract.finding import Findings, Trial
from datapipe.contract.grouped import run_group
from datapipe.stage import Group, StageConfig
from datapipe.text import forget

Page = tuple[str | None, str | None]  # URL and text


def judged_pages(stage: Group, config: StageConfig, pages: Sequence[Page]) -> list[dict[str, Any]]:
    """What the stage says of each page, with its reason."""
    forget()
    urls = pa.array([url for url, _ in pages], pa.string())
    batch = pa.record_batch({"url": urls, "text": pa.array([text for _, text in pages], pa.large_string())})
    found = []
    for columns in run_group(Trial(stage, config, {"pages": batch}, Path("unused"), Findings()), batch):
        assert columns.schema == stage.adds_for(config)
        assert stage.decide is not None
        reasons = stage.decide(columns, config).to_pylist()
        found += [{**row, "reason": reason} for row, reason in zip(columns.to_pylist(), reasons, strict=True)]
    return found
