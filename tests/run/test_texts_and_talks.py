"""Stages for texts treat a conversation as they treat its messages as one text: the same rows, in both forms."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.run.workbench import Done, Workbench, corpus

QUESTION = "Which tissue in a tree carries the sugars made in its leaves down to the roots of the plant?"
CALM = (
    "The council met on Tuesday to talk about the new bridge over the river, and the mayor thanked everyone who had "
    "written to her about the plans."
)
HATEFUL = "They are vermin, and we should drive them all out of the country before they breed. Kill every one of them."
CHINESE = "委员会下周将再次开会，决定这笔钱应该怎么花。请告诉我们您的看法，我们会认真考虑。"
FRENCH = "Le comité se réunira la semaine prochaine pour décider de l'emploi de cet argent, et vous invite à répondre."
ROWS = {  # what is asked and answered, and where it leaves
    "calm": ((CALM, "Thank you for telling me about the bridge."), None),
    "chinese": ((CHINESE, "谢谢您告诉我这件事情，我会考虑的。"), None),
    "french": ((FRENCH, "Merci beaucoup, je vous répondrai bientôt avec plaisir."), "language"),
    "hateful": ((HATEFUL, f"No. {HATEFUL}"), "mild"),
    "item": ((f"{QUESTION} I have always wondered.", "Phloem does."), "clean"),
    "private": ((f"{CALM} Write to jane.doe@example.org.", "I shall call +49 30 1234567 instead, thank you."), None),
}
STAGES = ("language", "mild", "clean", "masked")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All rows as conversations and as texts, through the same stages."""
    bench = Workbench(tmp_path_factory.mktemp("alike"))
    item = {"question": QUESTION, "options": ["Xylem", "Phloem", "Cork", "Pith"], "answer": "Phloem"}
    items = bench.write("items.jsonl", [json.dumps(item)])
    talks = [json.dumps({"name": name, "messages": messages(said)}) for name, (said, _) in ROWS.items()]
    texts = [json.dumps({"name": name, "text": "\n".join(said)}) for name, (said, _) in ROWS.items()]
    chain: dict[str, dict[str, Any]] = {
        "talks": {"use": "read.conversations", "source": "talks", "paths": [str(bench.write("talks.jsonl", talks))]},
        "texts": {
            "use": "read.jsonl",
            "from": [],
            "source": "texts",
            "paths": [str(bench.write("texts.jsonl", texts))],
        },
        "language": {"use": "filter.language", "from": ["talks", "texts"], "keep": ["en", "zh"]},
        "mild": {"use": "filter.toxicity"},
        "clean": {
            "use": "decontaminate",
            "benchmarks": [str(items)],
            "fields": {"input": "question", "options": "options", "output": "answer"},
        },
        "masked": {"use": "mask.pii"},
    }
    return bench.run("run", chain)


def messages(said: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in zip(("user", "assistant"), said, strict=True)]


def kept(done: Done, stage: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Conversations and texts that a stage keeps, by the name that each has in its metadata."""
    rows = [{**row, "name": json.loads(row["metadata"])["name"]} for row in corpus(done, stage).values()]
    talks = {row["name"]: row for row in rows if row.get("messages") is not None}
    return talks, {row["name"]: row for row in rows if row.get("messages") is None}


def test_both_leave_at_the_same_stage(done: Done) -> None:
    expected = set(ROWS)
    for stage in STAGES:
        expected -= {name for name, (_, leaves) in ROWS.items() if leaves == stage}
        talks, texts = kept(done, stage)
        assert (stage, set(talks)) == (stage, expected)
        assert (stage, set(texts)) == (stage, expected)


def test_both_are_in_the_same_language_with_the_same_score(done: Done) -> None:
    talks, texts = kept(done, "language")
    for name, row in talks.items():
        for measure in ("language", "language.score", "language.second", "language.script"):
            assert row[measure] == texts[name][measure]
    assert {name: row["language"] for name, row in talks.items()}["chinese"] == "zh"


def test_both_are_masked_alike(done: Done) -> None:
    talks, texts = kept(done, "masked")
    for name, row in talks.items():
        assert "\n".join(turn["content"] for turn in row["messages"]) == texts[name]["text"]
    assert [turn["content"] for turn in talks["private"]["messages"]] == [
        f"{CALM} Write to <EMAIL_ADDRESS>.",
        "I shall call <PHONE_NUMBER> instead, thank you.",
    ]
