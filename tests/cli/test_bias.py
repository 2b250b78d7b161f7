"""`datapipe bias` on a run of fifty documents whose numbers are worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from datapipe.cli.bias import bias
from datapipe.cli.run import run as run_command
from datapipe.errors import InputError

RATE = '''"""A score for tests: a tenth of the words; loud texts leave."""

from pathlib import Path

import pyarrow as pa

from datapipe.stage import TEXT, Map, StageConfig, above, columns, decide, first_of, schema


class Config(StageConfig):
    """What is loud."""

    most: float = decide(0.7, "tenths; more leave as loud")


def process(batch: pa.RecordBatch, config: Config, resource: Path | None) -> pa.RecordBatch:
    """A tenth of the words, and the words."""
    words = [len(text.split()) for text in batch["text"].to_pylist()]
    return columns(rate=pa.array([n / 10 for n in words], pa.float64()), words=pa.array(words, pa.float64()))


def decide_reasons(measured: pa.RecordBatch, config: Config) -> pa.StringArray:
    """Loud ones leave."""
    return first_of((above(measured["rate"], config.most), "loud"))


STAGE = Map(
    name="toy.rate",
    version=1,
    config=Config,
    reads=TEXT,
    adds=schema(rate=pa.float64(), words=pa.float64()),
    reasons={"loud": "many words"},
    process=process,
    decide=decide_reasons,
)
'''
# Ten of each: two mention gender, two religion, one both; the last is in a language without terms.
TEXTS = [
    ("the muslim woman smiled at noon", "en"),
    ("one woman smiled at noon", "en"),
    ("a muslim neighbour came back home very late", "en"),
    ("rain fell", "en"),
    ("dogs smiled", "en"),
    ("eine frau lacht", "de"),
]
COPIES = 10
CHAIN: dict[str, dict[str, Any]] = {
    "groups": {"use": "mark.bias"},
    "rate": {"use": "toy.rate"},  # of 8 words leaves
    "short": {"use": "filter.length", "min_words": 3},  # of 2 words leave
    "aside": {"use": "filter.length", "min_words": 7, "from": "groups"},  # another way: all but that of 8 words leave
}


def recipe(folder: Path, chain: dict[str, dict[str, Any]], texts: list[tuple[str, str]]) -> Path:
    """Write the input, the stage and a recipe; returns the recipe."""
    (folder / "stages/toy").mkdir(parents=True, exist_ok=True)
    (folder / "stages/toy/rate.py").write_text(RATE, encoding="utf-8")
    lines = [
        {"text": text, "language": code, "id": f"{n}-{at}"}
        for n in range(COPIES)
        for at, (text, code) in enumerate(texts)
    ]
    for name, part in (("a", lines[:25]), ("b", lines[25:])):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in part), encoding="utf-8")
    source = {
        "use": "read.jsonl",
        "paths": [str(folder / "*.jsonl")],
        "source": "s",
        "columns": {"text": "text", "language": "language", "id": "id"},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({"run": str(folder / "run"), "stages": {"docs": source, **chain}}, sort_keys=False))
    return path


def told(command: Any, folder: Path, *arguments: str) -> Result:
    given = [*arguments, "--stages", str(folder / "stages")]
    return CliRunner().invoke(command, given, catch_exceptions=False)


def done(folder: Path, chain: dict[str, dict[str, Any]], *only: str, texts: list[tuple[str, str]] = TEXTS) -> Path:
    assert told(run_command, folder, str(recipe(folder, chain, texts)), *only, "--local").exit_code == 0
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return done(tmp_path_factory.mktemp("bias"), CHAIN)


def groups(folder: Path, *arguments: str) -> dict[str | None, dict[str, Any]]:
    page = json.loads(told(bias, folder, str(folder / "run"), "--json", *arguments).output)
    return {each["group"]: each for each in page["groups"]}


def test_documents_and_scores_by_group_against_all_that_were_judged(folder: Path) -> None:
    page = json.loads(told(bias, folder, str(folder / "run"), "--score", "rate.rate", "--json").output)
    assert (page["stage"], page["documents"], page["judged"]) == ("groups", 60, 50)
    found = groups(folder, "--score", "rate.rate")
    assert {name: (each["documents"], each["scored"]) for name, each in found.items()} == {
        None: (50, 50),
        "gender": (20, 20),
        "religion": (20, 20),
    }
    means = {name: each["mean"] for name, each in found.items()}
    assert means == pytest.approx({None: 0.46, "gender": 0.55, "religion": 0.7})
    assert list(found[None]["quantiles"].values()) == [0.2, 0.2, 0.5, 0.6, 0.8, 0.8]
    assert list(found["gender"]["quantiles"].values()) == [0.5, 0.5, 0.5, 0.6, 0.6, 0.6]


LOSSES = {
    # Those that came to each stage, and those that left there.
    ("rate", None): (10, 50),
    ("rate", "gender"): (0, 20),
    ("rate", "religion"): (10, 20),
    ("short", None): (20, 40),
    ("short", "gender"): (0, 20),
    ("short", "religion"): (0, 10),
    ("aside", None): (40, 50),
    ("aside", "gender"): (20, 20),
    ("aside", "religion"): (10, 20),
}


def test_what_each_later_stage_removes_of_those_that_came_to_it(folder: Path) -> None:
    found = groups(folder)
    assert {
        (stage, name): (lost["left"], lost["came"])
        for name, each in found.items()
        for stage, lost in each["removed"].items()
    } == LOSSES


def test_shares_have_intervals(folder: Path) -> None:
    found = groups(folder)
    # Wilson's intervals of 10 of 50 and, from Newcombe 1998, of 0 of 20.
    usual, gender = found[None]["removed"]["rate"], found["gender"]["removed"]["rate"]
    assert [usual[name] for name in ("share", "low", "high")] == pytest.approx([0.2, 0.1124, 0.3304], abs=5e-5)
    assert [gender[name] for name in ("share", "low", "high")] == pytest.approx([0, 0, 0.1611], abs=5e-5)


def test_words_that_go_with_a_group_without_its_own_terms(folder: Path) -> None:
    found = {name: each["words"] for name, each in groups(folder, "--words", "20").items()}
    assert found[None] == []
    # Of 50 documents 20 mention gender: `at` stands in 20 of them and nowhere else, `smiled` in 20 of 30.
    assert {(one["word"], one["documents"], one["of"]) for one in found["gender"]} == {
        *(("at", 20, 20), ("noon", 20, 20), ("the", 10, 10), ("one", 10, 10), ("smiled", 20, 30), ("muslim", 10, 20)),
    }
    bits = {one["word"]: one["pmi"] for one in found["gender"]}
    assert bits["at"] == pytest.approx(math.log2(20 * 50 / (20 * 20)), abs=1e-4)
    assert bits["smiled"] == pytest.approx(math.log2(20 * 50 / (30 * 20)), abs=1e-4)
    assert {one["word"] for one in found["gender"][:2]} == {"at", "noon"}
    assert "smiled" not in {one["word"] for one in found["religion"]}  # in 10 of its 20, in 30 of 50: less than usual
    assert "woman" in {one["word"] for one in found["religion"]}


def test_by_term(folder: Path) -> None:
    found = groups(folder, "--terms", "--words", "1")
    assert {name: each["documents"] for name, each in found.items()} == {
        None: 50,
        "gender:woman": 20,
        "religion:muslim": 20,
    }


def test_without_words_no_text_is_read(folder: Path) -> None:
    for path in folder.glob("*.jsonl"):
        path.rename(path.with_suffix(".gone"))
    try:
        assert [each["words"] for each in groups(folder, "--words", "0").values()] == [[], [], []]
    finally:
        for path in folder.glob("*.gone"):
            path.rename(path.with_suffix(".jsonl"))


def test_the_page_says_where_a_group_loses_more_or_less(folder: Path) -> None:
    shown = told(bias, folder, str(folder / "run"), "--score", "rate.rate").output
    lines = [line.split() for line in shown.splitlines()]
    assert "groups: 60 documents came, 50 in languages with terms for groups" in shown
    assert ["rate", "all", "documents", "10", "50", "20.0%", "11.2%", "to", "33.0%"] in lines
    assert ["gender", "0", "20", "0.0%", "0.0%", "to", "16.1%", "less"] in lines
    assert ["religion", "10", "20", "50.0%", "29.9%", "to", "70.1%", "more"] in lines


def test_stages_that_are_not_done_have_no_losses(tmp_path: Path) -> None:
    done(tmp_path, CHAIN, "docs", "groups", "rate")
    found = groups(tmp_path)
    assert found[None]["removed"]["rate"]["came"] == 50
    assert found[None]["removed"]["short"] == {"left": 0, "came": 0, "share": None, "low": 0.0, "high": 1.0}
    assert "loud" not in told(bias, tmp_path, str(tmp_path / "run")).output


WRONG = [
    (("--score", "rate.rat"), "stores a score 'rate.rat'", "rate.rate"),
    (("--score", "rate.words"), "numbers beyond 0 and 1", "probabilities"),
    (("--stage", "rate"), "no stage 'rate' that tells groups", "groups"),
]


@pytest.mark.parametrize(("arguments", "message", "remedy"), WRONG)
def test_what_cannot_be_told_is_one_line(folder: Path, arguments: tuple[str, ...], message: str, remedy: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        told(bias, folder, str(folder / "run"), *arguments)
    assert remedy in (caught.value.remedy or "")


def test_a_run_without_groups_says_how_to_have_them(tmp_path: Path) -> None:
    done(tmp_path, {"rate": CHAIN["rate"]})
    with pytest.raises(InputError, match="no stage that tells groups") as caught:
        told(bias, tmp_path, str(tmp_path / "run"))
    assert "mark.bias" in (caught.value.remedy or "")


def test_documents_made_of_others_are_told_where_the_stage_met_them(tmp_path: Path) -> None:
    """Each text is one paragraph, so that the parts are the texts."""
    chain = {"parts": {"use": "split.paragraphs"}, "groups": {"use": "mark.bias"}, "rate": {"use": "toy.rate"}}
    found = groups(done(tmp_path, chain), "--score", "rate.rate")
    assert {name: (each["documents"], each["mean"]) for name, each in found.items()} == {
        None: (50, pytest.approx(0.46)),
        "gender": (20, pytest.approx(0.55)),
        "religion": (20, pytest.approx(0.7)),
    }
    assert found["religion"]["removed"]["rate"]["left"] == 10
    assert {one["word"] for one in found["gender"]["words"]} >= {"at", "noon"}


def test_after_a_stage_that_makes_new_documents_none_is_followed(tmp_path: Path) -> None:
    chain = {"groups": {"use": "mark.bias"}, "parts": {"use": "split.paragraphs"}, "rate": {"use": "toy.rate"}}
    found = groups(done(tmp_path, chain))
    assert (found[None]["documents"], found[None]["removed"]) == (50, {})


def test_personal_data_among_the_words_is_masked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every word passes through what masks other texts of documents."""
    monkeypatch.setattr("datapipe.lineage.safe", lambda text: text.upper())
    assert {one["word"] for one in groups(folder, "--words", "2")["gender"]["words"]} == {"AT", "NOON"}
    assert "NOON (1.3, 20, 20)" in told(bias, folder, str(folder / "run")).output


