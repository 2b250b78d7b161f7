"""What `datapipe run` warns of at its end: what judged nothing, let most of a source go, or says so of what it kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from datapipe.cli.run import run
from datapipe.cli.status import status
from tests.stages.tokenize.styles import STYLES, write

TEXTS = {
    "en": "The committee met in the old town hall and spoke about the new bridge for most of the afternoon. ",
    "ja": "委員会は古い市役所に集まり、午後のほとんどの時間を新しい橋について話し合うことに費やした。",
}


def warnings(folder: Path, texts: list[str], stages: dict[str, dict[str, object]]) -> list[str]:
    lines = [json.dumps({"text": text, "url": f"https://a.example/{at}"}) for at, text in enumerate(texts)]
    (folder / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    docs = {"use": "read.jsonl", "paths": [str(folder / "in.jsonl")], "source": "mine"}
    made = {"run": str(folder / "run"), "stages": {"docs": docs, **stages}}
    (folder / "r.yaml").write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
    done = CliRunner().invoke(run, [str(folder / "r.yaml"), "--local"], catch_exceptions=False)
    return [line for line in done.stderr.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize(
    ("texts", "stages", "told"),
    [
        (
            ["en", "en"],
            {"mild": {"use": "filter.toxicity"}},
            (
                "mild (filter.toxicity)",
                "2 documents",
                "it asks for their language: put a stage {use: filter.language} above it",
            ),
        ),
        (
            ["ja"],
            {"language": {"use": "filter.language"}, "mild": {"use": "filter.toxicity"}},
            ("mild (filter.toxicity)", "1 document", "which languages it knows: datapipe stages filter.toxicity"),
        ),
        (
            ["en"],
            {"forms": {"use": "mark.templates", "min_words": 500}},
            ("forms (mark.templates)", "1 document", "what it asks of them: datapipe stages mark.templates"),
        ),
        (["en", "ja"], {"language": {"use": "filter.language"}, "mild": {"use": "filter.toxicity"}}, None),
        (["en"], {"mild": {"use": "filter.toxicity", "where": "language == 'en'"}}, None),
    ],
    ids=["no language told", "a language it does not know", "too short", "one of two judged", "where lets none in"],
)
def test_a_stage_that_judged_nothing_is_named_with_what_to_do(
    tmp_path: Path, texts: list[str], stages: dict[str, dict[str, object]], told: tuple[str, str, str] | None
) -> None:
    found = warnings(tmp_path, [TEXTS[each] * 3 for each in texts], stages)
    assert found == (["warning: {} judged none of its {}; {}".format(*told)] if told else [])


@pytest.mark.parametrize(("text", "size"), [("", "0 B"), ("\n\n", "2 B")])
def test_a_source_without_a_record_is_named(tmp_path: Path, text: str, size: str) -> None:
    (tmp_path / "none.jsonl").write_text(text, encoding="utf-8")
    none: dict[str, object] = {
        "use": "read.jsonl",
        "from": [],
        "paths": [str(tmp_path / "none.jsonl")],
        "source": "none",
    }
    found = warnings(tmp_path, [TEXTS["en"]], {"none": none})
    said = f"none (read.jsonl) met no record in 1 file of {size}; look whether they are the ones that are meant"
    assert found == [f"warning: {said}"]


# ---------------------------------------------------------------------------------------------- over-removal

COPIED = "The same announcement of the same fair stands on each of these pages again, word for word, number {}."
OTHER = "Page {} tells of something that no other page tells, in words such as {} and {} that stand nowhere else."
WORDS = ("anvil", "beaver", "cobalt", "dahlia", "ermine", "falcon", "garnet", "hazel", "indigo", "jasper")


def sources(folder: Path, copies: dict[str, int], stages: dict[str, dict[str, object]]) -> list[str]:
    """Warnings of a run over sources of ten documents, of which so many are copies of the first source's first."""
    made: dict[str, dict[str, object]] = {}
    for name, count in copies.items():
        texts = [COPIED.format(0)] * count
        texts += [OTHER.format(at, name * 3 + WORDS[at], WORDS[at] * 2) for at in range(10 - count)]
        (folder / f"{name}.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
        made[name] = {"use": "read.jsonl", "from": [], "paths": [str(folder / f"{name}.jsonl")], "source": name}
    first, *_ = stages
    stages[first]["from"] = list(copies)
    recipe = {"run": str(folder / "run"), "stages": {**made, **stages}}
    (folder / "r.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    done = CliRunner().invoke(run, [str(folder / "r.yaml"), "--local"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return [line for line in done.stderr.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize("use", ["dedup.exact", "dedup.minhash"])
def test_a_source_of_which_most_leaves_is_named_with_the_largest_cluster(tmp_path: Path, use: str) -> None:
    """Of `bbs` 8 of 10 leave; of `ads` 5 of 6 copies, so half and no more; of `web` none."""
    reason = "duplicate" if use == "dedup.exact" else "near_duplicate"
    found = sources(tmp_path, {"ads": 6, "bbs": 8, "web": 0}, {"unique": {"use": use}})
    (line,) = found
    assert line == (
        f"warning: unique ({use}) dropped 8 of 10 documents of source 'bbs' (80.0%; alarm: 0.5); "
        f"the largest cluster holds 14; see: datapipe show {tmp_path / 'run'} --reason {reason}"
    )


@pytest.mark.parametrize(("alarm", "named"), [(None, []), (0.8, []), (0.4, ["ads", "bbs"])])
def test_the_share_can_be_set_or_be_off(tmp_path: Path, alarm: float | None, named: list[str]) -> None:
    found = sources(tmp_path, {"ads": 6, "bbs": 8}, {"unique": {"use": "dedup.exact", "alarm": alarm}})
    assert [line.partition("source '")[2].partition("'")[0] for line in found] == named


def test_a_stage_that_cuts_is_watched_too(tmp_path: Path) -> None:
    found = sources(tmp_path, {"ads": 9, "web": 0}, {"lines": {"use": "dedup.lines", "min_copies": 2}})
    assert len(found) == 1
    assert "lines (dedup.lines) dropped 8 of 10 documents of source 'ads'" in found[0]
    assert "cluster" not in found[0]


# ---------------------------------------------------------------------------------------------- what a stage says


def conversations(folder: Path, **options: object) -> dict[str, object]:
    """Two conversations of two answers and one of one, through a template that rewrites the first of two answers."""
    talks = [["one", "two"], ["three", "four"], ["five"]]
    made = [
        [
            each
            for said in talk
            for each in ({"role": "user", "content": "Go on."}, {"role": "assistant", "content": said})
        ]
        for talk in talks
    ]
    (folder / "in.jsonl").write_text("\n".join(json.dumps({"messages": each}) for each in made), encoding="utf-8")
    tokenizer = write(STYLES["thinking, as qwen3"], folder / "tokenizer")
    stages: dict[str, object] = {
        "talks": {"use": "read.conversations", "paths": [str(folder / "in.jsonl")], "source": "mine"},
        "tokens": {"use": "tokenize", "tokenizer": str(tokenizer), **options},
    }
    return {"run": str(folder / "run"), "stages": stages}


def warned(folder: Path, recipe: dict[str, object]) -> tuple[list[str], list[str]]:
    """Warnings at the end of a run, and of its state."""
    (folder / "r.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    done = CliRunner().invoke(run, [str(folder / "r.yaml"), "--local"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    told = CliRunner().invoke(status, [str(folder / "run")], catch_exceptions=False)
    ended, stands = (
        [line for line in each.stderr.splitlines() if line.startswith("warning: ")] for each in (done, told)
    )
    return ended, stands


def test_turns_that_are_not_trained_as_at_inference_are_told_at_the_end_and_by_status(tmp_path: Path) -> None:
    ended, stands = warned(tmp_path, conversations(tmp_path))
    (line,) = ended
    assert "tokens (tokenize): 2 of 5 trained turns are not what the chat template writes at inference" in line
    assert "split.turns, reasoning_only: false" in line
    assert "rewritten: drop" in line
    assert stands == ended
    assert warned(tmp_path, conversations(tmp_path)) == (ended, ended)  # where all was done already


def test_of_documents_that_left_nothing_is_told(tmp_path: Path) -> None:
    """A change of `rewritten` alone: what was measured stands, and is summed anew over what stays."""
    assert len(warned(tmp_path, conversations(tmp_path))[0]) == 1
    assert warned(tmp_path, conversations(tmp_path, rewritten="drop")) == ([], [])


def test_split_turns_above_leaves_nothing_to_tell(tmp_path: Path) -> None:
    recipe = conversations(tmp_path)
    stages = recipe["stages"]
    assert isinstance(stages, dict)
    stages["turns"], stages["tokens"] = {"use": "split.turns", "reasoning_only": False}, stages.pop("tokens")
    assert warned(tmp_path, recipe) == ([], [])
