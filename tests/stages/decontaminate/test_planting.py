"""What an audit plants for decontaminate: items in the forms in which they leak, found by the item itself."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datapipe.schema import COLUMNS
from stages.decontaminate import STAGE, Config
from stages.decontaminate._planting import KINDS, PLANTING

ENGLISH = [
    f"A {trade} from {town} counts {things} before breakfast and finds that seven of them are {state}; how many "
    f"{things} must the {trade} borrow from the next parish so that every {helper} may carry exactly three home?"
    for trade, things, helper, state, town in [
        ("cooper", "barrels", "apprentice", "leaking", "Wexford"),
        ("chandler", "candlesticks", "chorister", "tarnished", "Lübeck"),
        ("glazier", "windowpanes", "journeyman", "cracked", "Bruges"),
        ("falconer", "gauntlets", "squire", "moth-eaten", "Cashel"),
    ]
] + ["Which gas makes the pale lanterns of Ravenscourt glow?"]
CHINESE = ["如果一个蓄水池每小时注入三十立方米的水，同时漏掉七立方米，那么装满四百六十立方米的水池需要多少小时？"]
HOSTS = [
    "The regional museum opens at nine. Its garden has old pear trees. Visitors may leave coats with the porter.",
    "昨天下了一场大雨。路上没有什么人，店铺也早早关门了。明天会放晴吗？大家都在等消息。",
]


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("items") / "riddles.jsonl"
    path.write_text("\n".join(json.dumps({"input": text}) for text in ENGLISH + CHINESE) + "\n", encoding="utf-8")
    return path


def audited(benchmark: Path, folder: Path, **values: Any) -> tuple[Counter[str], Counter[str]]:
    config = Config(benchmarks=(str(benchmark),), **values)
    assert STAGE.prepare is not None
    assert STAGE.decide is not None
    STAGE.prepare.build(config, folder)
    count = 240
    given = pa.record_batch(
        {
            "id": pa.array([f"d{at}" for at in range(count)]),
            "text": pa.array([HOSTS[at % 2] for at in range(count)], COLUMNS["text"]),
            "messages": pa.array([None] * count, COLUMNS["messages"]),
        }
    )
    cases = PLANTING.plant(given, config, folder, np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    read = cases.select(["text", "messages"]).append_column("url", pa.nulls(len(cases), pa.string()))
    made = STAGE.process(read, config, folder)
    reasons = STAGE.decide(made.select(STAGE.decides_for(config)), config)
    told = pa.RecordBatch.from_arrays(
        [cases["case"], cases["hidden"], reasons, *made.columns], names=["case", "hidden", "reason", *made.schema.names]
    )
    kinds: list[Any] = cases["case"].to_pylist()
    found = PLANTING.found(told, config)
    return Counter(kinds), Counter(kind for kind, is_found in zip(kinds, found, strict=True) if is_found)


@pytest.mark.parametrize("action", ["drop", "cut", "mark"])
def test_items_are_planted_in_every_form_and_found(benchmark: Path, tmp_path: Path, action: str) -> None:
    planted, found = audited(benchmark, tmp_path, action=action)
    assert planted.keys() == set(KINDS)
    for kind in ("whole", "question", "edited", "diluted"):
        assert found[kind] == planted[kind], kind


def test_with_its_limits_off_the_stage_is_seen_to_find_nothing(benchmark: Path, tmp_path: Path) -> None:
    planted, found = audited(benchmark, tmp_path, max_input=None, max_input_output=None, max_output=None)
    assert planted
    assert not found


def test_with_its_limit_high_it_finds_less(benchmark: Path, tmp_path: Path) -> None:
    planted, found = audited(benchmark, tmp_path, max_input=3.0)
    assert 0 < found.total() < planted.total()


def test_what_another_tool_cuts_is_not_audited(benchmark: Path, tmp_path: Path) -> None:
    assert not audited(benchmark, tmp_path, like="gpt3", action="cut")[0]
