"""How `filter.language` cuts texts and puts scores together, seen with engines whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stages.filter.language import PARAGRAPHS, detect, paragraphs_of, shares_of

# ---------------------------------------------------------------------------------------------- pieces of a text


def by_letter(seen: list[str]) -> Callable[[str], list[tuple[str, float]]]:
    """An engine that takes a text for the language of its first letter, to see what it is asked."""

    def judge(text: str) -> list[tuple[str, float]]:
        seen.append(text)
        return {"a": [("aa", 0.9), ("xx", 0.3)], "b": [("bb", 0.6), ("xx", 0.4)]}.get(text[:1], [])

    return judge


@pytest.mark.parametrize(
    ("size", "pieces"),
    [
        (1, [1]),
        (1_000, [1_000]),
        (1_333, [1_000]),  # a third of what is looked at: one piece, and 1,000 bytes of it are judged
        (1_334, [667, 667]),
        (2_001, [1_000, 1_000]),
        (2_667, [889, 889, 889]),
        (9_999, [1_000] * 3),
    ],
)
def test_pieces_are_even_and_three_at_most(size: int, pieces: list[int]) -> None:
    seen: list[str] = []
    detect(b"a" * size, by_letter(seen))
    assert [len(text) for text in seen] == pieces


def test_scores_are_averaged_by_length() -> None:
    found: Any = detect(b"a" * 1_200 + b"b" * 2_400, by_letter([]))
    # By hand: bb 2/3 of 0.6, xx 1/3 of 0.3 and 2/3 of 0.4, aa 1/3 of 0.9.
    assert found == [("bb", pytest.approx(0.4)), ("xx", pytest.approx(11 / 30)), ("aa", pytest.approx(0.3))]


def test_of_equal_scores_the_first_by_name_comes_first() -> None:
    equal = detect(b"a" * 2_000, lambda _: [("zz", 0.5), ("bb", 0.5), ("cc", 0.5), ("dd", 0.1)])
    assert [language for language, _ in equal] == ["bb", "cc", "zz"]


def test_a_character_cut_in_half_counts_in_neither_piece() -> None:
    seen: list[str] = []
    detect(("無" * 1_000).encode(), by_letter(seen))  # pieces of 1,000 bytes
    assert [set(text) for text in seen] == [{"無"}] * 3
    assert [len(text) for text in seen] == [333, 332, 333]  # the second loses two bytes at each end


# ---------------------------------------------------------------------------------------------- paragraphs


@pytest.mark.parametrize(
    ("text", "paragraphs"),
    [
        ("", []),
        (" \n\n\t\n", []),
        ("short", ["short"]),
        (f"one\ntwo\n{'x' * 60}\nrest", ["one two " + "x" * 60, "rest"]),
        (f"{'x' * 60}\r\n\r\n  {'y' * 60}  \r\n", ["x" * 60, "y" * 60]),
        (f"{'x' * 30}\n\n{'y' * 29}\nz", ["x" * 30 + " " + "y" * 29 + " z"]),  # 30 + 29 is one too few
    ],
)
def test_short_lines_are_judged_together(text: str, paragraphs: list[str]) -> None:
    assert [found.decode() for found in paragraphs_of(text.encode())] == paragraphs


def test_a_paragraph_in_no_language_for_sure_does_not_count() -> None:
    paragraphs = ["a" * 60, "b" * 60, "c" * 600, "-" * 600]
    scores = {"a": [("aa", 0.5)], "b": [("bb", 0.49)], "c": [("cc", 0.1)]}
    assert shares_of("\n".join(paragraphs).encode(), lambda text: scores.get(text[0], [])) == {"aa": 1.0}


def test_a_book_is_judged_by_paragraphs_spread_over_it() -> None:
    seen: list[str] = []
    half = 10_000
    lines = ["a" * 60] * half + ["b" * 60] * half
    shares = shares_of("\n".join(lines).encode(), by_letter(seen))
    assert len(seen) == PARAGRAPHS
    assert shares == {"aa": 0.5, "bb": 0.5}
