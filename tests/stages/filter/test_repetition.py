"""A document at the threshold stays and beyond it leaves, in English and in Chinese."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from stages.filter.repetition import STAGE, Config


def measured(texts: list[str | None], config: Config) -> pa.RecordBatch:
    return STAGE.process(pa.record_batch({"text": pa.array(texts, pa.large_string())}), config, None)


def reasons(texts: list[str | None], **options: Any) -> list[str | None]:
    config = Config.model_validate(options)
    assert STAGE.decide is not None
    return STAGE.decide(measured(texts, config), config).to_pylist()


@pytest.mark.parametrize(
    "block",
    [
        "word ",
        "word, ",
        "one two ",
        "a b c d e f g h i j k l m ",  # 13 words
        "哈",
        "你好",
        "一二三四五六七八九十百千万",  # 13 characters
    ],
)
def test_32_times_in_a_row_stay_and_33_leave(block: str) -> None:
    before, after = "Before it stands a text. ", " And one stands after it: 前文"
    texts: list[str | None] = [f"{before}{block * times}{after}" for times in (31, 32, 33, 34)]
    assert reasons(texts) == [None, None, "repeated_words", "repeated_words"]
    assert reasons(texts, max_repeats=None) == [None] * 4
    assert reasons(texts, max_repeats=31) == [None, *["repeated_words"] * 3]


@pytest.mark.parametrize("block", ["a b c d e f g h i j k l m n ", "一二三四五六七八九十百千万亿"])
def test_longer_blocks_are_looked_for_only_if_asked(block: str) -> None:
    assert reasons([block * 40]) == [None]
    assert reasons([block * 40], max_period=14) == ["repeated_words"]


def test_what_stands_apart_is_no_run() -> None:
    assert reasons(["".join(f"word {i} " for i in range(100))]) == [None]


def test_the_shortest_of_the_worst_blocks_is_told() -> None:
    found = measured(["a a b c b c", "a b", "", None, "甲乙甲乙甲乙"], Config()).to_pydict()
    assert found == {"repeats": [2, 1, 0, 0, 3], "period": [1, None, None, None, 2]}
