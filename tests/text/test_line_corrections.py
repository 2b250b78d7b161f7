"""RefinedWeb's line-wise corrections equal their plain-Python reference."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datapipe.text import corrected_lines, reference, reference_lines
from datapipe.text.segmentation import Segmentation
from tests.peers.comparing import all_texts

RULES: dict[str, Any] = {
    "upper": 0.5,
    "min_words": 2,
    "short": 6,
    "counted": ("likes", "次阅读"),
    "at_start": ("sign in", "登录"),
    "at_end": ("read more", "更多"),
    "anywhere": ("in cart", "a b"),
}
PIECES = (
    "sign", "In", "-", "登录", "read", "MORE", "更多", "in cart", "a", "b", "B", "3", "likes", "次阅读", "12", ".",
    "船",    "\n", "\n", "\r\n", "\u2028", "\n\n", "ς", "ſ", "İ", "ß", "Ꭰ", "ꭰ", "é", "X Y", " ",
)  # fmt: skip


def assert_equal(texts: list[str], rules: dict[str, Any]) -> None:
    kept, counts = corrected_lines(pa.array(texts, pa.large_string()), Segmentation.of(pa.array(texts)), **rules)
    expected = [reference_lines.corrected_lines(reference.decode(text.encode()), **rules) for text in texts]
    assert kept.to_pylist() == [text for text, _ in expected]
    for name, values in counts.items():
        assert values.tolist() == [one[name] for _, one in expected], name


def test_lines_of_furniture_equal_reading_them(mixed_texts: list[str], repetitive_texts: list[str]) -> None:
    rng = random.Random(4)
    made = [" ".join(rng.choice(PIECES) for _ in range(rng.randrange(40))) for _ in range(1500)]
    assert_equal([*made, *mixed_texts[:800], *repetitive_texts[:200]], RULES)


def test_every_letter_is_a_capital_where_unicode_says_so() -> None:
    every = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    letters = [c for c in every if c.isalpha() and (c.isupper() or c.islower() or c.casefold() != c)]
    assert_equal([f"{letter} {letter}" for letter in letters], RULES | {"upper": 0.9})


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_real_documents_equal_reading_them(real_data: Path) -> None:
    texts = [text for text in all_texts(real_data) if len(text) < 20_000]
    assert len(texts) > 5000
    assert_equal(texts, RULES)