TALK = '''"""Conversations for tests: a text with signs between its messages."""

from pathlib import Path

import pyarrow as pa

from datapipe.schema import COLUMNS
from datapipe.stage import TEXT, Map, StageConfig, schema

ADDS = schema(messages=COLUMNS["messages"])


def process(batch: pa.RecordBatch, config: StageConfig, resource: Path | None) -> pa.RecordBatch:
    """The messages."""
    talks = [[{"role": "user", "content": said} for said in text.split("|")] for text in batch["text"].to_pylist()]
    return pa.RecordBatch.from_pylist([{"messages": talk} for talk in talks], ADDS)


STAGE = Map(name="toy.talk", version=1, config=StageConfig, reads=TEXT, adds=ADDS, process=process)
'''


def test_the_messages_of_a_conversation_count_together(tmp_path: Path) -> None:
    """The term stands in the first message, the word that goes with it in the second."""
    talks = [("who is that woman|the harbour master", "en"), ("is the harbour calm", "en")]
    (tmp_path / "stages/toy").mkdir(parents=True)
    (tmp_path / "stages/toy/talk.py").write_text(TALK, encoding="utf-8")
    done(tmp_path, {"talk": {"use": "toy.talk"}, "groups": {"use": "mark.bias"}}, texts=talks)
    gender = groups(tmp_path)["gender"]
    assert gender["documents"] == 10
    # `is`, `the` and `harbour` stand in every talk; the others in all that mention a woman, and nowhere else.
    assert {(one["word"], one["pmi"]) for one in gender["words"]} == {("who", 1), ("that", 1), ("master", 1)}
