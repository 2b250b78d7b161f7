"""How long `mix` takes over many sources."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.schema import COLUMNS
from stages.mix import Config, build, merge, process, sketch

ROWS = 1024


def seconds(folder: Path, sources: int) -> float:
    """CPU time of placing some batches of so many sources."""
    rng = np.random.default_rng(0)
    config = Config.model_validate({"sources": {f"s{number}": {"epochs": 1.5} for number in range(sources)}, "seed": 1})
    columns: dict[str, Any] = {
        "id": [f"d{number}" for number in range(ROWS)],
        "source": [f"s{number % sources}" for number in range(ROWS)],
        "token_count": rng.integers(1, 900, ROWS),
        "trained_count": rng.integers(1, 900, ROWS),
    }
    batch = pa.RecordBatch.from_pydict({name: pa.array(each, COLUMNS[name]) for name, each in columns.items()})
    folder.mkdir()
    build(merge([sketch(batch, config)]), config, folder)
    process(batch, config, folder)  # the plan is read
    began = time.process_time()
    for _ in range(4):
        process(batch, config, folder)
    return time.process_time() - began


def test_a_thousand_sources_take_little_longer_than_three(tmp_path: Path) -> None:
    assert seconds(tmp_path / "many", 1000) < 20 * seconds(tmp_path / "few", 3)
