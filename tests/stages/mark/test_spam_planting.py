"""What an audit plants for mark.spam is told as spam of its kind, and missed where the limits are out of reach."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.schema import COLUMNS
from stages.mark.spam import KINDS, STAGE, Config, found_cases, plant
from tests.stages.mark.test_machine_text import CHINESE


def audited(**values: Any) -> tuple[Counter[str], Counter[str]]:
    config = Config.model_validate(values)
    count = 160
    batch = pa.record_batch(
        {
            "text": pa.array([CHINESE] * count, COLUMNS["text"]),
            "language": pa.array(["en" if at % 4 == 3 else "zh" for at in range(count)]),
        }
    )
    cases = plant(batch, config, None, np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    assert len(cases) == count * 3 // 4
    given = pa.record_batch({"text": cases["text"], "language": batch["language"].take(cases["parent_row"])})
    made = STAGE.process(given, config, None)
    assert STAGE.decide is not None
    told = pa.RecordBatch.from_arrays(
        [cases["case"], STAGE.decide(made, config), *made.columns], names=["case", "reason", *made.schema.names]
    )
    kinds: list[Any] = cases["case"].to_pylist()
    found = found_cases(told, config)
    return Counter(kinds), Counter(kind for kind, is_found in zip(kinds, found, strict=True) if is_found)


def test_spam_of_every_kind_is_planted_plain_and_hidden_and_told() -> None:
    planted, found = audited()
    assert planted.keys() == {*KINDS, *(f"{kind}_hidden" for kind in KINDS)}
    assert found == planted
    assert audited(drop=list(KINDS))[1] == planted


def test_with_its_limit_out_of_reach_it_is_seen_to_find_nothing() -> None:
    planted, found = audited(min_density=2000)
    assert planted
    assert not found
