"""Names of persons, places and organisations by language models: what they find, where, and how much of it.

The gold of Chinese is KdConv's: the values of the facts that a message of its dialogues is about, where the message
has them; that of English presidio-research's synthetic sentences, without streets, which no model was trained to find.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.pii.found import NAMED
from datapipe.algo.pii.names import PART, _best_path, _parts, find_names, language_by_script, libraries_of
from datapipe.errors import InputError
from stages.mask.pii import ENGINES

# Share of the gold's spans that a found name of the same kind overlaps, as measured, less some hundredths.
LEAST: dict[str, dict[str, float]] = {
    "en": {"PERSON": 0.62, "LOCATION": 0.4, "ORGANIZATION": 0.47},
    "zh": {"PERSON": 0.92, "LOCATION": 0.87, "ORGANIZATION": 0.79},
}
ENGLISH = {
    "PERSON": "PERSON",
    "GPE": "LOCATION",
    "ORGANIZATION": "ORGANIZATION",
}
CHINESE = {
    **dict.fromkeys(("导演", "主演", "编剧", "填词", "谱曲", "歌曲原唱", "专辑歌手", "代表人物"), "PERSON"),
    **dict.fromkeys(("出生地", "国籍", "制片地区", "周边景点", "地址"), "LOCATION"),
    **dict.fromkeys(("唱片公司", "经纪公司", "毕业院校", "所属公司", "制片公司"), "ORGANIZATION"),
}

Gold = tuple[str, list[tuple[str, int, int]]]


def names(text: str, language: str | None, entities: tuple[str, ...] = NAMED) -> list[tuple[str, str]]:
    found = find_names(pa.array([text], pa.large_string()), [language], ENGINES, entities).get(0, [])
    return [(each.entity, text[each.start : each.end]) for each in found]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Barack Obama met Angela Merkel in Berlin.", [("PERSON", "Barack Obama"), ("LOCATION", "Berlin")]),
        ("fr", "Emmanuel Macron habite à Paris.", [("PERSON", "Emmanuel Macron"), ("LOCATION", "Paris")]),
        ("zh", "张三在中国银行工作。", [("PERSON", "张三"), ("ORGANIZATION", "中国银行")]),
        (None, "张三在中国银行工作。", [("PERSON", "张三")]),
    ],
)
def test_the_engine_of_a_language_finds_names(language: str | None, text: str, expected: list[tuple[str, str]]) -> None:
    assert set(expected) <= set(names(text, language))


def test_a_language_without_an_engine_and_an_unknown_one_have_no_names() -> None:
    assert names("Barack Obama met Angela Merkel in Berlin.", "de") == []
    assert names("Barack Obama met Angela Merkel in Berlin.", None) == []
    assert names("张三在中国银行工作。", "") == []


def test_only_the_kinds_asked_for_are_found() -> None:
    assert names("Barack Obama met Angela Merkel in Berlin.", "en", ("LOCATION",)) == [("LOCATION", "Berlin")]


def test_a_name_far_into_a_text_stands_where_it_stood() -> None:
    text = "Nothing is here to see.\n" * (PART // 8) + "Then Barack Obama spoke."
    assert ("PERSON", "Barack Obama") in names(text, "en")


@given(st.text(alphabet="ab \n张", max_size=60), st.integers(1, 9))
def test_parts_are_the_text_and_none_is_too_long(text: str, times: int) -> None:
    whole = text * (times * 40)
    parts = list(_parts(whole))
    assert "".join(part for _, part in parts) == whole
    assert all(whole.startswith(part, start) and len(part) <= PART for start, part in parts)


@pytest.mark.parametrize(("text", "language"), [("张三在北京", "zh"), ("Anna 张三", None), ("", None), ("123 !", None)])
def test_chinese_is_told_by_its_script(text: str, language: str | None) -> None:
    assert language_by_script(text) == language


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_the_best_path_is_the_best_of_all(count: int, tags: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    scores, follow = chance.normal(size=(count, tags)), chance.normal(size=(tags, tags))
    path = np.empty(count, np.int64)
    _best_path(scores, follow, np.zeros((count, tags), np.int64), np.empty((2, tags)), path)

    def total(way: Any) -> float:
        return float(scores[np.arange(count), way].sum() + sum(follow[a, b] for a, b in pairwise(way)))

    every = [np.array(index) for index in np.ndindex(*([tags] * count))]
    assert total(path) == pytest.approx(max(map(total, every)))


@pytest.mark.parametrize("engine", ["spacy:xx_no_such_model", "lac:/nowhere/at/all"])
def test_a_missing_model_is_one_line_with_a_remedy(engine: str) -> None:
    with pytest.raises(InputError, match="is not installed") as error:
        libraries_of(engine)
    assert "pip install" in str(error.value)


# ---------------------------------------------------------------------------------------------- real texts


def records(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def english(data: Path) -> list[Gold]:
    rows = records(data / "pii-presidio/synth_dataset_v2.jsonl.gz")
    return [
        (
            row["full_text"],
            [
                (ENGLISH[span["entity_type"]], span["start_position"], span["end_position"])
                for span in row["spans"]
                if span["entity_type"] in ENGLISH
            ],
        )
        for row in rows
    ]


def chinese(data: Path) -> list[Gold]:
    gold = []
    for name in ("film", "music", "travel"):
        for row in records(data / f"sft/kdconv_{name}_test.jsonl.gz"):
            for said in row["messages"]:
                text = said["message"]
                facts = {(fact["attrname"], fact["attrvalue"]) for fact in said.get("attrs", [])}
                spans = [
                    (CHINESE[kind], text.index(value), text.index(value) + len(value))
                    for kind, value in sorted(facts)
                    if kind in CHINESE and value in text
                ]
                if spans:
                    gold.append((text, spans))
    return gold


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("language", "gold"), [("en", english), ("zh", chinese)])
def test_recall_by_kind_on_real_texts(
    real_data: Path, capsys: pytest.CaptureFixture[str], language: str, gold: Any
) -> None:
    labelled = gold(real_data)
    texts = pa.array([text for text, _ in labelled], pa.large_string())
    everything = find_names(texts, [language] * len(texts), ENGINES, NAMED)
    of, hit = Counter[str](), Counter[str]()
    for row, (_, spans) in enumerate(labelled):
        for kind, start, end in spans:
            of[kind] += 1
            found = everything.get(row, [])
            hit[kind] += any(each.entity == kind and each.start < end and start < each.end for each in found)
    recall = {kind: hit[kind] / of[kind] for kind in NAMED}
    with capsys.disabled():
        told = ", ".join(f"{kind} {hit[kind]}/{of[kind]} = {recall[kind]:.3f}" for kind in NAMED)
        print(f"\n{language}: {told}")  # noqa: T201
    assert all(recall[kind] >= LEAST[language][kind] for kind in NAMED)
