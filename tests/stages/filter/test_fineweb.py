"""filter.fineweb and filter.fineweb2: each rule at, below and above its threshold, in English and Chinese."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from stages.filter import fineweb, fineweb2

LONG = "a line of words that goes on for more than thirty characters"
ENDED = f"{LONG}."
LANG = "这一行有三十多个字所以不算短行因为我们要让它足够长才能看出差别来对吧是的"


def reason(stage: Any, text: str, language: str | None = "en", **options: Any) -> str | None:
    config = stage.Config(**options)
    batch = pa.RecordBatch.from_pydict({"text": pa.array([text], pa.large_string())})
    measured = stage.STAGE.process(batch, config, None)
    decided = pa.RecordBatch.from_arrays(
        [*measured.columns, pa.array([language], pa.string())], names=[*measured.schema.names, "language"]
    )
    found: str | None = stage.STAGE.decide(decided, config)[0].as_py()
    return found


def lines(*counted: tuple[str, int]) -> str:
    """So many lines of each kind, all different."""
    return "\n".join(f"{number} {line}" for line, count in counted for number in range(count))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (lines((ENDED, 12), (LONG, 88)), None),
        (lines((ENDED, 11), (LONG, 89)), "too_few_terminal_lines"),
        (lines((f"{LANG}。", 12), (LANG, 88)), None),
        (lines((f"{LANG}。", 11), (LANG, 89)), "too_few_terminal_lines"),
        (lines((ENDED, 33), ("short line of a few words.", 67)), None),
        (lines((ENDED, 32), ("short line of a few words.", 68)), "too_many_short_lines"),
        (lines((f"{LANG}。", 33), ("短行。", 67)), None),
        (lines((f"{LANG}。", 32), ("短行。", 68)), "too_many_short_lines"),
        # 100 characters of 10,000 stood before, then 101.
        ("\n".join(["x" * 99 + "."] * 2 + [f"{n:02}" + "y" * 97 + "." for n in range(98)]), "too_many_newlines"),
        (
            "\n".join(["x" * 100 + "."] * 2 + [f"{n:02}" + "y" * 97 + "." for n in range(98)]),
            "duplicate_line_characters",
        ),
        ("a b c d e f g h i j\n" * 3, "too_few_terminal_lines"),
        ("one two three four five six seven eight nine ten.\n\n\nx", None),
        ("one two three four five six seven eight nine.\n\n\n\n", "too_many_newlines"),
        ("", "too_few_terminal_lines"),
    ],
)
def test_rules_of_fineweb(text: str, expected: str | None) -> None:
    assert reason(fineweb, text) == expected


def test_one_line_may_be_short_and_a_document_without_language_is_judged() -> None:
    assert reason(fineweb, "short.", None, max_short_lines=1.0) is None
    assert reason(fineweb, "short.", None) == "too_many_short_lines"
    assert reason(fineweb, "short.", None, short_line_characters=5) is None


def test_fineweb2_leaves_short_lines_alone_and_a_tenth_of_repeated_ones() -> None:
    text = lines((ENDED, 32), ("short line of a few words.", 68))
    assert reason(fineweb2, text) is None
    assert reason(fineweb2, text, max_short_lines=0.67) == "too_many_short_lines"
    tenth = "\n".join([f"{LONG} {n}." for n in range(10, 19)] + [f"{LONG} 18."])
    assert reason(fineweb, tenth) == "duplicate_line_characters"
    assert reason(fineweb2, tenth) is None
    assert reason(fineweb2, f"{tenth}\n{LONG} 17.") == "duplicate_line_characters"


@pytest.mark.parametrize(
    ("language", "ended", "expected"),
    [  # FineWeb2 publishes .143 for Arabic, .231 for Russian, 0 for German and .12 of FineWeb holds elsewhere
        ("ar", 15, None),
        ("ar", 14, "too_few_terminal_lines"),
        ("ru", 24, None),
        ("ru", 23, "too_few_terminal_lines"),
        ("de", 0, None),
        ("eo", 12, None),
        ("eo", 11, "too_few_terminal_lines"),
    ],
)
def test_fineweb2_holds_each_language_against_its_published_threshold(
    language: str, ended: int, expected: str | None
) -> None:
    assert reason(fineweb2, lines((ENDED, ended), (LONG, 100 - ended)), language) == expected


def test_fineweb2_counts_line_breaks_by_language() -> None:
    text = "\n".join(f"{number} one two three four five." for number in range(100))  # 99 breaks for 600 words: .165
    assert reason(fineweb2, text, "ar") is None  # .189
    assert reason(fineweb2, text, "vi") == "too_many_newlines"  # .103
    assert reason(fineweb2, text, None) is None
