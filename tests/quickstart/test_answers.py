"""What happens to every page of the samples is what the answers file says must happen."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.quickstart.conftest import ROOT
from tests.quickstart.corpus import column, fates

STAGES = [
    "asked",
    "sites",
    "text",
    "language",
    "groups",
    "length",
    "quality",
    "policies",
    "shape",
    "shape2",
    "loops",
    "mild",
    "machine",
    "spam",
    "addresses",
    "banners",
    "templates",
    "unique",
    "near",
    "symbols",
    "tidy",
    "spans",
    "clean",
    "masked",
]


@pytest.fixture(scope="session")
def answers() -> list[dict[str, Any]]:
    """The rows about web pages."""
    rows = [json.loads(line) for line in (ROOT / "samples" / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if "url" in row]


def test_every_page_meets_its_fate(quickstart: Path, answers: list[dict[str, Any]]) -> None:
    fate = fates(quickstart, "pages", STAGES)
    assert len(fate) == len(answers) >= 150
    wrong: dict[str, Any] = {}
    for row in answers:
        left = fate[row["url"]]
        if row["good"] is True and left is not None:
            wrong[row["url"]] = left
        if row["good"] is False:
            allowed = {row["reason"]} if "reason" in row else set(row["reasons"])
            if left is None or left[1] not in allowed:
                wrong[row["url"]] = (left, allowed)
    assert wrong == {}


def test_good_pages_hold_their_text_and_no_boilerplate(quickstart: Path, answers: list[dict[str, Any]]) -> None:
    text = column(quickstart, "pages", "text", "text")
    good = [row for row in answers if row["good"]]
    assert len(good) > 100
    assert [row["url"] for row in good if row["contains"] not in text[row["url"]]] == []
    assert [row["url"] for row in good if row.get("lacks") and row["lacks"] in text[row["url"]]] == []


def test_copies_name_the_page_that_stays(quickstart: Path, answers: list[dict[str, Any]]) -> None:
    survivor = column(quickstart, "pages", "unique", "unique.survivor")
    ids: dict[str, Any] = {}
    for base in (quickstart / "pages").glob("*-[0-9][0-9][0-9][0-9].parquet"):
        table: Any = pq.read_table(base, columns=["url", "id"]).to_pydict()
        ids.update(zip(table["url"], table["id"], strict=True))
    near = column(quickstart, "pages", "near", "near.survivor")
    for stands, facts in ((survivor, "duplicate_of"), (near, "near_duplicate_of")):
        copies = {row["url"]: row[facts] for row in answers if row.get(facts)}
        assert len(copies) >= 8
        assert {url: stands[url] for url in copies} == {url: ids[original] for url, original in copies.items()}


def test_what_stands_elsewhere_too_is_cut(quickstart: Path, answers: list[dict[str, Any]]) -> None:
    before, after = (column(quickstart, "pages", stage, "text") for stage in ("text", "spans"))
    cut = {row["url"]: row["cut"] for row in answers if row.get("cut")}
    assert len(cut) == 5
    assert [url for url, words in cut.items() if words not in before[url] or words in after[url]] == []


def test_pages_of_one_template_are_marked_and_no_other(quickstart: Path, answers: list[dict[str, Any]]) -> None:
    pages = column(quickstart, "pages", "templates", "templates.pages")
    templated = {row["url"] for row in answers if row.get("templated")}
    assert len(templated) == 4
    assert {url for url, alike in pages.items() if (alike or 0) >= 4} == templated


ENTITIES = {
    "email": "EMAIL_ADDRESS",
    "phone": "PHONE_NUMBER",
    "ip": "IP_ADDRESS",
    "api_key": "API_KEY",
    "cn_resident_id": "CN_RESIDENT_ID",
    "cn_mobile": "CN_MOBILE",
    "bank_card": "CREDIT_CARD",
    "credit_card": "CREDIT_CARD",
    "us_ssn": "US_SSN",
    "iban": "IBAN_CODE",
}


def test_personal_data_are_found_and_gone(quickstart: Path, answers: list[dict[str, Any]]) -> None:
    found = column(quickstart, "pages", "masked", "masked.counts")
    spans = column(quickstart, "pages", "masked", "masked.spans")
    before, after = (column(quickstart, "pages", stage, "text") for stage in ("spans", "masked"))
    pages = {row["url"]: row["personal_data"] for row in answers if row.get("personal_data")}
    assert len(pages) == 10
    for url, planted in pages.items():
        public = [ENTITIES[each["type"]] for each in planted if each["description"] != "documentation address"]
        here = {each["entity"]: each["count"] for each in found[url]}
        assert Counter(public) <= Counter(here), url
        values = [
            before[url].encode()[each["start"] : each["end"]].decode()
            for each in spans[url]
            if each["column"] == "text"
        ]
        assert len(values) >= len(public)
        assert [value for value in values if value in after[url]] == []


def test_outputs_hold_the_kept_pages_and_no_other(quickstart: Path) -> None:
    """Long pages are cut; what is cut, put together, is the page. JSON lines lie by language."""
    kept = {url for url, left in fates(quickstart, "pages", STAGES).items() if left is None}
    text = column(quickstart, "pages", "masked", "text")
    language = column(quickstart, "pages", "language", "language")
    parquet: list[Any] = [
        row
        for path in sorted((quickstart / "parquet").glob("*-[0-9][0-9][0-9][0-9].parquet"))
        for row in pq.read_table(path, columns=["url", "text"]).to_pylist()
    ]
    lines = [
        {**json.loads(line), "folder": path.parent.name}
        for path in sorted((quickstart / "jsonl").glob("*/*.jsonl.gz"))
        for line in gzip.decompress(path.read_bytes()).decode().splitlines()
    ]
    for rows in (parquet, lines):
        whole: dict[str, str] = {}
        for row in rows:
            whole[row["url"]] = whole.get(row["url"], "") + row["text"]
        assert whole == {url: text[url] for url in kept}
        assert len(rows) > len(kept)
    assert all(line["folder"] == language[line["url"]] for line in lines)


def test_records_that_are_no_pages_are_counted_as_what_they_are(quickstart: Path) -> None:
    left = Counter(fate[1] for fate in fates(quickstart, "pages", []).values() if fate is not None)
    assert left == {"http_error": 2, "not_html": 2, "decompression_bomb": 1, "empty_body": 1, "revisit": 1}
