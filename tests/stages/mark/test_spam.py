"""`mark.spam`: planted spam pages are found by kind, good Chinese texts are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapipe.text import forget
from stages.mark.spam import KINDS, STAGE, Config
from tests.real.machine import human
from tests.real.spam_pages import spam_pages
from tests.stages.mark.test_machine_text import CHINESE


def run(texts: Sequence[str | None], language: str | None = "zh", **values: Any) -> list[dict[str, Any]]:
    """Columns and reason of each text, and as `marks` the kinds for which it would leave."""
    forget()
    config = Config.model_validate(values)
    languages = pa.array([language] * len(texts), pa.string())
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string()), "language": languages})
    columns = STAGE.process(batch, config, None)
    assert columns.schema == STAGE.adds_for(config)
    assert STAGE.decide is not None
    reasons = STAGE.decide(columns, config).to_pylist()
    asked = [STAGE.decide(columns, config.model_copy(update={"drop": (kind,)})).to_pylist() for kind in STAGE.reasons]
    rows = zip(columns.to_pylist(), reasons, zip(*asked, strict=True), strict=True)
    return [{**row, "reason": reason, "marks": [one for one in marks if one]} for row, reason, marks in rows]


def test_nine_in_ten_planted_pages_are_found() -> None:
    pages = spam_pages()
    found = run([text for _, text in pages])
    hit = Counter(kind for (kind, _), row in zip(pages, found, strict=True) if row["marks"])
    assert len(pages) == 60
    assert sum(hit.values()) >= 0.9 * len(pages)
    assert min(hit[kind] for kind, _ in pages) >= 9


def test_kinds_are_told_apart() -> None:
    pages = spam_pages(seed=8)
    found = run([text for _, text in pages])
    right = sum(kind in row["marks"] for (kind, _), row in zip(pages, found, strict=True))
    assert right >= 0.85 * len(pages)


def test_good_chinese_is_not_marked(real_data: Path) -> None:
    sets = human(real_data, chinese=True)
    for name in ("extract-zh", "oiwiki"):
        marked = sum(bool(row["marks"]) for row in run(sets[name]))
        assert marked <= 0.02 * len(sets[name])


SPAM = "百家乐、老虎机和时时彩，"
REST = "今天天气很好我们去公园里走一走吧" * 4 + "，"


@pytest.mark.parametrize(
    ("text", "gambling", "marks"),
    [
        (SPAM + REST, 3, ["gambling"]),
        ("百家乐、老虎机，" + REST, 2, []),  # one phrase too few
        ("百*家-乐 老_虎·机 时|时|彩" + REST, 3, ["gambling"]),
        ("百家乐百家乐百家乐，" + REST, 1, []),  # the same phrase thrice
        (SPAM + REST * 10, 3, []),  # in much else
    ],
)
def test_at_above_and_below_the_thresholds(text: str, gambling: int, marks: list[str]) -> None:
    (row,) = run([text], min_density=10, max_distinct=None)
    assert (row["gambling"], row["marks"]) == (gambling, marks)


def test_density_counts_places_in_a_thousand_characters() -> None:
    text = "百家乐" * 2 + "天" * 94  # 2 places in 100 characters
    (row,) = run([text], max_distinct=None)
    assert row["density"] == pytest.approx(20.0)
    assert row["function"] == 0.0
    # Pairs: 百家 家乐 乐百 百家 家乐 乐天, then 93 times 天天: 5 different of 99.
    assert row["distinct"] == pytest.approx(5 / 99)
    assert row["marks"] == []
    assert run([text])[0]["marks"] == ["stuffed"]


@pytest.mark.parametrize(("drop", "reason"), [((), None), (("adult",), None), (("gambling",), "gambling")])
def test_documents_leave_only_if_asked(drop: tuple[str, ...], reason: str | None) -> None:
    assert run([SPAM + REST], drop=drop, max_distinct=None)[0]["reason"] == reason


@pytest.mark.parametrize(
    ("text", "language"), [(SPAM * 9, "en"), (SPAM * 9, None), ("百家乐老虎机", "zh"), (None, "zh")]
)
def test_other_languages_and_short_texts_are_not_judged(text: str | None, language: str | None) -> None:
    (row,) = run([text], language)
    assert row == {
        **dict.fromkeys(("gambling", "adult", "doorway", "novel", "density", "distinct", "function", "reason")),
        "marks": [],
        "judged": False,
    }


@given(
    st.none() | st.integers(1, 5),
    st.floats(0, 40),
    st.none() | st.floats(0, 1),
    st.floats(0, 0.3),
    st.sets(st.sampled_from(["gambling", "adult", "doorway", "novel", "stuffed"])),
)
def test_other_thresholds_decide_from_what_is_stored(
    phrases: int | None, density: float, distinct: float | None, function: float, drop: set[str]
) -> None:
    """As columns of another config do; the rules in plain Python, on planted pages of all kinds."""
    options = {"min_phrases": phrases, "min_density": density, "max_distinct": distinct, "min_function": function}
    config = Config.model_validate({**options, "drop": sorted(drop)})
    stored = planted()
    assert STAGE.decide is not None
    for row, reason in zip(stored.to_pylist(), STAGE.decide(stored, config).to_pylist(), strict=True):
        dense = phrases is not None and row["density"] >= density
        holds = [kind for kind in KINDS if dense and row[kind] >= phrases and kind in drop]
        stuffed = distinct is not None and row["distinct"] < distinct and row["function"] < function
        holds += ["stuffed"] if stuffed and "stuffed" in drop else []
        assert reason == (holds[0] if holds else None)


@cache
def planted() -> pa.RecordBatch:
    """What is stored of planted pages."""
    texts = pa.array([text for _, text in spam_pages(each=4)], pa.large_string())
    return STAGE.process(
        pa.record_batch({"text": texts, "language": pa.array(["zh-Hans"] * len(texts))}), Config(), None
    )


def test_every_threshold_only_decides() -> None:
    roles = {name: field.json_schema_extra["role"] for name, field in Config.model_fields.items()}  # type: ignore[index]
    assert {name for name, role in roles.items() if role == "measure"} == {"min_characters"}


def test_clean_prose_has_no_marks() -> None:
    assert run([CHINESE])[0]["marks"] == []
