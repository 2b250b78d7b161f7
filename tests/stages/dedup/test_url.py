"""`dedup.url`: which addresses are those of one page, and which of its documents stays."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapipe.algo.addresses import Rules, normal_urls
from datapipe.contract.finding import Findings, Trial
from datapipe.contract.grouped import run_group
from stages.dedup.url import STAGE, Config

FORMS = [
    ("HTTP://WWW.Example.ORG:80/a/", "example.org/a"),
    ("https://example.org:443", "example.org/"),
    ("https://example.org:0443/", "example.org/"),
    ("https://example.org:8080/a#part", "example.org:8080/a"),
    ("http://[::1]:8080/a", "[::1]:8080/a"),
    ("//user:secret@example.org/A", "example.org/A"),
    ("example.org:8080/a", "example.org:8080/a"),
    ("ftp://example.org/a", "ftp://example.org/a"),
    ("http://example.org/%7euser/%e4%bd%a0%2f", "example.org/~user/%E4%BD%A0%2F"),
    ("http://example.org/你", "example.org/%E4%BD%A0"),
    ("http://例子.中国/你", "xn--fsqu00a.xn--fiqs8s/%E4%BD%A0"),
    ("http://bücher.example/", "xn--bcher-kva.example/"),
    ("http://example.org/a/./b/../c", "example.org/a/c"),
    ("http://example.org/../..", "example.org/"),
    ("http://example.org/a//b", "example.org/a//b"),
    ("http://example.org\\a\\b", "example.org/a/b"),
    ("http://example.org/a;JSESSIONID=1F/b", "example.org/a/b"),
    ("http://example.org?", "example.org/"),
    ("http://example.org/a?b=2&a=1&&utm_source=x&UTM_medium=y&fbclid=z", "example.org/a?a=1&b=2"),
    ("http://example.org/a?x=2&x=1&c=%3d", "example.org/a?c=%3D&x=2&x=1"),
    ("http://example.org/?spam=1", "example.org/?spam=1"),  # `spm` is a name, not the begin of one
    ("http://example.org/?gclid=1#utm_x", "example.org/"),
    ("http://example.org/100%", "example.org/100%"),
    (" http://example.org/a\n", "example.org/a"),
    ("data:,x", None),
    ("/relative", None),
    ("", None),
    (None, None),
]


@pytest.mark.parametrize(("url", "form"), FORMS)
def test_the_one_form_of_an_address(url: str | None, form: str | None) -> None:
    assert normal_urls(pa.array([url], pa.string()), Rules()).to_pylist() == [form]


def test_forms_do_not_depend_on_what_stands_beside() -> None:
    urls = pa.array([url for url, _ in FORMS], pa.string())
    assert normal_urls(urls, Rules()).to_pylist() == [form for _, form in FORMS]


@pytest.mark.parametrize(
    ("rules", "url", "form"),
    [
        (Rules(any_scheme=False), "HTTPS://example.org/", "https://example.org/"),
        (Rules(any_scheme=False), "example.org/", "example.org/"),
        (Rules(www=False), "http://www.example.org/", "www.example.org/"),
        (Rules(slash=False), "http://example.org/a/", "example.org/a/"),
        (Rules(slash=False), "http://example.org/a/b/..", "example.org/a/"),
        (Rules(any_order=False), "http://example.org/?b=1&a=2", "example.org/?b=1&a=2"),
        (Rules(tracking=()), "http://example.org/?utm_x=1", "example.org/?utm_x=1"),
        (Rules(tracking=("s",)), "http://example.org/?s=1&ss=2", "example.org/?ss=2"),
    ],
)
def test_each_rule_can_be_turned_off(rules: Rules, url: str, form: str) -> None:
    assert normal_urls(pa.array([url]), rules).to_pylist() == [form]


@given(st.lists(st.sampled_from("/.%aB2你?&=#;:\\ @[]"), max_size=14).map("".join))
@settings(max_examples=200)
def test_the_form_of_a_form_is_itself(rest: str) -> None:
    (once,) = normal_urls(pa.array([f"http://example.org/{rest}"]), Rules()).to_pylist()
    assert normal_urls(pa.array([once], pa.string()), Rules()).to_pylist() == [once]


def judged(config: Config, **columns: list[Any]) -> list[dict[str, Any]]:
    """What the stage says of documents with these columns, with its reason; ids are a, b, c and so on."""
    ids = [chr(ord("a") + at) for at in range(len(columns["url"]))]
    batch = pa.record_batch({"id": pa.array(ids), **{name: pa.array(values) for name, values in columns.items()}})
    assert STAGE.decide is not None
    found = []
    for told in run_group(Trial(STAGE, config, {"pages": batch}, Path("unused"), Findings()), batch):
        reasons = STAGE.decide(told, config).to_pylist()
        found += [{**row, "reason": reason} for row, reason in zip(told.to_pylist(), reasons, strict=True)]
    return found


URLS = ["http://a.example/x", "https://www.a.example/x/", None, "http://a.example/X", None, "a.example/x?utm_id=3"]


def test_the_first_of_an_address_stays_and_documents_without_one_are_not_judged() -> None:
    found = judged(Config(), url=URLS)
    assert [row["survivor"] for row in found] == [None, "a", None, None, None, "a"]
    assert [row["copies"] for row in found] == [3, None, 1, 1, 1, None]
    assert [row["judged"] for row in found] == [True, True, False, True, False, True]
    assert [row["reason"] for row in found] == [None, "duplicate_url", None, None, None, "duplicate_url"]


@pytest.mark.parametrize(
    ("config", "stays"),
    [
        (Config(survivor="longest"), "c"),
        (Config(survivor="newest"), "b"),
        (Config(survivor="oldest"), "a"),
        (Config(survivor="best:quality.score"), "c"),
    ],
)
def test_which_document_of_an_address_stays(config: Config, stays: str) -> None:
    everything: dict[str, list[Any]] = {
        "url": ["http://a.example/x"] * 3,
        "text": ["xx", "x", "xxx"],
        "fetched": ["2023", "2025", None],
        "quality.score": [0.1, None, 0.7],
    }
    read = {name: values for name, values in everything.items() if name in STAGE.reads_for(config)}
    found = judged(config, **read)
    assert "abc"[[row["reason"] for row in found].index(None)] == stays


def test_a_url_of_a_megabyte_takes_linear_time() -> None:
    start = time.perf_counter()
    for part in ("/..", "/.", "%41", "&a=1", ";jsessionid=1", "/" * 3, "\\"):
        form = normal_urls(pa.array(["http://example.org/?" + part * 250_000]), Rules())[0].as_py()
        assert form.startswith("example.org/")
        assert normal_urls(pa.array(["http://example.org/" + part * 250_000]), Rules())[0].is_valid
    assert time.perf_counter() - start < 15
