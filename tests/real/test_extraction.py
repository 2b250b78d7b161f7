"""Extraction of real pages through `datapipe run`: as good as the bare engines, and no page lost without a reason."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.real.scoring import (
    ENGINES,
    Outcome,
    Page,
    bare,
    characters,
    chinese,
    f1,
    readability,
    score,
    share_found,
    through_a_run,
    wcxb,
)

GOLDEN = Path(__file__).with_name("readability.json")
SAME = 0.002  # difference in mean F1 that is none
SAMPLE = 40
LEAST_IN_ARCHIVES = 100  # texts; a run that reads nothing loses nothing either
STAGES = {engine: f"use: extract, engine: {engine}" for engine in ENGINES}
LIBRARIES = ("trafilatura", "justext", "resiliparse", "lxml")


def run(folder: Path, pages: list[Page]) -> dict[str, Outcome]:
    """All engines over some pages."""
    paths = json.dumps([str(page.path) for page in pages])
    return through_a_run(folder, f"use: read.html, paths: {paths}, source: real", STAGES)


def run_over(folder: Path, pages: Path, stages: dict[str, str]) -> dict[str, Outcome]:
    """Some stages over all pages of a glob."""
    return through_a_run(folder, f'use: read.html, paths: ["{pages}"], source: real', stages)


def compare(pages: list[Page], found: dict[str, Outcome]) -> None:
    """Hold each engine's score against its own without the pipeline, and print both by type of page."""
    for engine in ENGINES:
        alone, inside = (
            score(pages, {page.file: bare(page, engine) for page in pages}),
            score(pages, found[engine].texts),
        )
        by_kind = "  ".join(f"{kind} {alone.by_kind[kind]:.3f} {value:.3f}" for kind, value in inside.by_kind.items())
        print(f"{engine}: bare {alone.f1:.4f}, in a run {inside.f1:.4f} | {by_kind}")
        print(f"  snippets kept {inside.kept:.3f}, leaked {inside.leaked:.3f}; left {len(found[engine].reasons)}")
        assert abs(inside.f1 - alone.f1) <= SAME, engine


def test_a_sample_of_pages_scores_as_with_the_bare_engines(real_data: Path, tmp_path: Path) -> None:
    pages = wcxb(real_data, SAMPLE)
    compare(pages, run(tmp_path, pages))


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_all_pages_score_as_with_the_bare_engines(real_data: Path, tmp_path: Path) -> None:
    pages = wcxb(real_data)
    compare(pages, run_over(tmp_path, real_data / "extract-wcxb/html/*.html.gz", STAGES))


# Character-bag F1 as measured was .849, .807 and .846; under these something broke.
CHINESE = {"trafilatura": 0.83, "justext": 0.79, "resiliparse": 0.83}


def test_chinese_pages_all_decode(real_data: Path, tmp_path: Path) -> None:
    pages = chinese(real_data)
    found = run_over(tmp_path, real_data / "extract-zh/html/*.html.gz", STAGES)
    for engine in ENGINES:
        assert "undecodable" not in found[engine].reasons.values()
        assert not any("\ufffd" in text for text in found[engine].texts.values())
        mean = score(pages, found[engine].texts, characters).f1
        print(f"{engine}: character F1 {mean:.3f} on {len(pages)} pages")
        assert mean >= CHINESE[engine], engine


# ---------------------------------------------------------------------------------------------- nothing is lost


@pytest.mark.parametrize(
    ("html", "count"),
    [
        ("extract-zh/html/*.html.gz", 25),
        ("extract-readability/*/source.html.gz", 130),
        pytest.param("extract-wcxb/html/*.html.gz", 1249, marks=pytest.mark.full),
    ],
)
def test_each_page_has_text_or_a_reason(real_data: Path, tmp_path: Path, html: str, count: int) -> None:
    root = real_data / html.partition("/*")[0]
    files = {str(path.relative_to(root)) for path in real_data.glob(html)}
    assert len(files) == count
    found = run_over(tmp_path, real_data / html, {"text": "use: extract, engine: resiliparse"})["text"]
    assert found.texts.keys() | found.reasons.keys() == files
    assert not found.texts.keys() & found.reasons.keys()
    assert set(found.reasons.values()) <= {"no_text"}


def test_each_document_of_an_archive_has_text_or_a_reason(real_data: Path, tmp_path: Path) -> None:
    source = f'use: read.warc, paths: ["{real_data}/warc/*/*arc*"], source: real'
    found = through_a_run(tmp_path, source, {"text": "use: extract, engine: resiliparse"})["text"]
    assert not found.texts.keys() & found.reasons.keys()
    assert found.documents == len(found.texts) + len(found.reasons)
    assert len(found.texts) > LEAST_IN_ARCHIVES
    assert set(found.reasons.values()) <= {
        "http_error", "not_html", "empty_body", "body_too_large", "damaged_input", "no_text", "undecodable", "revisit",
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------- Readability's pages


@pytest.mark.full
def test_readability_s_pages_score_as_they_did(real_data: Path, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """With the same libraries each page as before; with others the mean within .02."""
    pages = readability(real_data)
    found = run_over(tmp_path, real_data / "extract-readability/*/source.html.gz", STAGES)
    now: dict[str, Any] = {"libraries": {name: version(name) for name in LIBRARIES}}
    for engine in ENGINES:
        each = {page.file: round(f1(found[engine].texts.get(page.file, ""), page.gold), 3) for page in pages}
        now[engine] = {"mean": round(sum(each.values()) / len(each), 3), "pages": each}
    if pytestconfig.getoption("--update-golden"):
        GOLDEN.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    before = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for engine in ENGINES:
        assert now[engine]["mean"] == pytest.approx(before[engine]["mean"], abs=0.02), engine
    if now["libraries"] == before["libraries"]:
        assert now == before


# ---------------------------------------------------------------------------------------------- the scorer itself


@pytest.mark.parametrize(
    ("found", "gold", "expected"),
    [
        ("a b c", "a b c", 1.0),
        ("A, b!", "a b", 1.0),
        ("a b", "a c", 0.5),  # one of two in both: precision 1/2, recall 1/2
        ("a a a", "a", 0.5),  # precision 1/3, recall 1
        ("a", "a b c", 0.5),  # precision 1, recall 1/3
        ("", "", 1.0),
        ("", "a", 0.0),
        ("x", "", 0.0),
    ],
)
def test_f1_of_bags_of_words(found: str, gold: str, expected: float) -> None:
    assert f1(found, gold) == pytest.approx(expected)


def test_f1_of_characters_and_shares_of_snippets() -> None:
    assert f1("中 文\n字", "中文字", characters) == 1.0
    assert f1("中文", "中字", characters) == pytest.approx(0.5)
    assert share_found("The Bridge\nis shut", ["bridge is", "ferry"]) == 0.5
    assert share_found("anything", []) is None
