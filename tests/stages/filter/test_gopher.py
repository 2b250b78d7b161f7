"""Each rule at, above and below its threshold, in English and in Chinese, worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.filter.gopher import MEASURES, STAGE, Config

OFF = dict.fromkeys(Config.model_fields)  # every rule off
FINNISH = """
name: Finnish
scripts: Latn
segmenter: spaces
stop_words: ja on ei
thresholds: {filter.gopher: {max_mean_word_length: 12, max_bullet_lines: off}}
record: {stop_words: made up, thresholds: made up}
"""


def documents(texts: list[str | None], languages: list[str | None]) -> pa.RecordBatch:
    return pa.record_batch(
        {"text": pa.array(texts, pa.large_string()), "language": pa.array(languages, pa.string())},
    )


def measure(texts: list[str | None], languages: list[str | None]) -> pa.RecordBatch:
    return STAGE.process(documents(texts, languages), Config(), None)


def measures(text: str | None, language: str | None = "en") -> dict[str, Any]:
    return measure([text], [language]).to_pylist()[0]


def reason(text: str, language: str | None = "en", **thresholds: float | None) -> str | None:
    return decided([text], [language], Config.model_validate(OFF | thresholds))[0]


def decided(texts: list[str | None], languages: list[str | None], config: Config) -> list[str | None]:
    measured = STAGE.process(documents(texts, languages), config, None)
    told = documents(texts, languages).column("language")
    batch = pa.RecordBatch.from_arrays([*measured.columns, told], names=[*measured.schema.names, "language"])
    assert STAGE.decide is not None
    return STAGE.decide(batch, config).to_pylist()


def distinct(count: int) -> str:
    """Different words of five letters."""
    letters = "abcdefghijklmnopqrst"
    return " ".join("w" + letters[i // 400] + letters[i // 20 % 20] + letters[i % 20] + "x" for i in range(count))


def characters(count: int) -> str:
    """Different Chinese characters."""
    return "".join(chr(0x4E00 + i) for i in range(count))


@pytest.mark.parametrize(
    ("language", "text", "column", "value"),
    [
        ("en", "two words", "words", 2),
        ("zh", "三个字", "words", 3),
        ("en", "ab abcd", "mean_word_length", 3.0),
        ("zh", "三个字", "mean_word_length", None),
        ("en", "# a b ## c d", "hash_marks_per_word", 0.75),
        ("zh", "#甲乙", "hash_marks_per_word", 0.5),
        ("en", "a b... c d…", "ellipses_per_word", 0.5),
        ("en", "- a\nb\n• c\nd", "bullet_lines", 0.5),
        ("zh", "- 甲\n乙", "bullet_lines", 0.5),
        ("en", "a...\nb…\nc\nd", "ellipsis_lines", 0.5),
        ("en", "a 1 b 2", "alphabetic_words", 0.5),
        ("zh", "甲 1 乙 2", "alphabetic_words", None),
        ("en", "The THE dog and cat", "stop_words", 2),
        ("de", "Der Hund und der Mann", "stop_words", 2),
        ("zh", "我的书在这里", "stop_words", 4),
        ("ja", "これはペンです", "stop_words", 2),
        ("be", "гэта тэкст", "stop_words", None),
        ("en", "a\nb\na\na", "duplicate_lines", 0.5),
        ("zh", "甲\n乙\n甲\n甲", "duplicate_lines", 0.5),
        ("en", "abc\nd\nabc", "duplicate_line_characters", 3 / 7),
        ("en", "a\n\nb\n\na\n\na", "duplicate_paragraphs", 0.5),
        ("en", "abc\n\nd\n\nabc", "duplicate_paragraph_characters", 3 / 7),
        ("en", "ab cd ab cd efgh", "top_2_gram", 8 / 12),
        ("zh", "甲乙丙甲乙丁", "top_2_gram", 4 / 6),
    ],
)
def test_measures_worked_out_by_hand(language: str, text: str, column: str, value: float | None) -> None:
    assert measures(text, language)[column] == pytest.approx(value)


@pytest.mark.parametrize(
    ("language", "at", "beyond", "threshold", "expected"),
    [
        ("en", "a b c", "a b", {"min_words": 3}, "too_few_words"),
        ("zh", "一二三", "一二", {"min_words": 3}, "too_few_words"),
        ("en", "a b c", "a b c d", {"max_words": 3}, "too_many_words"),
        ("zh", "一二三", "一二三四", {"max_words": 3}, "too_many_words"),
        ("en", "abc abc", "abc ab", {"min_mean_word_length": 3}, "word_length"),
        ("en", "abc abc", "abc abcd", {"max_mean_word_length": 3}, "word_length"),
        ("en", "# " + "a " * 10, "# " + "a " * 9, {"max_hash_marks_per_word": 0.1}, "too_many_symbols"),
        ("zh", "#" + "一" * 10, "#" + "一" * 9, {"max_hash_marks_per_word": 0.1}, "too_many_symbols"),
        ("en", "a " * 10 + "...", "a " * 9 + "...", {"max_ellipses_per_word": 0.1}, "too_many_symbols"),
        ("en", "- a\n" * 9 + "b", "- a\n" * 10, {"max_bullet_lines": 0.9}, "too_many_bullets"),
        ("zh", "- 一\n" * 9 + "二", "- 一\n" * 10, {"max_bullet_lines": 0.9}, "too_many_bullets"),
        ("en", "a...\n" * 3 + "b\n" * 7, "a...\n" * 4 + "b\n" * 6, {"max_ellipsis_lines": 0.3},
         "too_many_ellipsis_lines"),
        ("zh", "一…\n" * 3 + "二\n" * 7, "一…\n" * 4 + "二\n" * 6, {"max_ellipsis_lines": 0.3},
         "too_many_ellipsis_lines"),
        ("en", "a " * 8 + "1 2", "a " * 7 + "1 2 3", {"min_alphabetic_words": 0.8}, "too_few_alphabetic_words"),
        ("en", "the dog and cat", "the dog the cat", {"min_stop_words": 2}, "too_few_stop_words"),
        ("zh", "我的书", "书的书", {"min_stop_words": 2}, "too_few_stop_words"),
        ("en", "a\na\na\na\nb\nc\nd\ne\nf\ng", "a\na\na\na\na\nb\nc\nd\ne\nf", {"max_duplicate_lines": 0.3},
         "duplicate_lines"),
        ("zh", "一\n一\n二\n三", "一\n一\n一\n二", {"max_duplicate_lines": 0.25}, "duplicate_lines"),
        ("en", "a\n\na\n\nb\n\nc", "a\n\na\n\na\n\nb", {"max_duplicate_paragraphs": 0.25}, "duplicate_paragraphs"),
        ("en", "ab\nab\nabcd", "ab\nab\nabc", {"max_duplicate_line_characters": 0.25}, "duplicate_line_characters"),
        ("zh", "一二\n一二\n三四五六", "一二\n一二\n三四五", {"max_duplicate_line_characters": 0.25},
         "duplicate_line_characters"),
        ("en", "ab\n\nab\n\nabcd", "ab\n\nab\n\nabc", {"max_duplicate_paragraph_characters": 0.25},
         "duplicate_paragraph_characters"),
    ],
)  # fmt: skip
def test_a_document_at_a_threshold_stays_and_beyond_it_leaves(
    language: str, at: str, beyond: str, threshold: dict[str, float], expected: str
) -> None:
    assert reason(at, language, **threshold) is None
    assert reason(beyond, language, **threshold) == expected
    assert reason(beyond, language) is None  # None is off


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_top_ngram_is_judged_by_its_share_of_characters(language: str, size: int) -> None:
    """Twice the same run of `size` words among 20 words of equal length: 2 * size / 20."""
    if language == "en":
        words = distinct(20 - size).split()
        text = " ".join(words[:size] + words[size:-1] + words[:size] + words[-1:])
    else:
        run = characters(20 - size)
        text = run[:-1] + run[:size] + run[-1]
    share = 2 * size / 20
    name = f"max_top_{size}_gram"
    assert reason(text, language, **{name: share}) is None
    assert reason(text, language, **{name: share - 0.01}) == "top_ngram"


@pytest.mark.parametrize("size", [5, 6, 7, 8, 9, 10])
def test_repeated_ngrams_are_of_words_in_english_and_of_twice_as_many_characters_in_chinese(size: int) -> None:
    words = distinct(40 - size).split()
    repeated = " ".join(words[:size] + words[size:-1] + words[:size] + words[-1:])
    name, share = f"max_duplicate_{size}_grams", 2 * size / 40
    assert reason(repeated, "en", **{name: share}) is None
    assert reason(repeated, "en", **{name: share - 0.01}) == "duplicate_ngrams"
    run = characters(100)
    assert reason(run[:-1] + run[: 2 * size] + run[-1], "zh", **{name: 0.0}) == "duplicate_ngrams"
    assert reason(run[:-1] + run[: 2 * size - 1] + run[-1], "zh", **{name: 0.0}) is None


def test_good_prose_passes_and_spam_does_not() -> None:
    prose = "The house that stands at the end of " + distinct(60) + " and will have to be sold with all of it."
    assert decided([prose, "Buy now! Best price! " * 40], ["en", "en"], Config()) == [None, "too_few_stop_words"]


def test_a_language_file_gives_thresholds_and_what_a_recipe_sets_goes_before_it(tmp_path: Path) -> None:
    (tmp_path / "fi.yaml").write_text(FINNISH, encoding="utf-8")
    texts: list[str | None] = ["ja on " + "pitkäsanaonon " * 60] * 4  # 13 letters
    codes = ["fi", "sv", None, "fi-FI"]
    base = {"max_top_2_gram": None, "max_top_3_gram": None, "max_top_4_gram": None, "min_stop_words": None}
    off = base | {f"max_duplicate_{n}_grams": None for n in range(5, 11)} | {"languages": str(tmp_path)}

    def reasons(**options: Any) -> list[str | None]:
        return decided(texts, codes, Config.model_validate(off | options))

    assert reasons() == ["word_length", "word_length", None, "word_length"]
    (tmp_path / "fi.yaml").write_text(FINNISH.replace("12", "13.5"), encoding="utf-8")
    assert reasons() == [None, "word_length", None, None]
    assert reasons(max_mean_word_length=10) == ["word_length", "word_length", None, "word_length"]
    assert reasons(max_mean_word_length=None) == [None] * 4


def test_a_rule_that_a_language_file_switches_off_holds_for_other_languages(tmp_path: Path) -> None:
    (tmp_path / "fi.yaml").write_text(FINNISH, encoding="utf-8")
    config = Config.model_validate(OFF | {"max_bullet_lines": "by_language", "languages": str(tmp_path)})
    assert decided(["- a\n- b", "- a\n- b"], ["fi", "en"], config) == [None, "too_many_bullets"]


def test_a_language_of_the_users_own_is_judged_by_its_stop_words(tmp_path: Path) -> None:
    (tmp_path / "be.yaml").write_text(FINNISH.replace("ja on ei", "і не на").replace("Finnish", "Belarusian"))
    config = Config(languages=str(tmp_path))
    found = STAGE.process(documents(["гэта не на тэкст"], ["be"]), config, None).to_pylist()[0]
    assert (found["stop_words"], found["judged"]) == (2, True)
    assert "be" in STAGE.languages(config)  # type: ignore[misc]
    assert "be" not in STAGE.languages(Config())  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "values", "decisions"),
    [
        (("ja on ei", "ja on ei se"), True, False),
        (("12", "11"), False, True),
        (("off", "0.5"), False, True),
        (("made up", "guessed"), False, False),
    ],
)
def test_what_a_language_file_says_of_words_enters_the_values_and_thresholds_the_decisions_alone(
    tmp_path: Path, change: tuple[str, str], *, values: bool, decisions: bool
) -> None:
    file, config = tmp_path / "fi.yaml", Config(languages=str(tmp_path))
    file.write_text(FINNISH, encoding="utf-8")
    before = STAGE.libraries_for(config), STAGE.decide_libraries_for(config)
    file.write_text(FINNISH.replace(*change), encoding="utf-8")
    after = STAGE.libraries_for(config), STAGE.decide_libraries_for(config)
    assert [one != other for one, other in zip(before, after, strict=True)] == [values, decisions]


def test_no_language_file_enters_the_decisions_where_every_threshold_is_set() -> None:
    assert STAGE.decide_libraries_for(Config.model_validate(OFF)) == ()
    assert STAGE.decide_libraries_for(Config()) != ()


def test_an_unknown_language_meets_only_the_rules_that_ask_for_none() -> None:
    found = measures("- a\n- a\n" * 30, None)
    nulls = {name for name, value in found.items() if value is None}
    ngrams = {name for name in MEASURES if name.endswith(("_gram", "_grams"))}
    assert nulls == {"mean_word_length", "alphabetic_words", "stop_words"} | ngrams
    assert found["judged"] is False
    assert reason("- a\n- a\n" * 30, None, max_bullet_lines=0.9) == "too_many_bullets"


def test_a_language_without_a_list_of_stop_words_is_not_judged_but_measured() -> None:
    found = measures(distinct(10), "be")
    assert found["judged"] is False
    assert [name for name, value in found.items() if value is None] == ["stop_words"]
    assert measures(distinct(10), "en")["judged"] is True


@pytest.mark.parametrize("code", ["zh", "yue", "wuu"])
def test_kin_of_chinese_are_not_held_to_english_word_lengths(code: str) -> None:
    assert measures("我哋今日去街市買餸，佢話要買啲生果同埋魚。" * 3, code)["mean_word_length"] is None


@pytest.mark.parametrize("text", [None, "", " \n\n "])
def test_nothing_is_measured_as_nothing(text: str | None) -> None:
    found = measures(text)
    assert all(found[name] == 0 for name in MEASURES)


DOCUMENTS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.text("ab #.-…\n的我", max_size=40)),
        st.sampled_from([None, "en", "zh", "de", "be"]),
    ),
    max_size=8,
)


@given(DOCUMENTS, st.integers(0, 8))
@settings(max_examples=60)
def test_the_cut_into_batches_changes_nothing(documents: list[tuple[str | None, str | None]], cut: int) -> None:
    texts, languages = [text for text, _ in documents], [language for _, language in documents]
    whole = measure(texts, languages)
    parts = measure(texts[:cut], languages[:cut]).to_pylist() + measure(texts[cut:], languages[cut:]).to_pylist()
    assert whole.to_pylist() == parts
    assert whole.schema == STAGE.adds_for(Config())
