"""Conversations and tokenizers that are not what they should be, through a whole run: a reason or one clear line.

Never a wrong file: what is good stands in the sequences, and where a run fails none are written.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from datapipe.cli.main import main
from datapipe.corpus.record import read_records
from datapipe.corpus.store import Store
from datapipe.lineage import open_packed
from tests.stages.tokenize.styles import STYLES, write

ANSWER = "It is high at noon."
GOOD = [{"role": "user", "content": "When is the tide high?"}, {"role": "assistant", "content": ANSWER}]
LARGE = 100 << 20  # bytes of a message


def run(folder: Path, capsys: pytest.CaptureFixture[str], **stages: dict[str, Any]) -> tuple[int, str]:
    """The exit code and what stands on standard error of `datapipe run` on `in/`, with changes to its stages."""
    chain: dict[str, dict[str, Any]] = {
        "chats": {"use": "read.conversations", "paths": [str(folder / "in")], "source": "chats"},
        "checked": {"use": "chat.validate"},
        "tokens": {"use": "tokenize", "tokenizer": {"train": {"vocabulary": 300}}},
        "packed": {"use": "pack", "length": 64},
        "out": {"use": "write.packed"},
    }
    for name, change in stages.items():
        chain[name] |= change
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"run": str(folder / "run"), "stages": chain}, sort_keys=False), encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        main(["run", str(recipe), "--local"])
    assert isinstance(caught.value.code, int)
    return caught.value.code, capsys.readouterr().err


def lines(folder: Path, name: str, *records: Any) -> None:
    """A file of records; bytes stand as they are."""
    (folder / "in").mkdir(exist_ok=True)
    written = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in records)
    (folder / "in" / name).write_bytes(b"\n".join(written) + b"\n")


def reasons(folder: Path, stage: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for record in read_records(Store(str(folder / "run")), stage).values():
        found.update({reason: tally.documents for reason, tally in record.dropped.items()})
    return dict(found)


def assert_good_alone(folder: Path, count: int = 1) -> None:
    """The good conversations, and nothing else, are packed."""
    packed = open_packed(str(folder / "run" / "out"))
    texts = [packed.sequence(number).text(0, 64) or "" for number in range(packed.sequences)]
    assert sum(text.count(ANSWER) for text in texts) == count
    assert packed.manifest["documents"] == count


def assert_one_line(told: str, *words: str) -> None:
    """The error is the last line, says this, and is no traceback."""
    last = told.strip().splitlines()[-1]
    assert last.startswith("error: ")
    for word in words:
        assert word in last
    assert "Traceback" not in told


def test_an_unknown_role_and_records_that_are_none_have_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrator = [{"role": "narrator", "content": "It rains."}, GOOD[1]]
    number = [GOOD[0], {"role": "assistant", "content": 7}]
    lines(tmp_path, "a.jsonl", {"messages": narrator}, {"messages": number}, b'{"messages": [', {"messages": GOOD}, {})
    code, _ = run(tmp_path, capsys)
    assert code == 0
    assert reasons(tmp_path, "chats") == {"unknown_role": 1, "not_text": 1, "damaged_input": 1, "unknown_form": 1}
    assert_good_alone(tmp_path)


def test_binary_content_has_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that are no UTF-8 in a line, a file of bytes, zeros in a text, and a table whose contents are bytes."""
    torn = json.dumps({"messages": GOOD}).encode().replace(b"high?", b"\xff\xfe\x00\x80")
    zeros = [GOOD[0], {"role": "assistant", "content": "a\x00b \x01."}]
    lines(tmp_path, "a.jsonl", torn, {"messages": GOOD}, {"messages": zeros})
    lines(tmp_path, "b.jsonl", bytes(range(256)).replace(b"\n", b"") * 40)
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.binary())]))
    talks = pa.array([[{"role": "user", "content": b"\x89PNG\r\n"}, {"role": "assistant", "content": b"\x00"}]], kind)
    pq.write_table(pa.table({"messages": talks}), tmp_path / "in" / "c.parquet")
    code, _ = run(tmp_path, capsys)
    assert code == 0
    assert reasons(tmp_path, "chats") == {"damaged_input": 2, "not_text": 2}
    assert_good_alone(tmp_path)


@pytest.mark.parametrize(
    ("limit", "stage", "reason"),
    [(None, "chats", "record_too_large"), pytest.param("120MB", "tokens", "too_large", marks=pytest.mark.full)],
)
def test_a_message_of_100_mb_has_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], limit: str | None, stage: str, reason: str
) -> None:
    """Too large to be read, by default; where that is allowed, too large to become tokens."""
    lines(tmp_path, "a.jsonl", {"messages": GOOD})
    with (tmp_path / "in" / "a.jsonl").open("ab") as file:
        file.write(b'{"messages":[{"role":"user","content":"%s"},' % (b"tide " * (LARGE // 5)))
        file.write(json.dumps(GOOD[1]).encode() + b"]}\n")
    allowed = {} if limit is None else {"chats": {"max_record_bytes": limit}}
    code, told = run(tmp_path, capsys, **allowed)
    assert code == 0, told
    assert reasons(tmp_path, stage) == {reason: 1}
    assert_good_alone(tmp_path)


def test_a_template_that_raises_has_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines(tmp_path, "a.jsonl", {"messages": [{"role": "system", "content": "Be brief."}, *GOOD]}, {"messages": GOOD})
    folder = write(STYLES["gemma"], tmp_path / "gemma")
    code, _ = run(tmp_path, capsys, tokens={"tokenizer": str(folder)})
    assert code == 0
    assert reasons(tmp_path, "tokens") == {"template_refuses": 1}
    assert_good_alone(tmp_path)


@pytest.mark.parametrize(
    ("change", "config", "words"),
    [
        ({"chat_template": STYLES["llama3"].template}, {}, ("which is no token of the tokenizer", "add the token")),
        ({"eos_token": None}, {"eos": "always"}, ("no eos_token",)),
        ({"chat_template": None}, {}, ("no chat template",)),
        ({"chat_template": "{{ raise_exception('never') }}"}, {}, ("cannot render a question and an answer",)),
    ],
)
def test_a_special_token_or_template_that_is_missing_is_one_line_and_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], config: dict[str, Any], words: Any
) -> None:
    lines(tmp_path, "a.jsonl", {"messages": GOOD})
    folder = write(STYLES["chatml"], tmp_path / "chatml", **change)
    code, told = run(tmp_path, capsys, tokens={"tokenizer": str(folder), **config})
    assert code in {1, 2}
    assert_one_line(told, "tokenize", *words)
    assert not list((tmp_path / "run").glob("out/*.arrow"))
