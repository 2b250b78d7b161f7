"""`like: datatrove`, worked out by hand where it differs; `tests/peers` holds it against datatrove itself."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from stages.filter import c4, fineweb, gopher


def measured(module: Any, text: str) -> dict[str, Any]:
    batch = pa.record_batch({"text": pa.array([text], pa.large_string()), "language": pa.array(["en"])})
    found: dict[str, Any] = module.STAGE.process(batch, module.Config(like="datatrove"), None).to_pylist()[0]
    return found


@pytest.mark.parametrize(
    ("module", "text", "column", "value"),
    [
        (gopher, "a, b.", "words", 2),
        (gopher, "ab, cd.", "alphabetic_words", 2 / 4),
        (gopher, "a, b.", "alphabetic_words", 2 / 3),  # a letter keeps its full stop
        (gopher, "in 1,000.50 !!", "alphabetic_words", 1 / 4),  # a number is one word, a run of marks several
        (gopher, "我,们.", "alphabetic_words", 2 / 4),
        (gopher, "The the THE be", "stop_words", 2),  # in the case given
        (gopher, "- a\n\nb\n\n", "bullet_lines", 1 / 4),  # blank lines count
        (gopher, "a...\n b.. .", "ellipsis_lines", 1 / 2),
        (gopher, "ab\nc\nab", "duplicate_line_characters", 2 / 7),  # of the whole text
        (gopher, "ab \nc\nab", "duplicate_line_characters", 0),  # not stripped
        (gopher, "ab cd", "top_2_gram", 1.0),  # even if it stands once, with its space
        (gopher, "甲乙丙", "top_2_gram", 1.0),
        (gopher, "a b c d e a b c d e", "duplicate_5_grams", 5 / 19),  # the extra copy
        (gopher, "a a a a a a a", "duplicate_5_grams", 5 / 13),  # and what overlaps it is skipped
        (fineweb, "a. \nb.\n\n", "terminal_lines", 1 / 2),
        (fineweb, "“好。”\n好。", "terminal_lines", 1 / 2),
        (fineweb, "a, b\n", "newlines_per_word", 1 / 3),
        (c4, "One two three. [3]\nOne two three.[3]", "kept", 1),
        (c4, "今天天气很好。", "kept", 0),
        (c4, "{ no end\nOne two three.", "brace", False),
        (c4, "{ one two three.", "brace", True),
        (c4, "lorem ipsum { three.", "brace", False),
        (c4, "lorem ipsum { three.", "lorem_ipsum", True),
    ],
)
def test_measures_where_datatrove_differs(module: Any, text: str, column: str, value: float) -> None:
    assert measured(module, text)[column] == pytest.approx(value)
