"""`mark.machine_text`: hosts of machine translations, noise of recognition, phrases of language models."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datapipe.text import forget
from stages.mark.machine_text import STAGE, Config, build
from tests.real.machine import han_errors, latin_errors

ENGLISH = (
    "The council met on Tuesday evening to talk about the old bridge at the end of the village. For several years the "
    "people who live near the river have asked for repairs, because the wood is soft and the railings are broken. The "
    "engineer said that the work would take about three months and that the road would have to be closed for most of "
    "that time. Some members were worried about the cost and asked whether the money could be found in the budget of "
    "next year. In the end they agreed to write to the county and to hold another meeting in the spring, when more is "
    "known about the plan and everyone has had time to read the report that was made last summer by two students."
)
CHINESE = (
    "星期二晚上，村委会开会讨论了村头那座老桥的问题。这几年来，住在河边的居民一直要求修理这座桥，因为木头已经腐烂，栏杆也坏了。"
    "工程师说，这项工作大约需要三个月的时间，而且在大部分时间里道路都要关闭。有些成员对费用表示担心，他们问明年的预算里能不能找到这笔钱。"
    "最后大家同意给县里写一封信，并且在春天再开一次会，到那个时候，人们对这个计划会有更多的了解，也有时间阅读去年夏天两个学生写的报告。"
)


MARKS = ("translated", "noise", "model")


def run(rows: Sequence[dict[str, Any]], folder: Path, **values: Any) -> list[dict[str, Any]]:
    """Columns and reason of each document with `text`, `language`, `url`, and as `marks` what it would leave for."""
    forget()
    config = Config.model_validate(values)
    build(config, folder)
    kinds = {"text": pa.large_string(), "language": pa.string(), "url": pa.string()}
    batch = pa.record_batch({name: pa.array([row.get(name) for row in rows], kind) for name, kind in kinds.items()})
    columns = STAGE.process(batch, config, folder)
    assert columns.schema == STAGE.adds_for(config)
    assert STAGE.decide is not None
    reasons = STAGE.decide(columns, config).to_pylist()
    asked = [STAGE.decide(columns, config.model_copy(update={"drop": (what,)})).to_pylist() for what in MARKS]
    marks = [[what for what, reason in zip(MARKS, some, strict=True) if reason] for some in zip(*asked, strict=True)]
    found = zip(columns.to_pylist(), reasons, marks, strict=True)
    return [{**row, "reason": reason, "marks": mine} for row, reason, mine in found]


URLS = [
    ("https://patents.google.com/patent/US1234567A/en", True),
    ("HTTP://Patents.Google.com:443/patent/CN1/zh?oq=x", True),
    ("https://example-com.translate.goog/page?_x_tr_sl=auto", True),
    ("//de.zxc.wiki/wiki/Seite", True),
    ("https://www.qastack.ru/programming/1", True),
    ("https://es.aliexpress.com/item/1.html", True),
    ("https://www.aliexpress.com/item/1.html", False),
    ("https://google.com/patents", False),
    ("https://patents.google.com.example.org/", False),
    ("https://en.wikipedia.org/wiki/Patent", False),
    ("https://notzxc.wiki/", False),
    (None, False),
]


@pytest.mark.parametrize(("url", "listed"), URLS)
def test_hosts_of_machine_translations(url: str | None, tmp_path: Path, *, listed: bool) -> None:
    (row,) = run([{"text": "a page", "language": "en", "url": url}], tmp_path)
    assert row["lists"] == (["machine_translation_hosts"] if listed else [])
    assert row["marks"] == (["translated"] if listed else [])
    assert row["reason"] is None


def test_lists_of_the_user_are_told_apart_and_counted_in(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("mt.example\n")
    pages = [{"text": "x", "language": "en", "url": f"https://{host}/"} for host in ("www.mt.example", "zxc.wiki")]
    found = run(pages, tmp_path, hosts=[str(own)], drop=["translated"])
    assert [row["lists"] for row in found] == [["own"], ["machine_translation_hosts"]]
    assert [row["reason"] for row in found] == ["machine_translated"] * 2


@pytest.mark.parametrize(("text", "language", "damage"), [(ENGLISH, "en", latin_errors), (CHINESE, "zh", han_errors)])
def test_noise_of_recognition_is_marked_and_clean_text_is_not(
    text: str, language: str, damage: Any, tmp_path: Path
) -> None:
    chance = random.Random(3)
    texts = [text, *(damage(text, 0.1, chance) for _ in range(20))]
    found = run([{"text": one, "language": language} for one in texts], tmp_path)
    assert found[0]["marks"] == []
    assert found[0]["noise"] < 0.5
    assert sum(row["marks"] == ["noise"] for row in found[1:]) >= 19


NOT_JUDGED = [
    ("too short", "en"),
    (ENGLISH, "de"),
    (ENGLISH, None),
    (None, "en"),
    ("秦川雄帝宅函谷壯皇居綺殿千尋起離宮百雉餘" * 10, "zh"),  # classical
    ("這是他們為國家說的話，這個時候來對了。" * 20, "zh-Hant"),  # traditional
]


@pytest.mark.parametrize(("text", "language"), NOT_JUDGED)
def test_what_cannot_be_judged_has_no_noise(text: str | None, language: str | None, tmp_path: Path) -> None:
    (row,) = run([{"text": text, "language": language}], tmp_path)
    assert (row["noise"], row["judged"], row["marks"]) == (None, False, [])


SAID = [
    ("As an AI language model, I cannot say.", "en", (1, 0, 0), ["model"]),
    ("She said: I'm sorry, but I can’t assist with that.", "en", (1, 0, 0), ["model"]),
    ("作为一个AI语言模型，我没有个人观点。", "zh", (2, 0, 0), ["model"]),
    ("Sure! Here's a recipe. I hope this helps!", "en", (0, 2, 0), ["model"]),
    ("I hope this helps!", "en", (0, 1, 0), []),
    ("当然，以下是一些建议。希望对您有所帮助！", "zh", (0, 3, 0), ["model"]),
    ("It is important to note that bread plays a vital role in life. In conclusion, eat.", "en", (0, 0, 3), ["model"]),
    ("In conclusion, " + "we all went home and had a good night. " * 80, "en", (0, 0, 1), []),
    ("A model of a language, as an artist said.", "en", (0, 0, 0), []),
    ("语言模型是一种统计模型。", "zh", (0, 0, 0), []),
]


@pytest.mark.parametrize(("text", "language", "counts", "marks"), SAID)
def test_phrases_of_language_models(text: str, language: str, counts: Any, marks: list[str], tmp_path: Path) -> None:
    (row,) = run([{"text": text, "language": language}], tmp_path)
    assert (row["refusals"], row["assistants"], row["openings"]) == counts
    assert row["marks"] == marks
    assert run([{"text": text, "language": language}], tmp_path, drop=["model"])[0]["reason"] == (
        "language_model" if marks else None
    )


def test_rules_that_are_off_mark_nothing(tmp_path: Path) -> None:
    off = dict.fromkeys(("max_noise", "min_refusals", "min_assistants", "min_openings"))
    text = latin_errors(ENGLISH, 0.15, random.Random(1)) + SAID[0][0] + SAID[3][0]
    (row,) = run([{"text": text, "language": "en"}], tmp_path, drop=["noise", "model"], **off)
    assert (row["marks"], row["reason"]) == ([], None)


# Openings in 1,000 words: 4 of 500 are 8; at that they tell, with one word more they do not.
DENSE = [(4, 500, "language_model"), (4, 501, None), (2, 10, None), (3, 375, "language_model"), (3, 376, None)]


@pytest.mark.parametrize(("openings", "words", "reason"), DENSE)
def test_openings_tell_by_their_density(openings: int, words: int, reason: str | None) -> None:
    assert decided(openings=openings, words=words) == reason


DECIDED = [
    ({"noise": 0.6}, {}, "recognition_noise"),
    ({"noise": 0.6}, {"max_noise": 0.6}, None),
    ({"noise": None}, {"max_noise": 0.0}, None),  # not judged
    ({"refusals": 1}, {}, "language_model"),
    ({"refusals": 1}, {"min_refusals": 2}, None),
    ({"assistants": 2}, {}, "language_model"),
    ({"assistants": 2}, {"min_assistants": 3}, None),
    ({"openings": 4, "words": 501}, {"min_openings": 7.9}, "language_model"),
    ({"lists": ["mine"], "noise": 0.9}, {}, "machine_translated"),
    ({"lists": ["mine"], "noise": 0.9}, {"drop": ["noise"]}, "recognition_noise"),
]


@pytest.mark.parametrize(("stored", "options", "reason"), DECIDED)
def test_thresholds_decide_from_what_is_stored(
    stored: dict[str, Any], options: dict[str, Any], reason: str | None
) -> None:
    assert decided(options, **stored) == reason


def decided(options: dict[str, Any] | None = None, **stored: Any) -> str | None:
    """The reason of one document of which that is stored, and else nothing of note."""
    usual = {"lists": [], "noise": 0.0, "refusals": 0, "assistants": 0, "openings": 0, "words": 100, "judged": True}
    config = Config.model_validate({"drop": MARKS, **(options or {})})
    batch = pa.RecordBatch.from_pylist([usual | stored], STAGE.adds_for(config))
    assert STAGE.decide is not None
    reason: str | None = STAGE.decide(batch, config)[0].as_py()
    return reason
