"""From tokens of packed sequences back to documents."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from datapipe.cli.main import cli
from datapipe.errors import InputError
from datapipe.lineage import open_packed, sequence_of
from tests.run.workbench import TOYS, Done, Workbench, corpus

CHAIN: dict[str, dict[str, Any]] = {
    "docs": {"use": "toy.lines", "source": "lines", "shard_bytes": 200},
    "loud": {"use": "toy.upper"},
    "tokens": {"use": "toy.tokens"},
    "packed": {"use": "pack", "length": 32},
    "out": {"use": "write.packed", "files_of": 3},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return Workbench(tmp_path_factory.mktemp("trace")).fill(files=4).run("run", CHAIN)


def test_a_thousand_tokens_lead_to_the_text_that_holds_them(done: Done) -> None:
    texts = {key: row["text"].encode() for key, row in corpus(done, "loud").items()}
    packed = open_packed(str(done.folder / "out"))
    chance = random.Random(1)
    seen = set()
    for _ in range(1000):
        found = packed.sequence(chance.randrange(packed.sequences))
        token = chance.randrange(len(found.tokens))
        stretch = found.stretch_at(token)
        assert texts[stretch.id][stretch.start + token - stretch.offset] == found.tokens[token]
        seen.add(found.file)
    assert len(seen) == 3


def told(done: Done, *arguments: str) -> str:
    result = CliRunner().invoke(cli, ["trace", str(done.folder / "out"), *arguments, "--stages", str(TOYS)])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_tells_the_documents_of_a_sequence_and_the_story_of_a_token(done: Done) -> None:
    found = sequence_of(str(done.folder / "out"), 2)
    whole = told(done, "2")
    assert all(each.id[:8] in whole for each in found.stretches)
    story = told(done, "2", "0")
    assert f"Token 0 is token {found.stretches[0].start} of its document, and carries no loss." in story
    assert f"id {found.stretches[0].id}" in story
    plain = json.loads(told(done, "2", "0", "--json"))
    assert [each["id"] for each in plain["documents"]] == [found.stretches[0].id]


def test_what_is_not_there_is_told_in_one_line(done: Done, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no sequence 9999"):
        sequence_of(str(done.folder / "out"), 9999)
    with pytest.raises(InputError, match="has no token 32"):
        sequence_of(str(done.folder / "out"), 0).stretch_at(32)
    with pytest.raises(InputError, match="no packed sequences"):
        sequence_of(str(tmp_path), 0)
