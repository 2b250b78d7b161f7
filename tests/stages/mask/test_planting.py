"""What an audit plants for mask.pii is found where the stage works, and missed where it does not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datapipe.algo.pii.planting import PLANTING
from datapipe.schema import COLUMNS
from stages.mask.pii import ENTITIES, STAGE, Config

ENGLISH = "The council met on Tuesday. Nobody spoke of the bridge! It was late.\nA second meeting is planned for May."
CHINESE = "昨天下了一场大雨。路上没有什么人，店铺也早早关门了。明天会放晴吗？大家都在等消息。"


def batch(count: int, *, messages: bool = False) -> pa.RecordBatch:
    texts = [CHINESE if at % 2 else ENGLISH for at in range(count)]
    talks = [[{"role": "user", "content": text, "train": False, "weight": None}] for text in texts]
    return pa.record_batch(
        {
            "id": pa.array([f"d{at}" for at in range(count)]),
            "text": pa.array([None] * count if messages else texts, COLUMNS["text"]),
            "messages": pa.array(talks if messages else [None] * count, COLUMNS["messages"]),
        }
    )


def audited(config: Config, given: pa.RecordBatch) -> tuple[Counter[str], Counter[str]]:
    """How many cases of each kind there are, and how many are found."""
    seeds = np.arange(len(given), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    cases = PLANTING.plant(given, config, None, seeds)
    names = STAGE.reads_for(config)
    held = cases.schema.names
    nothing: dict[str, Any] = COLUMNS
    columns: list[Any] = [cases[n] if n in held else pa.nulls(len(cases), nothing[n]) for n in names]
    made = STAGE.process(pa.RecordBatch.from_arrays(columns, names=list(names)), config, None)
    assert STAGE.decide is not None
    reasons = STAGE.decide(made.select(["found", "counts"]), config)
    told = pa.RecordBatch.from_arrays(
        [cases["case"], cases["hidden"], reasons, *made.columns], names=["case", "hidden", "reason", *made.schema.names]
    )
    kinds: list[Any] = cases["case"].to_pylist()
    found = PLANTING.found(told, config)
    return Counter(kinds), Counter(kind for kind, is_found in zip(kinds, found, strict=True) if is_found)


@pytest.mark.parametrize("messages", [False, True])
def test_every_entity_is_planted_in_both_languages_and_masked(*, messages: bool) -> None:
    planted, found = audited(Config(), batch(400, messages=messages))
    assert planted.keys() == {f"{entity.lower()}_{language}" for entity in ENTITIES for language in ("en", "zh")}
    assert found == planted


def test_what_the_stage_no_longer_sees_is_missed() -> None:
    """Its least score over that of numbers without a check: those stay, and are told as missed."""
    planted, found = audited(Config(min_score=0.95), batch(400))
    assert planted["phone_number_en"] > 0 == found["phone_number_en"]
    assert found["credit_card_en"] == planted["credit_card_en"]


def test_what_is_not_looked_for_or_kept_is_not_planted() -> None:
    planted, _ = audited(Config(entities=("EMAIL_ADDRESS", "US_SSN"), actions={"US_SSN": "keep"}), batch(40))
    assert planted.keys() == {"email_address_en", "email_address_zh"}
    assert not audited(Config(columns=("title",)), batch(10))[0]


def test_what_leaves_with_its_document_is_found() -> None:
    planted, found = audited(Config(max_found=0), batch(60))
    assert found == planted
