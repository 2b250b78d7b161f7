"""`dedup.lines` and `dedup.paragraphs` against a dictionary, over a stream sorted and cut as the framework does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.repeated import resolve
from datapipe.stage import Group, Scratch, StageConfig
from datapipe.text.reference import normal_words
from stages.dedup import lines, paragraphs
from tests.stages.grouped import judged_pages


def run(stage: Group, texts: Sequence[str | None], config: StageConfig) -> list[dict[str, Any]]:
    """What the stage says of each text, with its reason."""
    return judged_pages(stage, config, [(None, text) for text in texts])


def cut_paragraphs(*texts: str | None, **settings: Any) -> list[str | None]:
    return [row["text"] for row in run(paragraphs.STAGE, texts, paragraphs.Config(**settings))]


def cut_lines(*texts: str | None, min_copies: int = 2, **settings: Any) -> list[str | None]:
    return [row["text"] for row in run(lines.STAGE, texts, lines.Config(min_copies=min_copies, **settings))]


def test_the_first_document_keeps_a_paragraph_and_later_ones_tell_which_bytes_went() -> None:
    texts = ["One two\nthree.\n\nMine.", "Ä first.\n\n one TWO three\n\nYours."]
    found = run(paragraphs.STAGE, texts, paragraphs.Config())
    assert [row["text"] for row in found] == ["One two\nthree.\n\nMine.", "Ä first.\n\nYours."]
    assert [row["paragraphs"] for row in found] == [0, 1]
    assert [row["words"] for row in found] == [None, 3]
    assert [row["spans"] for row in found] == [[], [{"start": 11, "end": 27}]]
    assert [row["reason"] for row in found] == [None, "too_little_left"]


def test_chinese_paragraphs_and_lines() -> None:
    texts = [
        "今天下雨。\n\n版权所有，不得转载。",
        "版权所有，\n不得转载\n\n明天天晴。",
        "版权所有，不得转载。\n大后天刮风。",
    ]
    assert cut_paragraphs(*texts) == [texts[0], "明天天晴。", texts[2]]
    assert cut_lines(*texts) == [*texts[:2], "大后天刮风。"]


@pytest.mark.parametrize(("copies", "cut"), [(6, False), (7, True)])
def test_a_line_is_cut_from_seven_documents_on(copies: int, *, cut: bool) -> None:
    texts = [f"Read more here\nabout {'x' * n}" for n in range(1, copies + 1)]
    found = [row["lines"] for row in run(lines.STAGE, texts, lines.Config())]
    assert found == [0] + [int(cut)] * (copies - 1)


def test_nobody_keeps_it_where_asked() -> None:
    assert cut_lines("a b\nc", "a b\nd", "e", keep="none") == ["c", "d", "e"]


def test_a_unit_twice_in_a_document_counts_once() -> None:
    assert cut_lines("a b\na b\nc", "d") == ["a b\na b\nc", "d"]
    assert cut_lines("a b\na b\nc", "a b\nd\na b\n") == ["a b\na b\nc", "d"]


@pytest.mark.parametrize(
    ("settings", "unit", "cut"),
    [
        ({"min_unit_words": 2}, "two words", True),
        ({"min_unit_words": 3}, "two words", False),
        ({"min_unit_words": 4}, "登录注册", True),
        ({"min_unit_words": 5}, "登录注册", False),
        ({"min_unit_characters": 9}, "two words", True),
        ({"min_unit_characters": 10}, "two words", False),
        ({"min_unit_characters": 4}, "登录注册", True),
        ({"min_unit_characters": 5}, "登录注册", False),
        ({}, "}", False),
        ({}, "* * *", False),
    ],
)
def test_which_units_count(settings: dict[str, int], unit: str, *, cut: bool) -> None:
    assert cut_lines(f"{unit}\na", f"{unit}\nb", **settings)[1] == ("b" if cut else f"{unit}\nb")


@pytest.mark.parametrize(("min_words", "reason"), [(3, None), (4, "too_little_left"), (None, None)])
def test_a_document_leaves_if_too_little_is_left(min_words: int | None, reason: str | None) -> None:
    found = run(paragraphs.STAGE, ["same", "same\n\nthree words left"], paragraphs.Config(min_words=min_words))
    assert [row["reason"] for row in found] == [None, reason]


@pytest.mark.parametrize("text", [None, "", "\n\n\n", " \u3000"])
def test_documents_without_text_are_left_as_they_are(text: str | None) -> None:
    assert cut_paragraphs(text, text) == cut_lines(text, text) == [text, text]


UNIT = st.sampled_from(["menu", "Menu!", "foot 1", "foot 2", "---", "a b", "登录", "登录注册", "é"])
CORPUS = st.lists(st.lists(UNIT, max_size=5), min_size=1, max_size=10)


@given(CORPUS, st.integers(2, 4), st.sampled_from(["first", "none"]), st.sampled_from([None, 2]), st.booleans())
@settings(max_examples=120)
def test_as_a_dictionary_counts_them(
    corpus: list[list[str]], copies: int, keep: Any, least: int | None, by_line: Any
) -> None:
    where: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, units in enumerate(corpus):
        for form in {tuple(normal_words(unit)) for unit in units}:
            if len(form) >= (least or 1):
                where[form].append(number)

    def stays(number: int, unit: str) -> bool:
        stands = where.get(tuple(normal_words(unit)), [])
        return len(stands) < copies or (keep == "first" and stands[0] == number)

    chosen: dict[str, Any] = {"min_copies": copies, "keep": keep, "min_unit_words": least}
    stage, config = (
        (lines.STAGE, lines.Config(**chosen)) if by_line else (paragraphs.STAGE, paragraphs.Config(**chosen))
    )
    between = "\n" if by_line else "\n\n"
    texts = [between.join(units) for units in corpus]
    for number, row in enumerate(run(stage, texts, config)):
        assert row["text"] == between.join(unit for unit in corpus[number] if stays(number, unit))
        rest = texts[number].encode()
        for span in reversed(row["spans"]):
            rest = rest[: span["start"]] + rest[span["end"] :]
        assert rest.decode() == row["text"]


def test_earlier_runs_keep_what_they_have_and_are_counted() -> None:
    keys = {
        "key": [5, 5, 5, 6, 7, 7],
        "run": [0, 1, 1, 1, 1, 1],
        "shard": [0, 1, 1, 1, 1, 1],
        "row": [9, 0, 1, 0, 0, 2],
    }
    types = {"key": pa.uint64(), "run": pa.uint32(), "shard": pa.uint32(), "row": pa.uint32()}
    stream = pa.record_batch({name: pa.array(values, types[name]) for name, values in keys.items()})
    for config, expected in (
        (paragraphs.Config(keep="first", against=("earlier",)), [(0, 5), (1, 5), (2, 7)]),
        (paragraphs.Config(keep="none", against=("earlier",)), [(0, 5), (1, 5), (0, 7), (2, 7)]),
    ):
        found = [
            row for batch in resolve(iter([stream]), config, Scratch(Path("unused"), 0)) for row in batch.to_pylist()
        ]
        assert [(row["row"], row["unit"]) for row in found] == expected


def test_a_line_in_a_million_documents_passes_through_as_it_comes() -> None:
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
    for at, batch in enumerate(resolve(stream(), lines.Config(), Scratch(Path("unused"), 0))):
        assert read <= at + 2  # nothing waits for the end
        given += batch.num_rows
    assert given == size * batches - 1
