from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from stages.filter.length import STAGE, Config


def reasons(texts: list[str | None], config: Config) -> list[str | None]:
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    measured = STAGE.process(batch, config, None)
    assert STAGE.decide is not None
    return STAGE.decide(measured, config).to_pylist()


@pytest.mark.parametrize(
    ("text", "words"),
    [("one two three", 3), ("don't stop, now!", 3), ("你好世界", 4), ("สวัสดี", 4), ("", 0), (" \n ", 0), (None, 0)],
)
def test_words_are_counted_and_characters_where_there_are_no_spaces(text: str | None, words: int) -> None:
    batch = pa.record_batch({"text": pa.array([text], pa.large_string())})
    assert STAGE.process(batch, Config(), None).to_pylist() == [{"words": words}]


@pytest.mark.parametrize("word", ["word ", "字"])
def test_bounds_are_inclusive(word: str) -> None:
    config = Config(min_words=3, max_words=5)
    found = reasons([word * count for count in (2, 3, 5, 6)], config)
    assert found == ["too_few_words", None, None, "too_many_words"]


def test_none_is_off_and_nought_is_nought() -> None:
    assert reasons(["", "a b"], Config(min_words=None, max_words=None)) == [None, None]
    assert reasons(["", "a b"], Config(min_words=None, max_words=0)) == [None, "too_many_words"]


def test_bounds_by_language_ask_for_the_language_and_only_then(tmp_path: Path) -> None:
    (tmp_path / "zh.yaml").write_text(
        "{name: Chinese, scripts: Hani, segmenter: characters,"
        " thresholds: {filter.length: {min_words: 5}}, record: {thresholds: made up}}"
    )
    config = Config(min_words="by_language", max_words=8, languages=str(tmp_path))
    assert STAGE.decides_for(config) == ("words", "language")
    assert STAGE.decides_for(Config()) == ("words",)
    measured = pa.record_batch({"words": pa.array([4, 5, 5, 9], pa.int32()), "language": ["zh", "zh", "en", "zh"]})
    assert STAGE.decide is not None
    assert STAGE.decide(measured, config).to_pylist() == ["too_few_words", None, "too_few_words", "too_many_words"]
