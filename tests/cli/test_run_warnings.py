"""What `datapipe run` warns of at its end: a stage that let everything pass because it could judge nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from datapipe.cli.run import run

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
