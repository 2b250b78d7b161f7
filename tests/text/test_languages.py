"""The language files that come with datapipe, those of a user's own, and what is said of a file that is wrong."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.errors import InputError
from datapipe.text.languages import (
    Language,
    is_code,
    is_in,
    language,
    language_codes,
    languages_digest,
    primary,
    write_language,
)

CODES = language_codes()
# Thirty languages that lead counts of web sites by language (W3Techs), in no strict order.
BIGGEST = "en es de ja fr pt ru it nl pl tr zh fa vi cs id ko uk hu sv ar ro el da fi he sk th bg hr"
PLAIN = {"name": "Swahili", "scripts": "Latn", "segmenter": "spaces"}
FILE = "name: Swahili\nscripts: Latn\nsegmenter: spaces\nstop_words: na ya no on y\nrecord: {stop_words: made up}\n"


def test_the_biggest_languages_of_the_web_have_a_file() -> None:
    assert set(BIGGEST.split()) <= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_bundled_file_is_sound_and_says_where_its_values_come_from(code: str) -> None:
    found = language(code)
    assert found is not None
    assert is_code(code)
    assert set(found.record) >= {name for name in ("stop_words", "sentence_ends") if getattr(found, name)}
    assert not found.stop_words or len(found.stop_words) >= 8  # enough to find two
    if found.thresholds:
        assert found.reference is not None or "as published for" in found.record["thresholds"]


def test_scripts_without_spaces_are_cut_by_characters() -> None:
    unspaced = {code for code in CODES if (found := language(code)) and found.segmenter == "characters"}
    assert unspaced == {"bo", "ja", "km", "lo", "my", "th", "wuu", "yue", "zh"}


def test_english_and_chinese_name_groups_of_people() -> None:
    for code in ("en", "zh"):
        found = language(code)
        assert found is not None
        assert set(found.group_terms) == {"gender", "religion", "nationality", "orientation", "disability"}
        assert all(len(set(terms)) == len(terms) >= 5 for terms in found.group_terms.values())


@pytest.mark.parametrize(
    ("code", "name"),
    [("zh", "Chinese"), ("zh-Hant-TW", "Chinese"), ("en-GB", "English"), ("xx", None), ("", None), (None, None)],
)
def test_a_code_with_script_or_region_is_known_by_its_language(code: str | None, name: str | None) -> None:
    found = language(code)
    assert (found.name if found else None) == name


def test_a_file_of_the_users_own_replaces_or_adds_a_language_and_is_read_anew_when_it_changes(tmp_path: Path) -> None:
    own = str(tmp_path)
    (tmp_path / "sw.yaml").write_text(FILE.replace("na ya", "kwa ya"))
    (tmp_path / "lug.yaml").write_text(FILE.replace("Swahili", "Ganda"))
    assert set(language_codes(own)) == {*CODES, "lug"}
    swahili, ganda, german = language("sw", own), language("lug", own), language("de", own)
    assert swahili is not None
    assert swahili.stop_words == ("kwa", "ya", "no", "on", "y")  # words, whatever YAML 1.1 makes of them
    assert ganda is not None
    assert ganda.name == "Ganda"
    assert german == language("de")
    assert language("lug") is None
    (tmp_path / "lug.yaml").write_text(FILE.replace("Swahili", "Luganda"))
    again = language("lug", own)
    assert again is not None
    assert again.name == "Luganda"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name: [", "cannot be read as YAML"),
        ("just text", "valid dictionary"),
        (FILE + "colour: red\n", "colour: Extra inputs"),
        (FILE.replace("segmenter: spaces", "segmenter: commas"), "segmenter: Input should be 'spaces' or"),
        (FILE.replace("na ya", "na na"), "stop_words: a word stands twice"),
        (FILE.replace("na ya", "Na ya"), "'Na' must be in small letters"),
        (FILE.replace("na ya", "na และ"), "'และ' is not one word as texts are cut here"),
        (FILE.replace("na ya", "na ..."), "'...' is not one word"),
        (FILE.replace("made up", ""), "record does not say how stop_words came about"),
        (FILE.replace("{stop_words", "{words: x, stop_words"), "record names words, which is no field"),
        (FILE + "thresholds: {filter.gopher: {max_words: many}}\n", "thresholds.filter.gopher.max_words"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "sw.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        language("sw", str(tmp_path))
    assert says in str(raised.value)
    assert str(tmp_path / "sw.yaml") in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_that_is_not_there_and_a_file_without_a_code_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        language_codes(str(tmp_path / "none"))
    (tmp_path / "Swahili.yaml").write_text(FILE)
    with pytest.raises(InputError, match="'Swahili' is no language code"):
        language_codes(str(tmp_path))


def test_a_digest_tells_only_of_the_fields_asked_for(tmp_path: Path) -> None:
    def digests() -> tuple[str, str]:
        own = str(tmp_path)
        return languages_digest(own, "stop_words"), languages_digest(own, "thresholds", stage="filter.gopher")

    file = tmp_path / "sw.yaml"
    file.write_text(FILE)
    plain = digests()
    file.write_text(f"# a comment\n{FILE}".replace("made up", "counted"))
    assert digests() == plain
    file.write_text(FILE.replace("na ya", "ya na"))
    assert [one == other for one, other in zip(digests(), plain, strict=True)] == [False, True]
    limits = FILE.replace("{stop_words", "{thresholds: made up, stop_words")
    file.write_text(limits + "thresholds: {filter.other: {max_words: 1}}\n")
    assert digests() == plain
    file.write_text(limits + "thresholds: {filter.gopher: {max_words: 1}}\n")
    assert [one == other for one, other in zip(digests(), plain, strict=True)] == [True, False]


WORDS = st.lists(st.sampled_from(["no", "on", "yes", "null", "y", "1e3", "0x1f", "де", "的"]), min_size=1, unique=True)


@given(WORDS, st.one_of(st.none(), st.floats(0, 1)), st.lists(st.text("ab: #-'\"", min_size=1), max_size=3))
def test_a_written_file_says_the_same_when_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], number: float | None, terms: list[str]
) -> None:
    terms = [term.strip() for term in terms if term.strip()]
    made = Language.model_validate(
        {
            **PLAIN,
            "stop_words": tuple(words),
            "thresholds": {"filter.gopher": {"max_words": number}},
            "group_terms": {"no": tuple(terms)},
            "record": dict.fromkeys(("stop_words", "thresholds", "group_terms"), "made up"),
        }
    )
    folder = tmp_path_factory.mktemp("languages")
    write_language(folder / "sw.yaml", made, "how it came about\nin two lines")
    assert language("sw", str(folder)) == made


@pytest.mark.parametrize(("code", "alone"), [("zh", "zh"), ("zh-Hant", "zh"), ("zh-Hant-TW", "zh"), ("zho", "zho")])
def test_a_code_without_script_and_region(code: str, alone: str) -> None:
    assert primary(code) == alone


def test_documents_in_a_language_whatever_its_script() -> None:
    codes = ["zh", "zh-Hant", "zho", "zh_CN", "", None, "en", "yue", "en-zh", "zh-Hans-CN"]
    told = [True, True, False, False, False, False, False, False, False, True]
    assert is_in(pa.array(codes, pa.string()), "zh").tolist() == told
    assert is_in(pa.array(codes * 2, pa.string()).slice(3, 9), "zh").tolist() == (told * 2)[3:12]
    assert is_in(pa.array([], pa.string()), "zh").tolist() == []
    assert is_in(pa.array([None], pa.string()), "zh").tolist() == [False]
