"""`match: ngrams` of `dedup.lines` and `dedup.paragraphs`: worked out by hand, and against plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.repeated import resolve
from datapipe.stage import Scratch
from datapipe.text.reference import normal_words
from stages.dedup import lines, paragraphs
from tests.stages.dedup.exchange import judged

SEVEN = "a b c d e f g"  # abc bcd cde def efg


def shard(texts: Sequence[str | None]) -> pa.RecordBatch:
    return pa.record_batch({"text": pa.array(texts, pa.large_string())})


def run(*texts: str | None, **options: Any) -> list[dict[str, Any]]:
    """What `dedup.lines` says of each text, by n-grams of three words if not told otherwise."""
    config = lines.Config(**{"match": "ngrams", "ngram": 3, **options})
    (columns,) = judged(lines.STAGE, config, [shard(texts)])
    assert lines.STAGE.decide is not None
    reasons = lines.STAGE.decide(columns, config).to_pylist()
    return [{**row, "reason": reason} for row, reason in zip(columns.to_pylist(), reasons, strict=True)]


def is_cut(one: str, other: str, **options: Any) -> bool:
    """Whether a line is cut of a later document that has another, too."""
    first, second = run(one, f"{other}\nrest of it", **options)
    assert first["text"] == one
    assert second["text"] in (f"{other}\nrest of it", "rest of it")
    assert second["lines"] == (second["text"] == "rest of it")
    return bool(second["lines"])


@pytest.mark.parametrize(
    ("one", "other", "min_share", "cut"),
    [
        (SEVEN, "a b c d e f x", 0.8, True),  # abc bcd cde def and efx: 4 of 5
        (SEVEN, "a b c d e f x", 0.81, False),
        (SEVEN, "a b c d e x y", 0.8, False),  # abc bcd cde and dex exy: 3 of 5
        (SEVEN, "a b c d e x y", "60%", True),
        (SEVEN, "A, b (c) d! É f x", 0.8, True),  # the normal form is compared
        (SEVEN, "a b c a b c a b c x", 0.3, True),  # each n-gram as often as it stands there: 3 abc of 8
        (SEVEN, "a b c a b c a b c x", 0.4, False),
        (f"{SEVEN} a b", "x a b c y", 0.3, True),  # xab abc bcy
        (f"{SEVEN}\nx y", "f g x y", 0.1, False),  # fgx gxy: no n-gram reaches over two lines
        ("今天天气很好", "今天天气很冷", 0.75, True),  # characters: 今天天 天天气 天气很, and 气很冷
        ("今天天气很好", "今天天气很冷", 0.76, False),
        ("今天天气很好", "今天，天气很好！", 1, True),
        ("a b", "A. B!", 1, True),  # fewer than three words are one n-gram
        ("a b", "a b c", 0.1, False),
        (SEVEN, "a b", 0.1, False),
        ("好的", "好的。", 1, True),
        ("!!!", "!!!", 0.1, False),  # without a word there is nothing to compare
    ],
)
def test_which_lines_are_cut(one: str, other: str, min_share: Any, *, cut: bool) -> None:
    assert is_cut(one, other, min_share=min_share, max_seen=None) == cut


def test_the_default_is_dclms_thirteen_words_and_eight_tenths() -> None:
    words = [f"w{chr(97 + n)}" for n in range(22)]  # ten n-grams
    one = " ".join(words)
    for changed, cut in ((2, True), (3, False)):  # so many of the ten hold the words changed at the end
        other = " ".join([*words[:-changed], *"xyz"[:changed]])
        assert is_cut(one, other, ngram=13) == is_cut(one, other, ngram=lines.Config().ngram) == cut
    assert not is_cut(one, " ".join([*words[:9], "x", *words[10:]]), ngram=13)  # a word in the middle changes nine


def test_lines_of_one_document_do_not_count_against_each_other() -> None:
    text = f"{SEVEN}\n{SEVEN}\n{SEVEN} a b c"
    assert [row["text"] for row in run(text, "other")] == [text, "other"]
    assert run(text)[0]["seen"] == 0


def test_the_first_document_with_an_n_gram_is_its_owner_and_keeps_it() -> None:
    found = run(f"mine alone\n{SEVEN}", SEVEN, f"{SEVEN}\nmine alone")
    assert [row["text"] for row in found] == [f"mine alone\n{SEVEN}", "", ""]
    assert [row["seen"] for row in found] == [0, 1, 1]
    assert [row["reason"] for row in found] == [None, "mostly_seen", "mostly_seen"]


def test_n_grams_of_a_line_that_was_cut_count_as_well() -> None:
    texts = [SEVEN, "a b c d e f x", "b c d e f x z"]  # of bcd cde def efx fxz the fourth stands in the second alone
    assert [row["lines"] for row in run(*texts, max_seen=None)] == [0, 1, 1]
    assert [row["lines"] for row in run(texts[0], texts[2], max_seen=None)] == [0, 0]


def test_nobody_keeps_what_stands_in_several_where_asked() -> None:
    found = run(SEVEN, f"{SEVEN}\nrest", "alone", keep="none", max_seen=None)
    assert [row["text"] for row in found] == ["", "rest", "alone"]


def test_n_grams_count_from_the_second_document_on_and_whole_lines_from_the_seventh() -> None:
    assert (lines.Config().copies, lines.Config(match="ngrams").copies) == (7, 2)
    assert (paragraphs.Config().copies, paragraphs.Config(match="ngrams").copies) == (2, 2)
    assert lines.Config(match="ngrams", min_copies=7).copies == 7
    assert [row["lines"] for row in run(SEVEN, SEVEN, SEVEN, min_copies=3)] == [0, 1, 1]
    assert [row["lines"] for row in run(SEVEN, SEVEN, min_copies=3)] == [0, 0]


@pytest.mark.parametrize(
    ("text", "max_seen", "seen", "reason"),
    [
        ("a b c d e f x", 0.8, 0.8, "too_little_left"),  # as many as may be
        ("a b c d e f x", 0.79, 0.8, "mostly_seen"),
        (f"{SEVEN}\nl m n o p", 0.625, 0.625, None),  # 5 of 8
        (f"{SEVEN}\nl m n o p", 0.62, 0.625, "mostly_seen"),
        ("a b c x\ny c d e z", 0.3, 0.4, "mostly_seen"),  # abc and cde of five, though no line is cut
        (SEVEN, None, 1.0, "too_little_left"),
        ("---", 0.0, None, None),
        (None, 0.0, None, None),
    ],
)
def test_a_document_of_which_most_is_known_leaves(
    text: str | None, max_seen: float | None, seen: float | None, reason: str | None
) -> None:
    row = run(SEVEN, text, max_seen=max_seen, min_words=3)[1]
    assert (row["seen"], row["reason"]) == (seen, reason)


@pytest.mark.parametrize(("least", "cut"), [(2, True), (3, False)])
def test_lines_that_are_too_short_neither_are_cut_nor_count(least: int, *, cut: bool) -> None:
    found = run("a b", "a b\nc d e", max_seen=None, min_unit_words=least)
    assert found[1]["text"] == ("c d e" if cut else "a b\nc d e")
    assert found[1]["seen"] == (0.5 if cut else 0)


@pytest.mark.parametrize("text", [None, "", "\n\n", " \u3000"])
def test_documents_without_text_are_left_as_they_are(text: str | None) -> None:
    assert [(row["text"], row["seen"], row["reason"]) for row in run(text, text)] == [(text, None, None)] * 2


def test_spans_are_bytes_of_the_text_received() -> None:
    row = run(SEVEN, f"Ä ü first.\n  {SEVEN}\nlast", max_seen=None)[1]
    assert row["text"] == "Ä ü first.\nlast"
    assert row["spans"] == [{"start": 13, "end": 29}]
    assert row["words"] == 4


# ---------------------------------------------------------------------------------------------- against plain Python


def plain(
    corpus: list[list[str]], *, size: int, share: float, copies: int, keep: str
) -> list[tuple[list[str], float | None]]:
    """The units that stay of each document, and how much of it stands in others."""

    def grams_of(unit: str) -> list[tuple[str, ...]]:
        words = normal_words(unit)
        return [tuple(words[at : at + size]) for at in range(max(1, len(words) - size + 1))] if words else []

    where: dict[tuple[str, ...], list[int]] = {}
    for number, units in enumerate(corpus):
        for gram in {gram for unit in units for gram in grams_of(unit)}:
            where.setdefault(gram, []).append(number)

    def counts(number: int, gram: tuple[str, ...]) -> bool:
        return len(where[gram]) >= copies and (keep == "none" or where[gram][0] != number)

    found = []
    for number, units in enumerate(corpus):
        marks = [[counts(number, gram) for gram in grams_of(unit)] for unit in units]
        stays = [unit for unit, mine in zip(units, marks, strict=True) if not (mine and sum(mine) / len(mine) >= share)]
        every = [mark for mine in marks for mark in mine]
        found.append((stays, sum(every) / len(every) if every else None))
    return found


WORD = st.sampled_from(["a", "B", "c", "é", "12", "-", "天", "气", "好"])
UNIT = st.lists(WORD, min_size=1, max_size=9).map(" ".join)
CORPUS = st.lists(st.lists(UNIT, max_size=4), min_size=1, max_size=8)


@settings(deadline=None, max_examples=150)
@given(
    CORPUS, st.integers(2, 4), st.sampled_from([0.1, 0.5, 0.6, 0.8, 1.0]), st.integers(2, 3), st.booleans(), st.data()
)
def test_any_texts_are_cut_as_plain_python_does(
    corpus: list[list[str]], size: int, share: float, copies: int, by_line: Any, data: Any
) -> None:
    keep = data.draw(st.sampled_from(["first", "none"]))
    stage: Any = lines if by_line else paragraphs
    between = "\n" if by_line else "\n\n"
    config = stage.Config(match="ngrams", ngram=size, min_share=share, min_copies=copies, keep=keep)
    texts = [between.join(units) for units in corpus]
    edge = data.draw(st.integers(0, len(texts)))
    shards = [shard(part) for part in (texts[:edge], texts[edge:])]
    found = [
        row for one in judged(stage.STAGE, config, shards, cut=data.draw(st.integers(1, 50))) for row in one.to_pylist()
    ]
    expected = plain(corpus, size=size, share=share, copies=copies, keep=keep)
    assert [(row["text"], row["seen"]) for row in found] == [(between.join(stay), seen) for stay, seen in expected]


@given(CORPUS, CORPUS)
def test_two_runs_in_turn_give_what_one_over_both_does(one: list[list[str]], other: list[list[str]]) -> None:
    shards = [shard(["\n".join(units) for units in corpus]) for corpus in (one, other)]
    options: dict[str, Any] = {"match": "ngrams", "ngram": 3}
    _, together = judged(lines.STAGE, lines.Config(**options), shards)
    (second,) = judged(lines.STAGE, lines.Config(**options, against=("earlier",)), shards, runs=(0, 1))
    assert second == together


# ---------------------------------------------------------------------------------------------- much of it


def test_an_n_gram_in_a_million_documents_passes_through_as_it_comes() -> None:
    size, batches = 10_000, 100
    read = 0

    def stream() -> Iterator[pa.RecordBatch]:
        nonlocal read
        for number in range(batches):
            read += 1
            key = pa.array(np.full(size, 5, np.uint64))
            run, shard = (pa.array(np.full(size, value, np.uint32)) for value in (0, number))
            row = pa.array(np.arange(size, dtype=np.uint32))
            yield pa.record_batch({"key": key, "run": run, "shard": shard, "row": row})

    given = 0
    config = lines.Config(match="ngrams")
    for at, batch in enumerate(resolve(stream(), config, Scratch(Path("unused"), 0))):
        assert read <= at + 2  # nothing waits for the end
        given += batch.num_rows
    assert given == size * batches - 1


@pytest.mark.parametrize("text", ["a " * 100_000, "天" * 100_000, "a\n" * 50_000, "a b c d\n" * 20_000])
def test_a_document_that_repeats_itself_has_each_n_gram_once(text: str) -> None:
    config = lines.Config(match="ngrams")
    emit = lines.STAGE.rounds[0].emit
    assert emit is not None
    assert emit(shard([text, text]), config, None)["row"].to_pylist() == [0, 1]
