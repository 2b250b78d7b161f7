"""`datapipe fit language` from the command line to a filter that uses the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datapipe.cli.fit import fit
from datapipe.cli.stages import stages
from datapipe.errors import InputError
from datapipe.text.languages import language

LINES = [
    f"Hii ni hadithi ya {name} na ya watu wa kijiji cha {name} kwa muda wa miaka {n}." for n, name in enumerate("abcd")
]


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(fit, ["language", *map(str, arguments)], catch_exceptions=False)


def reference(folder: Path, name: str = "sw.jsonl") -> Path:
    path = folder / name
    rows = [{"body": line} for line in LINES] + [{"body": ""}, {"body": None}, {"other": 1}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_a_file_is_written_and_the_command_says_from_how_many_documents(tmp_path: Path) -> None:
    done = call("--reference", reference(tmp_path), "--out", tmp_path / "own", "--about", "four lines")
    assert done.exit_code == 0
    assert "4 documents; stop words: " in done.stdout
    assert "warning: 4 documents are few" in done.stderr
    made = language("sw", str(tmp_path / "own"))
    assert made is not None
    assert {"ya", "wa"} <= set(made.stop_words)
    assert made.reference is not None
    assert (made.reference.text, made.reference.documents) == ("four lines", 4)
    assert str(tmp_path) not in (tmp_path / "own/sw.yaml").read_text(encoding="utf-8")


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    arguments = ("--reference", reference(tmp_path), "--out", tmp_path / "own", "--limit", "2")
    assert "2 documents" in call(*arguments).stdout
    before = (tmp_path / "own/sw.yaml").read_bytes()
    with pytest.raises(InputError, match=r"sw\.yaml exists"):
        call(*arguments)
    call(*arguments, "--force")
    assert (tmp_path / "own/sw.yaml").read_bytes() == before


def test_english_documents_of_the_users_own_are_measured(tmp_path: Path) -> None:
    english = tmp_path / "english.jsonl"
    english.write_text(json.dumps({"text": "A short line of the kind."}), encoding="utf-8")
    call("--reference", reference(tmp_path, "lug.jsonl"), "--against", english, "--out", tmp_path)
    assert "lug" in (tmp_path / "lug.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("Swahili texts.jsonl", (), "'Swahili texts' is no language code"),
        ("page.html", ("--code", "sw"), "no plain texts"),
    ],
)
def test_what_cannot_be_fitted_is_said_in_one_line(
    tmp_path: Path, name: str, options: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        call("--reference", reference(tmp_path, name), *options, "--out", tmp_path / "own")


def test_stages_lists_which_stage_knows_which_language() -> None:
    done = CliRunner().invoke(stages, ["--languages"], catch_exceptions=False)
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    at = rows["code"].index("filter.gopher")
    assert rows["de"][at:].split()[0] == "yes"
    assert rows["bo"][at:].split()[0] != "yes"  # a file, but no stop words
    page = CliRunner().invoke(stages, ["filter.gopher"], catch_exceptions=False).stdout
    assert "knows the languages ar, bg, bn, ca" in page
