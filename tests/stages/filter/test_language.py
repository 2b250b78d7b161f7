from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import ValidationError

from stages.filter.language import LOOKED_AT, STAGE, Config, detect

SAMPLES = {
    "en": "The committee will meet again next week to decide how the money should be spent.",
    "de": "Der Ausschuss trifft sich nächste Woche wieder, um über das Geld zu entscheiden.",
    "fr": "Le comité se réunira la semaine prochaine pour décider de l'emploi de cet argent.",
    "es": "El comité se reunirá la próxima semana para decidir cómo se gastará el dinero.",
    "ru": "Комитет соберётся на следующей неделе, чтобы решить, как потратить эти деньги.",
    "zh": "委员会下周将再次开会，决定这笔钱应该怎么花。",
    "ja": "委員会は来週もう一度集まり、お金の使い道を決めます。",
}


def measured(texts: list[str | None]) -> pa.RecordBatch:
    return STAGE.process(pa.record_batch({"text": pa.array(texts, pa.large_string())}), Config(), None)


def reasons(texts: list[str | None], config: Config) -> list[str | None]:
    assert STAGE.decide is not None
    return STAGE.decide(measured(texts), config).to_pylist()


@pytest.mark.parametrize("language", SAMPLES)
def test_a_sentence_is_enough(language: str) -> None:
    found, score = detect(SAMPLES[language].encode())
    assert found == language
    assert score > 0.7


def test_traditional_and_simplified_chinese_are_both_zh() -> None:
    assert [detect(text.encode())[0] for text in ("這個委員會下週開會。", "这个委员会下周开会。")] == ["zh", "zh"]


def test_text_without_letters_has_no_language_and_is_unsure() -> None:
    texts: list[str | None] = ["", None, "12 345 {}", " \n"]
    assert measured(texts).to_pylist() == [{"language": None, "score": 0.0}] * 4
    assert reasons(texts, Config()) == ["language_unsure"] * 4
    assert reasons(texts, Config(min_score=None)) == [None] * 4
    assert reasons(texts, Config(min_score=None, keep=("en",))) == ["language_not_kept"] * 4


def test_only_wanted_languages_are_kept() -> None:
    found = reasons(list(SAMPLES.values()), Config(keep=("en", "zh")))
    assert [language for language, reason in zip(SAMPLES, found, strict=True) if reason is None] == ["en", "zh"]
    assert set(found) == {None, "language_not_kept"}


def test_the_score_is_compared_inclusively() -> None:
    assert STAGE.decide is not None
    table = pa.record_batch(
        {"language": pa.array(["en"] * 3), "score": pa.array([0.49, 0.5, 0.51], pa.float32())},
    )
    assert STAGE.decide(table, Config(min_score=0.5)).to_pylist() == ["language_unsure", None, None]


def test_menus_at_the_top_do_not_decide() -> None:
    menu = "Home About Contact Login Search Privacy Terms Shop Cart Help " * 8
    found, _ = detect((menu + SAMPLES["de"] * 50).encode())
    assert found == "de"


def test_nothing_beyond_the_limit_counts() -> None:
    start = (SAMPLES["zh"].encode() * 100)[: LOOKED_AT + 1]
    assert detect(start + SAMPLES["ru"].encode() * 100) == detect(start[:LOOKED_AT])


def test_a_zero_byte_hides_nothing() -> None:
    assert detect(b"\0" + SAMPLES["fr"].encode())[0] == "fr"


def test_a_code_that_nothing_detects_is_refused() -> None:
    with pytest.raises(ValidationError, match="no language known as eng"):
        Config(keep=("eng",))


def test_articles_in_29_languages(real_data: Path) -> None:
    """Labels are folder names: some files are untranslated English, so 90% is what can be asked."""
    with gzip.open(real_data / "lid-opensourceguide" / "articles.jsonl.gz", "rt", encoding="utf-8") as lines:
        articles = [json.loads(line) for line in lines]
    known = [article for article in articles if article["lang"] not in {"id", "pcm", "sa", "sw"}]
    found = measured([article["text"] for article in known])["language"].to_pylist()
    right = sum(article["lang"][:2] == language for article, language in zip(known, found, strict=True))
    assert right >= 0.9 * len(known)
