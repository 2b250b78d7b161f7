"""What an audit plants for filter.toxicity is found where its thresholds stand, and missed where they are far off."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.schema import COLUMNS
from stages.filter.toxicity import STAGE, Config
from stages.filter.toxicity._planting import PLANTING

TEXTS = {
    "en": "The council met on Tuesday. Nobody spoke of the bridge. It was late. A second meeting is planned for May.",
    "zh": "昨天下了一场大雨。路上没有什么人，店铺也早早关门了。明天会放晴吗？大家都在等消息。",
    "fr": "Le conseil se réunit mardi. Personne ne parle du pont.",
}


def audited(**values: Any) -> tuple[Counter[str], Counter[str]]:
    config = Config.model_validate(values)
    languages = ["en", "zh", "fr", "en"] * 40
    texts = [TEXTS[code] for code in languages]
    batch = pa.record_batch(
        {
            "id": pa.array([str(at) for at in range(160)]),
            "text": pa.array(texts, COLUMNS["text"]),
            "messages": pa.array([None] * 160, COLUMNS["messages"]),
            "language": pa.array(languages),
        }
    )
    cases = PLANTING.plant(batch, config, None, np.arange(160, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    given = cases.select(["text", "messages"]).append_column("language", batch["language"].take(cases["parent_row"]))
    made = STAGE.process(given, config, None)
    assert STAGE.decide is not None
    reasons = STAGE.decide(made, config)
    told = pa.RecordBatch.from_arrays([cases["case"], reasons], names=["case", "reason"])
    kinds: list[Any] = cases["case"].to_pylist()
    found = PLANTING.found(told, config)
    return Counter(kinds), Counter(kind for kind, is_found in zip(kinds, found, strict=True) if is_found)


def test_insults_are_planted_in_languages_with_a_model_and_found() -> None:
    planted, found = audited()
    assert planted.keys() == {"toxic_en", "toxic_zh", "half_en", "half_zh"}
    assert found["toxic_en"] == planted["toxic_en"]
    assert found["toxic_zh"] == planted["toxic_zh"]


def test_single_lines_are_planted_where_passages_are_judged() -> None:
    planted, _ = audited(max_passage=0.5)
    assert {"line_en", "line_zh"} < planted.keys()


def test_with_thresholds_out_of_reach_nothing_is_found_and_without_any_nothing_planted() -> None:
    planted, found = audited(max_hate=1.0, max_toxicity=1.0)
    assert planted
    assert not found
    assert not audited(max_hate=None, max_toxicity=None)[0]
