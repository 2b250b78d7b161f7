"""Tokens of packed pages and conversations lead back to the text that holds them, after masking, cuts and splits."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest
from click.testing import CliRunner
from tokenizers import Tokenizer, pre_tokenizers

from datapipe.cli.main import cli
from datapipe.lineage import Stretch, find, open_packed
from tests.quickstart.conftest import ROOT
from tests.run.workbench import Done, Workbench, corpus

TOKENS = 1000
CHAIN: dict[str, dict[str, Any]] = {
    "pages": {"use": "read.warc", "paths": [str(ROOT / "samples/web/crawl-00.warc.gz")], "source": "web"},
    "text": {"use": "extract"},
    "language": {"use": "filter.language", "keep": ["en", "zh"]},
    "tidy": {"use": "filter.lines", "min_words_per_line": 6},
    "masked": {"use": "mask.pii"},
    "parts": {"use": "split.paragraphs", "max_tokens": 150, "min_tokens": 50},
    "chats": {
        "use": "read.conversations",
        "from": [],
        "paths": [str(ROOT / "samples/chats/*.jsonl")],
        "source": "chats",
    },
    "checked": {"use": "chat.validate"},
    "hidden": {"use": "mask.pii"},
    "tokens": {"use": "tokenize", "from": ["parts", "hidden"], "tokenizer": {"train": {"vocabulary": 1500}}},
    "mixture": {"use": "mix", "sources": {"web": {"epochs": 1.5}, "chats": {"epochs": 2}}},
    "packed": {"use": "pack", "length": 128},  # shorter than many documents, so that they are cut
    "out": {"use": "write.packed", "file_tokens": 20_000},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return Workbench(tmp_path_factory.mktemp("trace")).run("run", CHAIN)


@pytest.fixture(scope="module")
def documents(done: Done) -> dict[str, dict[str, Any]]:
    """By id every document as it was when it became tokens."""
    return corpus(done, "tokens")


def whole(row: dict[str, Any]) -> bytes:
    """What a document becomes tokens of: its text and the end, or what is said between the marks of turns."""
    if row["messages"] is None:
        return f"{row['text']}<|endoftext|>".encode()
    turns = ((turn["role"], turn["content"]) for turn in row["messages"])
    return "".join(f"<|im_start|>{role}\n{said}<|im_end|>\n" for role, said in turns).encode()


def plain(row: dict[str, Any]) -> bool:
    """Whether no tool is called, so that `whole` knows how it is rendered."""
    return row["messages"] is None or not (
        row.get("tools") or any(turn.get("tool_calls") or turn.get("reasoning") for turn in row["messages"])
    )


class Speller:
    """The bytes of tokens, as the tokenizer's own first step spells the characters of the documents."""

    def __init__(self, tokenizer: Tokenizer, texts: list[bytes]) -> None:
        step: Any = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        self._bytes: dict[str, bytes] = {}
        for character in {character for text in texts for character in text.decode()}:
            (spelled, _), *_ = step.pre_tokenize_str(character)
            self._bytes |= {each: bytes([byte]) for each, byte in zip(spelled, character.encode(), strict=True)}
        self._tokenizer = tokenizer
        self._added = set(tokenizer.get_added_tokens_decoder())

    def __call__(self, token: int) -> bytes:
        text = self._tokenizer.id_to_token(token) or ""
        return text.encode() if token in self._added else b"".join(self._bytes[letter] for letter in text)


def test_a_thousand_tokens_lead_to_the_text_that_holds_them(done: Done, documents: dict[str, dict[str, Any]]) -> None:
    packed = open_packed(str(done.folder / "out"))
    spell = Speller(packed.tokenizer, [whole(row) for row in documents.values()])
    chance = random.Random(7)
    seen: Counter[str] = Counter()
    while seen["all"] < TOKENS:
        sequence = packed.sequence(chance.randrange(packed.sequences))
        token = chance.randrange(len(sequence.tokens))
        stretch = sequence.stretch_at(token)
        row = documents[stretch.id]
        at = stretch.start + token - stretch.offset
        assert row["tokens"][at] == sequence.tokens[token]
        assert row["source"] == stretch.source
        if plain(row):
            before = len(b"".join(map(spell, row["tokens"][:at])))
            own = spell(int(sequence.tokens[token]))
            assert whole(row)[before : before + len(own)] == own
        seen.update(["all", *kinds(row, stretch)])
    told = dict(seen)
    assert min(told["conversation"], told["part"], told["cut in packing"]) > 100, told
    assert min(told["masked"], told["lines cut"]) > 10, told
    assert told.get("with calls", 0) < 100, told


def kinds(row: dict[str, Any], stretch: Stretch) -> list[str]:
    """What has happened to the document of a token."""
    said = whole(row).decode()
    found = {
        "conversation": row["messages"] is not None,
        "with calls": not plain(row),
        "part": "#" in row["id"],
        "masked": "<EMAIL_ADDRESS>" in said or "<PHONE_NUMBER>" in said or "<CN_MOBILE>" in said,
        "lines cut": bool(row.get("tidy.removed_share")),
        "cut in packing": stretch.start > 0 or stretch.end < len(row["tokens"]),
    }
    return [name for name, holds in found.items() if holds]


def test_the_ledger_adds_up_by_source(done: Done, documents: dict[str, dict[str, Any]]) -> None:
    """Tokens of all copies that the mixture takes = packed + cut, and nothing else is in a sequence."""
    ledger = json.loads((done.folder / "out" / "manifest.json").read_text())
    copies = {row["id"]: len(row["positions"]) for row in corpus(done, "mixture").values()}
    due: Counter[str] = Counter()
    for key, count in copies.items():
        due[documents[key]["source"]] += count * len(documents[key]["tokens"])
    assert {name: each["tokens"] + each["cut"] for name, each in ledger["sources"].items()} == due
    packed = open_packed(str(done.folder / "out"))
    held = sum(len(packed.sequence(number).tokens) for number in range(packed.sequences))
    assert held == ledger["tokens"] == packed.sequences * packed.length - ledger["padding"]


def test_trace_tells_the_story_of_a_page_that_was_masked_cut_and_split(
    done: Done, documents: dict[str, dict[str, Any]]
) -> None:
    packed = open_packed(str(done.folder / "out"))
    for number in range(packed.sequences):
        for stretch in packed.sequence(number).stretches:
            if "#" in stretch.id and "<EMAIL_ADDRESS>" in (documents[stretch.id]["text"] or ""):
                told = CliRunner().invoke(cli, ["trace", str(done.folder / "out"), str(number), str(stretch.offset)])
                assert told.exit_code == 0, told.output
                assert all(f"{stage} " in told.output for stage in ("pages", "tidy", "masked", "parts", "packed"))
                (place, *_) = find(done.context, stretch.id.split("#")[0])
                assert place.url is not None
                assert place.url.split("/")[2] in told.output
                return
    pytest.fail("no such page is in a sequence")
