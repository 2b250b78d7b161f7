"""filter.lines: each rule at, below and above its threshold, in English and Chinese."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.filter.lines import STAGE, Config

PROSE = "The boats came in with the tide, and nobody asked where from."


def measured(text: str | None, **options: Any) -> dict[str, Any]:
    batch = pa.record_batch({"text": pa.array([text], pa.large_string())})
    return STAGE.process(batch, Config(**options), None).to_pylist()[0]


def reason(text: str, language: str | None = "en", **options: Any) -> str | None:
    config = Config(**options)
    found = STAGE.process(pa.record_batch({"text": pa.array([text], pa.large_string())}), config, None)
    columns = pa.record_batch({"removed_share": found["removed_share"], "language": pa.array([language], pa.string())})
    assert STAGE.decide is not None
    return STAGE.decide(columns, config)[0].as_py()


@pytest.mark.parametrize(
    ("line", "left", "column"),
    [
        ("AB cd here", "AB cd here", None),  # 2 of 8 letters
        ("ABC def", "ABC def", None),  # at the threshold
        ("ABCD efg", "", "upper_case"),
        ("ΑΒΓΔ λόγος", "ΑΒΓΔ λόγος", None),  # a final sigma is no capital
        ("ABCD 这是大写", "ABCD 这是大写", None),
        ("ABCDE 这是大写", "", "upper_case"),  # 5 of 9 letters
        ("2026 11 25", "", "numeric"),
        ("12:30 - 14:00", "", "numeric"),
        ("٣ ٤", "", "numeric"),
        ("12 of 14", "12 of 14", None),
        ("第 12 页", "第 12 页", None),
        ("3 likes", "", "counter"),
        ("1.2K Likes!", "", "counter"),
        ("3 liked it", "3 liked it", None),
        ("likes 3 cats", "likes 3 cats", None),
        ("12 次阅读", "", "counter"),
        ("12 次出海", "12 次出海", None),
        ("Home", "", "few_words"),
        ("Go home", "Go home", None),
        ("家", "", "few_words"),
        ("回家", "回家", None),
        ("--- ***", "", "few_words"),
        ("Sign-in to see the boats", " to see the boats", "phrase"),
        ("See how to sign in here", "See how to sign in here", None),
        ("The boats came in. Read more...", "The boats came in. ", "phrase"),
        ("Read more of the boats", "Read more of the boats", None),
        ("There are 3 items in cart today", "There are 3  today", "phrase"),
        ("one two three four five six seven read more", "one two three four five six seven ", "phrase"),
        ("one two three four five six seven eight read more", "one two three four five six seven eight ", "phrase"),
        ("1 two three four five six seven eight nine read more", None, None),  # eleven words are not short
        ("登录后看船", "后看船", "phrase"),
        ("请先登录再看", "请先登录再看", None),
        ("船来了，查看更多 >", "船来了，", "phrase"),
        ("READ MORE", "", "upper_case"),
        ("read more", "", "phrase"),  # nothing is left of it
    ],
)
def test_lines_and_phrases_are_cut(line: str, left: str | None, column: str | None) -> None:
    found = measured(f"{PROSE}\n{line}\n\n{PROSE}")
    middle = line if left is None else left
    assert found["text"] == f"{PROSE}\n{middle}\n\n{PROSE}" if middle else f"{PROSE}\n\n{PROSE}"
    names = ("upper_case", "numeric", "counter", "few_words", "phrase")
    assert {name for name in names if found[name]} == ({column} if column else set())


@pytest.mark.parametrize(("removed", "expected"), [(4, None), (5, None), (6, "too_many_words_removed")])  # of 100 words
@pytest.mark.parametrize("language", ["en", "zh", None])
def test_a_document_leaves_when_more_than_a_twentieth_is_removed(
    removed: int, expected: str | None, language: str | None
) -> None:
    word = "词" if language == "zh" else "word "
    text = word * (100 - removed) + "\n9" * removed
    assert measured(text)["words"] == 100
    assert measured(text)["removed_words"] == removed
    assert reason(text, language) == expected
    assert reason(text, language, max_removed_share=None) is None


def test_breaks_of_all_kinds_stay_with_the_lines_that_stay() -> None:
    assert measured("two words\r\nHome\r\ntwo words\u2028Home\u2028two words")["text"] == (
        "two words\r\ntwo words\u2028\u2028two words"
    )
    assert measured("Home")["text"] == ""
    assert measured(None)["text"] is None


def test_rules_can_be_left_out() -> None:
    off = {"max_upper_case": 1.0, "min_words_per_line": 0, "short_line_words": 0}
    assert measured("ABC DEF\nHome\n3 likes\nread more", **off)["text"] == "ABC DEF\nHome\n3 likes\nread more"


@given(st.lists(st.text("aB3 .\n\r\u2028船登录é", max_size=30), max_size=6))
@settings(max_examples=80)
def test_what_stays_is_of_the_text_in_its_order_and_the_cut_changes_nothing(texts: list[str]) -> None:
    whole = STAGE.process(pa.record_batch({"text": pa.array(texts, pa.large_string())}), Config(), None).to_pylist()
    for text, found in zip(texts, whole, strict=True):
        assert measured(text) == found
        rest = iter(text)
        assert all(character in rest for character in found["text"])
        assert 0 <= found["removed_words"] <= found["words"]


def test_the_language_is_asked_for_only_where_language_files_set_the_limit() -> None:
    assert STAGE.decides_for(Config()) == ("removed_share",)
    assert STAGE.decides_for(Config.model_validate({"max_removed_share": "by_language"})) == (
        "removed_share",
        "language",
    )


def test_language_files_may_set_the_limit(tmp_path: Path) -> None:
    (tmp_path / "sw.yaml").write_text(
        "{name: Swahili, scripts: Latn, segmenter: spaces,"
        " thresholds: {filter.lines: {max_removed_share: 0.5}}, record: {thresholds: made up}}"
    )
    text = "word " * 15 + "\nRead more\nword " + "word " * 15
    options = {"max_removed_share": "by_language", "languages": str(tmp_path)}
    shares = {language: reason(text, language, **options) for language in ("sw", "en", None)}
    assert shares == {"sw": None, "en": "too_many_words_removed", None: "too_many_words_removed"}
