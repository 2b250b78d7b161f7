"""`datapipe show` shows documents to read: kept or dropped, the same ones for the same seed, masked."""

from __future__ import annotations

from pathlib import Path

import pytest

from datapipe.errors import InputError
from tests.cli.toy_run import call, finished


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("show")).folder / "run"


def test_kept_documents_are_shown_with_measures_and_text(run: Path) -> None:
    shown = call("show", run, "-n", "2").output
    assert shown.count("kept by again") == 2
    assert shown.count("(min_words 4)") == 2
    assert call("show", run, "-n", "2").output == shown
    assert call("show", run, "-n", "2", "--seed", "5").output != shown


def test_dropped_documents_are_shown_by_reason(run: Path) -> None:
    shown = call("show", run, "--reason", "too_short", "--stage", "count", "-n", "3").output
    assert shown.count("dropped by count: too_short") == 3


def test_documents_are_shown_by_what_was_measured(run: Path) -> None:
    shown = call("show", run, "--where", "again.words == 6", "-n", "3").output
    assert shown.count("     words  6   (min_words 4)") == 3
    assert call("show", run, "--where", "again.words == 500").output == "no documents\n"


def test_nothing_private_is_shown_even_in_full(run: Path) -> None:
    shown = call("show", run, "-n", "100", "--full").output
    assert "[E-MAIL]" not in shown
    assert "[e-mail] [number] \\x1b[31MRED" in shown
    assert "JANE" not in shown


def test_documents_whose_text_is_not_stored_say_so_when_the_input_is_gone(tmp_path: Path) -> None:
    bench = finished(tmp_path)
    for path in bench.input.iterdir():
        path.unlink()
    assert "(no text is stored for it here)" in call("show", bench.folder / "run", "--stage", "docs").output


def test_an_unknown_reason_names_what_is_near(run: Path) -> None:
    with pytest.raises(InputError, match="did you mean too_short"):
        call("show", run, "--reason", "tooshort")
