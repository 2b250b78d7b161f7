"""Each rule at, above and below its threshold, in English and in Chinese, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from stages.filter.symbols import STAGE, Config

OFF = dict.fromkeys(Config.model_fields)  # every rule off
LATIN = """
name: Latin
scripts: Latn
segmenter: spaces
thresholds: {filter.symbols: {max_capitals: off, max_digits: 0.5}}
record: {thresholds: made up}
"""


def reasons(texts: list[str | None], config: Config, language: str | None = "en") -> list[str | None]:
    measured = STAGE.process(pa.record_batch({"text": pa.array(texts, pa.large_string())}), config, None)
    told = pa.array([language] * len(texts), pa.string())
    batch = pa.RecordBatch.from_arrays([*measured.columns, told], names=[*measured.schema.names, "language"])
    assert STAGE.decide is not None
    return STAGE.decide(batch, config).to_pylist()


@pytest.mark.parametrize(
    ("language", "below", "at", "beyond", "option", "reason"),
    [
        ("en", "abcd !", "abc !", "ab !", "max_punctuation", "too_much_punctuation"),
        ("zh", "甲乙丙丁。", "甲乙丙。", "甲乙。", "max_punctuation", "too_much_punctuation"),
        ("en", "abcd 1", "abc 1", "ab 1", "max_digits", "too_many_digits"),
        ("zh", "甲乙丙丁１", "甲乙丙１", "甲乙１", "max_digits", "too_many_digits"),
        ("en", "abcd A 1", "abc A 1", "ab A 1", "max_capitals", "too_many_capitals"),
        ("zh", "甲乙丙丁A", "甲乙丙A", "甲乙A", "max_capitals", "too_many_capitals"),
        ("en", "a" * 25 + " www.a.bc", "a" * 24 + " www.a.bc", "a" * 23 + " www.a.bc", "max_addresses",
         "too_many_addresses"),
        ("zh", "甲" * 25 + " www.a.bc", "甲" * 24 + " www.a.bc", "甲" * 23 + " www.a.bc", "max_addresses",
         "too_many_addresses"),
        ("en", "abcd =", "abc =", "ab =", "max_code_characters", "too_many_code_characters"),
        ("zh", "甲乙丙丁{", "甲乙丙{", "甲乙{", "max_code_characters", "too_many_code_characters"),
        ("en", "a;\nb\nc\nd\ne", "a;\nb\nc\nd", "a;\nb\nc", "max_code_lines", "too_many_code_lines"),
        ("zh", "甲;\n乙\n丙\n丁\n戊", "甲;\n乙\n丙\n丁", "甲}\n\n乙\n丙", "max_code_lines", "too_many_code_lines"),
    ],
)  # fmt: skip
def test_a_document_at_a_quarter_stays_and_beyond_it_leaves(
    language: str, below: str, at: str, beyond: str, option: str, reason: str
) -> None:
    config = Config.model_validate(OFF | {option: 0.25})
    assert reasons([below, at, beyond], config, language) == [None, None, reason]
    assert reasons([beyond], Config.model_validate(OFF), language) == [None]


@pytest.mark.parametrize("language", ["en", "zh", None])
def test_usual_thresholds_let_prose_pass_and_drop_what_is_none(language: str | None) -> None:
    texts: list[str | None] = [
        "Two boats came in with the tide, and nobody asked where from.",
        "清晨的港口很安静。两条船随潮水进港，没有人问它们从哪里来。",
        "*** --- *** ab",
        "2024 12 31 23:59 abcdefghijkl",
        "BUY NOW and save",
        "see https://a.example/one https://b.example/two https://c.example/three",
        "",
        None,
    ]
    expected = ["too_much_punctuation", "too_many_digits", "too_many_capitals", "too_many_addresses", None, None]
    assert reasons(texts, Config(), language) == [None, None, *expected]


def test_a_language_file_may_give_other_thresholds(tmp_path: Path) -> None:
    (tmp_path / "la.yaml").write_text(LATIN)
    texts: list[str | None] = ["SENATVS POPVLVSQVE", "anno 1492", "1492 1493 a"]
    assert reasons(texts, Config(languages=str(tmp_path)), "la") == [None, None, "too_many_digits"]
    assert reasons(texts, Config(languages=str(tmp_path)), "en")[0] == "too_many_capitals"
