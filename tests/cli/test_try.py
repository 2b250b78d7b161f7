"""`datapipe try` reads like a page: each stage, its measures beside their thresholds, the text at the end."""

from __future__ import annotations

from pathlib import Path

from tests.cli.toy_run import call
from tests.run.workbench import Workbench


def test_a_text_on_standard_input_passes_the_maps(tmp_path: Path) -> None:
    recipe = Workbench(tmp_path).fill(files=1).recipe_file("run")
    shown = call("try_", recipe, "-", text="one two three jane@example.org").output
    assert "standard input: 30 bytes of text" in shown
    assert "1. count (toy.count) kept it.\n     words  4   (min_words 3)" in shown
    assert "skipped: unique (compares documents)" in shown
    assert shown.endswith("It stays.\nIts text, 30 characters:\n\nONE TWO THREE [e-mail]\n")


def test_a_file_that_leaves_names_the_reason_and_set_changes_it(tmp_path: Path) -> None:
    recipe = Workbench(tmp_path).fill(files=1).recipe_file("run")
    page = tmp_path / "page.txt"
    page.write_text("one two")
    assert "It leaves at count: too_short." in call("try_", recipe, page).output
    assert "It stays." in call("try_", recipe, page, "--set", "count.min_words=1", "--set", "again.min_words=1").output


def test_html_without_a_stage_that_reads_it_is_skipped_with_the_reason(tmp_path: Path) -> None:
    recipe = Workbench(tmp_path).fill(files=1).recipe_file("run")
    page = tmp_path / "page.html"
    page.write_text("<p>one two")
    assert "count (reads text, which this document does not have)" in call("try_", recipe, page).output
