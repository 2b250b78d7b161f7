"""`mark.templates`: pages made of templates are found, pages by people are not, whatever else is on the host."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from stages.mark.templates import MOST_PAGES, STAGE, Config
from tests.real.machine import EN_TEMPLATES, ZH_TEMPLATES, fill, human
from tests.stages.grouped import Page, judged_pages

HOST = "https://pages.example/"
STORY = (
    "The {0} stood at the edge of the {1} for as long as anybody could remember and nobody had ever asked who put it "
    "there or why it was never moved to a better place even after the great {2} of that year"
)
WORDS = ("old house", "bridge", "lantern", "red boat", "stone wall", "forest", "valley", "market", "storm", "flood")


def judged(pages: list[Page], **values: Any) -> list[dict[str, Any]]:
    """Columns and reason of each page, and whether it is `templated`: whether it would leave."""
    found = judged_pages(STAGE, Config.model_validate({**values, "drop": True}), pages)
    return [{**row, "templated": row["reason"] == "templated"} for row in found]


def made(template: str, count: int, seed: int = 1) -> list[Page]:
    chance = random.Random(seed)
    return [(HOST, fill(template, chance)) for _ in range(count)]


@pytest.mark.parametrize("template", [*EN_TEMPLATES, *ZH_TEMPLATES])
def test_nearly_all_of_twenty_pages_of_a_template_are_marked(template: str) -> None:
    found = [judged(made(template, 20, seed)) for seed in range(3)]
    assert sum(row["templated"] for rows in found for row in rows) >= 0.95 * 60


@pytest.mark.parametrize(("pages", "marked"), [(9, False), (10, True), (11, True)])
def test_at_above_and_below_the_least_number_of_pages(pages: int, *, marked: bool) -> None:
    text = STORY.format("mill", "river", "frost")
    found = judged([(HOST, text)] * pages)
    assert {(row["pages"], row["templated"]) for row in found} == {(pages, marked)}
    assert len({row["skeleton"] for row in found}) == 1


def test_numbers_and_names_make_no_difference() -> None:
    text = (
        "Dear {}, the {} parcels that you sent on {} have come to our house and are now on their way to your aunt in {}"
    )
    fillers = [
        ("Anna", "3", "May 2", "Rome"),
        ("Mary Ann Lee", "12", "7.11.", "New York City"),
        ("Jo", "9", "1/1", "Ulm"),
    ]
    found = judged([(HOST, text.format(*some)) for some in fillers], min_pages=3, min_words=15)
    assert {(row["pages"], row["templated"]) for row in found} == {(3, True)}


def test_hosts_are_apart() -> None:
    pages: list[Page] = [(f"https://{n % 2}.example/", STORY.format("mill", "river", "frost")) for n in range(12)]
    assert {row["pages"] for row in judged_pages(STAGE, Config(), pages)} == {6}


@pytest.mark.parametrize(
    ("url", "text"), [(None, "a b c " * 20), ("data:,x", "a b c " * 20), (HOST, "too short"), (HOST, None)]
)
def test_pages_without_host_or_words_are_not_judged(url: str | None, text: str | None) -> None:
    (row,) = judged_pages(STAGE, Config(), [(url, text)])
    assert row == {"pages": None, "skeleton": None, "judged": False, "reason": None}


@pytest.mark.parametrize(("drop", "reason"), [(False, None), (True, "templated")])
def test_pages_leave_only_if_asked(drop: object, reason: str | None) -> None:
    found = judged_pages(STAGE, Config.model_validate({"drop": drop}), made(EN_TEMPLATES[0], 20))
    assert {row["reason"] for row in found if row["pages"] >= 10} == {reason}


def test_counting_stops_at_a_bound_so_that_memory_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.mark.templates.MOST_PAGES", 15)
    assert MOST_PAGES == 10_000
    found = judged_pages(STAGE, Config(), [(HOST, STORY.format("mill", "river", "frost"))] * 40)
    assert {row["pages"] for row in found} == {15}


@pytest.mark.parametrize("chinese", [False, True])
def test_pages_by_people_are_not_marked_even_if_all_were_on_one_host(real_data: Path, *, chinese: bool) -> None:
    texts = human(real_data, chinese=chinese)["extract-zh" if chinese else "wcxb"]
    planted = made((ZH_TEMPLATES if chinese else EN_TEMPLATES)[1], 20)
    found = judged([(HOST, text) for text in texts] + planted)
    assert sum(row["templated"] for row in found[: len(texts)]) <= 0.01 * len(texts)
    assert sum(row["templated"] for row in found[len(texts) :]) >= 19
