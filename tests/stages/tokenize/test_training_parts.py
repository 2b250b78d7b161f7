"""A tokenizer is trained on long texts in parts: the same words, in memory that does not grow with the text."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pyarrow as pa

from datapipe.schema import COLUMNS
from stages.tokenize._train import LONGEST, PART, Training, _splitter, sketch

WORDS = ("tide", "潮水", "it's", "12345", "\n", "a.b", "  x", "🌊", "don't")
TRAINING = Training.model_validate({"vocabulary": 400})


def counted(texts: list[str | None], most: int = 1 << 30) -> dict[str, int]:
    batch = pa.record_batch(
        {
            "id": pa.array([str(at) for at in range(len(texts))]),
            "text": pa.array(texts, pa.large_string()),
            "messages": pa.array([None] * len(texts), COLUMNS["messages"]),
        }
    )
    table: Any = sketch(batch, TRAINING, most).to_pydict()
    return dict(zip(table["word"], table["count"], strict=True))


def test_the_words_of_a_long_text_are_those_of_the_whole() -> None:
    chance = random.Random(1)
    text = " ".join(chance.choice(WORDS) for _ in range(PART // 2))
    assert len(text) > 1.5 * PART
    assert counted([text]) == Counter(word for word, _ in _splitter().pre_tokenize_str(text))


def test_a_long_text_without_words_is_counted_too() -> None:
    found = counted(["x" * (2 * PART + 2 * LONGEST) + " end", "ab"])
    assert found == {"ab": 1, "Ġend": 1}  # of what is longer than LONGEST nothing is learnt


def test_what_becomes_no_tokens_teaches_nothing() -> None:
    assert counted(["tide", "much too long", None, "潮水"], most=6) == {"tide": 1, "æ½®æ°´": 1}
