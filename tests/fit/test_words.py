"""Stop words, scripts and marks of references, against counts in plain Python."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.fit.words import FEWEST_STOP_WORDS, STOP_WORD_SHARE, Seen
from datapipe.text.reference import HAS_ALPHABETIC, IS_WORD, tokens

TEXTS = st.lists(st.text("aAbBcdefghiıİ 12.,的是\n", max_size=60), min_size=1, max_size=8)


def seen(*batches: list[str]) -> Seen:
    found = Seen()
    for batch in batches:
        found.add(pa.array(batch, pa.large_string()))
    return found


def counted(texts: list[str]) -> tuple[Counter[str], int]:
    words = [(text[t.start : t.end], t.kind) for text in texts for t in tokens(text) if t.kind & IS_WORD]
    return Counter(word.casefold() for word, kind in words if kind & HAS_ALPHABETIC), len(words)


@given(TEXTS, st.integers(0, 8))
def test_stop_words_are_the_frequent_ones_however_documents_are_cut(texts: list[str], cut: int) -> None:
    found = seen(texts[:cut], texts[cut:])
    counts, total = counted(texts)
    assert (found.documents, found.words) == (len(texts), total)
    chosen = [word.casefold() for word in found.stop_words()]
    frequent = {word for word, count in counts.items() if count >= STOP_WORD_SHARE * total}
    if len(frequent) >= FEWEST_STOP_WORDS:
        assert set(chosen) == frequent
    else:
        assert len(chosen) == min(FEWEST_STOP_WORDS, len(counts))
    numbers = [counts[word] for word in chosen]
    assert numbers == sorted(numbers, reverse=True)


def test_numbers_and_rare_words_are_no_stop_words() -> None:
    words = "na ya wa kwa za la cha ni "
    assert set(seen([words * 20 + "2024 " * 50 + "mara"]).stop_words()) == set(words.split())


@pytest.mark.parametrize(
    ("text", "scripts", "unspaced", "ends"),
    [
        ("Habari ya asubuhi. Karibu! Karibu.", ("Latn",), False, (".", "!")),
        ("เช้าวันนั้นท่าเรือเงียบสงบ", ("Thai",), True, ()),
        ("その朝、港は静かだった。カモメ。", ("Hira", "Hani", "Kana"), True, ("。",)),
        ("Ово је језик. Ovo je jezik.", ("Cyrl", "Latn"), False, (".",)),
        ("그날 아침 항구는 조용했다.", ("Hang",), False, (".",)),
        ("2024, 17", ("Zyyy",), False, ()),
    ],
)
def test_script_segmenter_and_sentence_ends_are_told_from_the_text(
    text: str, scripts: tuple[str, ...], ends: tuple[str, ...], *, unspaced: bool
) -> None:
    found = seen([text])
    assert found.scripts() == scripts
    assert found.unspaced() is unspaced
    assert found.sentence_ends() == ends


def test_a_stray_foreign_word_makes_no_script() -> None:
    assert seen(["habari " * 300 + "дом"]).scripts() == ("Latn",)
