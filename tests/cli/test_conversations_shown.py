"""`show` and `explain` tell conversations message by message, masked, as they do texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.toy_run import call

LONG = "word " * 400
RECORDS = [
    {
        "id": "calls",
        "messages": [
            {"role": "user", "content": "Mail jane@doe.org about Paris"},
            {"role": "assistant", "tool_calls": [{"name": "send", "arguments": "{}"}]},
            {"role": "tool", "content": "sent"},
            {"role": "assistant", "content": "Done."},
        ],
    },
    {"id": "pair", "prompt": "Why?", "chosen": "Because.", "rejected": "No idea."},
    {"id": "long", "messages": [{"role": "user", "content": LONG}, {"role": "assistant", "content": "LAST"}]},
    {"id": "broken", "messages": [{"role": "user", "content": "nobody answers"}]},
]
RECIPE = """\
run: run
stages:
  chats: {use: read.conversations, paths: ["x.jsonl"], source: chats}
  checked: {use: chat.validate}
  masked: {use: mask.pii}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("talks")
    (folder / "x.jsonl").write_text("\n".join(map(json.dumps, RECORDS)), encoding="utf-8")
    (folder / "r.yaml").write_text(RECIPE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert call("run", "r.yaml", "--local").exit_code == 0
        yield folder / "run"


@pytest.mark.parametrize("stage", ["chats", "checked", "masked"])
def test_messages_are_shown_a_line_each_and_masked(run: Path, stage: str) -> None:
    shown = call("show", run, "--stage", stage).output
    mail = "<EMAIL_ADDRESS>" if stage == "masked" else "[e-mail]"
    lines = [f"user: Mail {mail} about Paris", "assistant calls send: {}", "tool: sent", "assistant: Done."]
    assert "\n".join(f"  | {line}" for line in lines) in shown
    assert "  | user: Why?\n  | assistant: Because.\n  | rejected assistant: No idea.\n" in shown
    assert "jane" not in shown


def test_a_long_conversation_is_cut_and_told_whole_in_full(run: Path) -> None:
    assert "LAST" not in call("show", run).output
    assert "  | assistant: LAST" in call("show", run, "--full").output


def test_what_left_can_be_read(run: Path) -> None:
    assert "  | user: nobody answers" in call("show", run, "--stage", "checked", "--reason", "no_answer").output


def test_a_story_tells_the_messages_before_and_after_a_change(run: Path) -> None:
    shown = call("show", run, "--stage", "masked", "--full").output
    place = shown.index("Done.")
    key = re.findall(r"\nid (\S+),", "\n" + shown[:place])[-1]
    told = call("explain", run, key).output
    assert "user: Mail [e-mail] about Paris assistant calls send: {} tool: sent assistant: Done." in told
    assert "user: Mail <EMAIL_ADDRESS> about Paris" in told
    assert "jane" not in told
