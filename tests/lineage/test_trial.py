"""One document passes the Maps of a recipe as it would in a run, and no run folder comes to be."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from datapipe.errors import InputError
from datapipe.lineage import Document, Trial, read_document, try_out
from tests.run.workbench import TOYS, Workbench, stages
from tests.stages.filter.models import GOOD, linear


def tried(folder: Path, text: str, made: dict[str, dict[str, Any]] | None = None) -> Trial:
    bench = Workbench(folder).fill(files=1, lines=1)
    return try_out(bench.recipe("run", made), Document("a.txt", text.encode()), str(TOYS))


def test_a_good_document_passes_all_maps_and_keeps_its_changed_text(tmp_path: Path) -> None:
    trial = tried(tmp_path, "one two three four")
    assert [(each.stage, each.outcome) for each in trial.chapters] == [
        ("count", "kept"),
        ("upper", "kept"),
        ("again", "kept"),
    ]
    assert trial.skipped == {"unique": "compares documents"}
    assert trial.text == "ONE TWO THREE FOUR"
    assert not trial.left


def test_a_document_that_leaves_is_not_shown_to_later_stages(tmp_path: Path) -> None:
    trial = tried(tmp_path, "one two")
    assert [each.stage for each in trial.chapters] == ["count"]
    assert (trial.chapters[0].reason, trial.chapters[0].measures[0].thresholds) == ("too_short", ("min_words 3",))
    assert trial.left


def test_an_address_that_is_none_is_one_line() -> None:
    with pytest.raises(InputError, match=r"cannot fetch http://\[::1"):
        read_document("http://[::1")


def test_no_run_folder_is_made(tmp_path: Path) -> None:
    tried(tmp_path, "one two three four")
    assert not (tmp_path / "run").exists()


def test_a_guarded_stage_that_breaks_down_gives_its_reason(tmp_path: Path) -> None:
    made = {"docs": stages()["docs"], "safe": {"use": "toy.guarded"}}
    trial = tried(tmp_path, "RAISE a b c", made)
    assert trial.chapters[0].reason == "crashed"


def test_a_where_that_does_not_hold_passes_the_document_by(tmp_path: Path) -> None:
    made = stages()
    made["again"]["where"] = "count.words > 5"
    trial = tried(tmp_path, "one two three four", made)
    assert trial.chapters[-1].outcome == "passed"


def test_lists_that_need_no_documents_are_prepared(tmp_path: Path) -> None:
    (tmp_path / "blocked.txt").write_text("bad.example\n", encoding="utf-8")
    made = {"docs": stages()["docs"], "sites": {"use": "filter.url", "domains": [str(tmp_path / "blocked.txt")]}}
    bench = Workbench(tmp_path).fill(files=1, lines=1)
    trial = try_out(bench.recipe("run", made), Document("https://www.bad.example/", b"one two"), str(TOYS))
    assert [(each.stage, each.reason) for each in trial.chapters] == [("sites", "blocked_domain")]


def test_a_plain_text_takes_the_place_of_what_would_be_extracted_from_a_page(tmp_path: Path) -> None:
    made: dict[str, dict[str, Any]] = {
        "pages": {"use": "read.html", "paths": [str(tmp_path / "in")], "source": "mine"},
        "text": {"use": "extract", "engine": "resiliparse"},
        "length": {"use": "filter.length", "min_words": 3},
    }
    bench = Workbench(tmp_path).fill(files=1, lines=1)
    trial = try_out(bench.recipe("run", made), Document("a.txt", b"one two three four"), str(TOYS))
    (length,) = trial.chapters
    assert (length.outcome, length.measures[0].value) == ("kept", 4)
    assert trial.skipped == {"text": "reads html, which this document does not have"}
    assert trial.text == "one two three four"


def test_every_option_that_decides_is_told_beside_its_measure_or_below_all(tmp_path: Path) -> None:
    made: dict[str, dict[str, Any]] = {
        "docs": stages()["docs"],
        "language": {"use": "filter.language", "keep": ["en", "zh"]},
        "mild": {"use": "filter.toxicity", "max_passage": 0.9},
        "lines": {"use": "filter.lines"},
        "sentences": {"use": "filter.c4", "min_sentences": None, "lorem_ipsum": False},
        "kind": {"use": "filter.classifier", "model": str(linear(tmp_path)), "drop": {"spam": 0.9}},
    }
    trial = tried(tmp_path, f"{GOOD}. " * 3, made)
    assert {each.stage: each.outcome for each in trial.chapters} == dict.fromkeys(list(made)[1:], "kept")
    beside = {
        (each.stage, measure.name): measure.thresholds
        for each in trial.chapters
        for measure in each.measures
        if measure.thresholds
    }
    assert beside == {
        ("language", "score"): ("min_score 0.5",),
        ("language", "decided by"): ("keep ['en', 'zh']",),
        ("mild", "toxicity"): ("max_toxicity 0.5",),
        ("mild", "hate"): ("max_hate 0.13",),
        ("mild", "worst_passage"): ("max_passage 0.9",),
        ("mild", "listed_words"): ("max_words 0",),
        ("lines", "removed_share"): ("max_removed_share 0.05",),
        ("sentences", "sentences"): ("min_sentences off",),
        ("sentences", "lorem_ipsum"): ("lorem_ipsum False",),
        ("sentences", "decided by"): ("curly_bracket True",),
        ("kind", "decided by"): ("drop {'spam': 0.9}",),
    }


def test_html_is_told_by_name_type_or_content() -> None:
    assert Document("a.html", b"").kind == "HTML"
    assert Document("http://x/a", b"", "text/html; charset=utf-8").kind == "HTML"
    assert Document("-", b"\n<!DOCTYPE html><p>").kind == "HTML"
    assert Document("notes.txt", b"about <html> tags").kind == "text"
    assert Document("paper", b"%PDF-1.4 <html>").kind == "PDF"


def test_a_file_that_is_not_there_is_one_line() -> None:
    with pytest.raises(InputError, match="no such file"):
        read_document("/nowhere/page.html")


def test_a_page_is_fetched_with_its_content_type_and_what_is_said_of_its_use() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("X-Robots-Tag", "noindex")
            self.send_header("TDM-Reservation", "1")
            self.end_headers()
            self.wfile.write(b"<p>hello")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        page = read_document(f"http://127.0.0.1:{server.server_port}/a")
    assert (page.data, page.kind) == (b"<p>hello", "HTML")
    assert page.robots == "x-robots-tag: noindex\ntdm-reservation: 1"


def test_an_address_that_does_not_answer_is_one_line() -> None:
    with pytest.raises(InputError, match=r"cannot fetch http://127\.0\.0\.1:1/"):
        read_document("http://127.0.0.1:1/")
