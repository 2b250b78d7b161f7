"""No planted value stands in what a run writes behind `mask.pii`, in a log, in an error, or in what commands print.

Values of every kind are planted in texts, titles, URLs, authors, metadata, conversations, arguments of tools and names
of files; in documents that stay, that leave, that break a stage, and in records that cannot be read.
"""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq
import pytest
import zstandard
from _pytest.capture import CaptureFixture, FDCapture

from datapipe.cli.main import main
from tests.leaks.values import SENTENCES, VALUES, forms

STAGES = str(Path(__file__).parent / "stages_dir")
BEFORE = ("docs", "length", "talk")  # stages whose layers hold documents as they came
FILLER = (
    "The meeting went on until late in the evening and nobody left before the minutes were read and signed by all. "
)
FILLER_ZH = "会议一直开到深夜，直到大家宣读并签署了会议记录才有人离开，随后众人沿着河边慢慢走回了各自的住处。"
NAMES = ("of hildegard.quist@posthaus.de.jsonl", "card 5425 2334 3010 9903.jsonl", "call +49 30 90182233.jsonl")
RECIPE = """\
run: {run}
audit: {{rate: 1.0}}
stages:
  docs: {{use: read.jsonl, paths: ["{run}/../in/*.jsonl"], source: people}}
  length: {{use: filter.length, min_words: 8}}
  talk: {{use: plant.talk}}
  safe: {{use: mask.pii}}
  unique: {{use: dedup.exact}}
  near: {{use: dedup.minhash, index: true}}
  parquet: {{use: write.parquet, columns: [id, url, text, title, author, file, metadata, messages, safe.spans]}}
  zst: {{use: write.jsonl, compression: zst}}
  gz: {{use: write.jsonl, compression: gz, columns: [text, messages, near.survivor]}}
"""


def record(sentence: str, number: int, filler: str, *, extra: str = "") -> dict[str, Any]:
    """A document with the sentence wherever one can stand."""
    asked = quote_plus(sentence) if number % 2 else quote(sentence, safe="")
    return {
        "text": f"{filler}{sentence} {filler}{number} {extra}",
        "title": sentence,
        "author": sentence,
        "url": f"https://site.example/{number}?q={asked}",
        "note": sentence,
        "deep": {"of": [sentence, {sentence: number}]},
    }


def planted(folder: Path) -> None:
    """The input: a document for each value and language, copies, short ones, breaking ones, damaged records."""
    folder.mkdir()
    lines: list[str] = []
    for number, (_, english, chinese) in enumerate(SENTENCES.values()):
        value = list(VALUES.values())[number]
        for sentence, filler in ((english.format(value), FILLER), (chinese.format(value), FILLER_ZH)):
            whole = record(sentence, 10 * number, filler)
            lines += [json.dumps(whole), json.dumps(whole | {"url": f"https://user:{number}@copy.example/"})]
            lines.append(json.dumps(record(sentence, 10 * number, filler, extra="Almost.")))
        lines.append(json.dumps(record(english.format(value), 10 * number + 1, "")))
        lines.append(
            json.dumps(record(english.format(value), 10 * number + 2, FILLER, extra="BREAK"), ensure_ascii=False)
        )
        lines.append(json.dumps(record(english.format(value), 10 * number + 3, FILLER))[:-9])
        lines.append(json.dumps({"text": 3, "title": english.format(value)}))
    for at, name in enumerate(NAMES):
        (folder / name).write_text("\n".join(lines[at::3]) + "\n", encoding="utf-8")


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--stages", STAGES])
    return int(ended.value.code or 0)


class Told:
    """The folder of a run, and what the run and the commands on it told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.recipe, self.run = folder, folder / "r.yaml", folder / "run"
        self.said: dict[str, str] = {}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    made = Told(tmp_path_factory.mktemp("leaks"))
    planted(made.folder / "in")
    made.recipe.write_text(RECIPE.format(run=made.run), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def done(told: Told, request: pytest.FixtureRequest) -> Told:
    """The run, with everything at debug level kept."""
    records: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(f"{record.name} {record.getMessage()} {record.exc_info}")

    capture = request.getfixturevalue("capfd_module")
    handler = Keep(logging.DEBUG)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        assert call("run", str(told.recipe), "--local") == 0
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    told.said["run"] = "".join(capture.readouterr())
    told.said["logs"] = "\n".join(records)
    return told


@pytest.fixture(scope="module")
def capfd_module(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Standard output and error of this process and its children, over a whole module."""
    manager = request.config.pluginmanager.getplugin("capturemanager")
    fixture = CaptureFixture(FDCapture, request, _ispytest=True)  # type: ignore[arg-type]
    with manager.global_and_fixture_disabled():
        fixture._start()
        yield fixture
        fixture.close()


def contents(path: Path) -> bytes:
    """All that stands in a file, unpacked, beside its bytes as they are."""
    raw = path.read_bytes()
    if path.suffix == ".parquet":
        return raw + json.dumps(pq.read_table(path).to_pylist(), ensure_ascii=False, default=str).encode()
    if path.suffix == ".gz":
        return gzip.decompress(raw)
    return zstandard.ZstdDecompressor().stream_reader(raw).read() if path.suffix == ".zst" else raw


def values_in(data: bytes) -> list[str]:
    """Which entities have their value in some bytes, in any form."""
    return [entity for entity, value in VALUES.items() if any(form in data for form in forms(value))]


def files(run: Path) -> list[Path]:
    return sorted(path for path in run.rglob("*") if path.is_file())


def test_the_layers_before_hold_every_value_so_that_a_leak_would_be_found(done: Told) -> None:
    before = [path for path in files(done.run) if path.relative_to(done.run).parts[0] in BEFORE]
    assert {entity for path in before for entity in values_in(contents(path))} == set(VALUES)


def test_no_file_behind_the_mask_holds_a_value(done: Told) -> None:
    behind = [path for path in files(done.run) if path.relative_to(done.run).parts[0] not in BEFORE]
    kinds = {path.suffix for path in behind}
    assert kinds >= {".parquet", ".gz", ".zst", ".json", ".jsonl", ".yaml"}
    assert any("exchange" in path.parts for path in behind)
    found = {str(path.relative_to(done.run)): entities for path in behind if (entities := values_in(contents(path)))}
    assert found == {}
    assert not [path for path in behind if values_in(path.name.encode())]


def test_the_sinks_got_the_documents_with_placeholders(done: Told) -> None:
    rows = [row for path in (done.run / "parquet").glob("*-*.parquet") for row in pq.read_table(path).to_pylist()]
    assert len(rows) > 2 * len(VALUES) - 4
    texts = " ".join(row["text"] for row in rows)
    assert [entity for entity in VALUES if entity not in texts] == []
    calls = [json.loads(row["messages"][1]["content"]) for row in rows]
    assert [entity for entity in VALUES if entity not in str(calls)] == []


def test_nothing_was_told_while_it_ran(done: Told) -> None:
    assert "documents set aside as crashed" in done.said["run"]
    assert "damaged record" in done.said["run"]
    assert values_in(done.said["run"].encode()) == []
    assert [line for line in done.said["logs"].splitlines() if values_in(line.encode())] == []
    logs = b"".join(path.read_bytes() for path in (done.run / "logs").iterdir())
    assert b"ValueError" in logs
    assert values_in(logs) == []


def ids(run: Path, stage: str) -> list[tuple[str, str]]:
    """Id and URL of documents."""
    shards = [path for path in sorted((run / stage).glob("*-*.parquet")) if "reasons" not in path.name]
    rows = [row for path in shards for row in pq.read_table(path, columns=["id", "url"]).to_pylist()]
    return [(row["id"], row["url"]) for row in rows]


COMMANDS: dict[str, tuple[list[str], str]] = {  # arguments below the run, and what must be shown
    "show what stayed": (["show", "{run}", "--full", "-n", "40"], "kept by near"),
    "show before the mask": (["show", "{run}", "--stage", "talk", "--full", "-n", "30"], "kept by talk"),
    "show what was short": (["show", "{run}", "--reason", "too_few_words", "-n", "40", "--full"], "dropped by length"),
    "show what broke": (["show", "{run}", "--reason", "crashed", "-n", "40", "--full"], "dropped by talk: crashed"),
    "show what was damaged": (["show", "{run}", "--reason", "damaged_input", "-n", "40"], "dropped by docs"),
    "status": (["status", "{run}"], "too_few_words"),
    "what-if": (["what-if", "{run}", "length", "min_words=3"], "newly kept"),
    "similar": (["similar", "{run}", "--text", "{id}"], "survivor"),
    "try": (["try", "{recipe}", "{text}"], "It stays"),
    "run again": (["run", "{recipe}", "--local"], "all was done already"),
    "an unknown document": (["explain", "{run}", "https://site.example/hildegard.quist@posthaus.de"], "no document"),
    "an unknown option": (["show", "{run}", "--card=5425 2334 3010 9903"], "No such option"),
    "a missing file": (["run", "{run}/call +49 30 90182233.yaml"], "cannot be read"),
}


@pytest.mark.parametrize(("arguments", "shown"), COMMANDS.values(), ids=list(COMMANDS))
def test_no_command_prints_a_value(
    done: Told, capfd: pytest.CaptureFixture[str], arguments: list[str], shown: str
) -> None:
    text = done.folder / "all.txt"
    text.write_text("\n".join(english.format(value) for value, english, _ in SENTENCES.values()), encoding="utf-8")
    names = {"run": done.run, "recipe": done.recipe, "text": text, "id": ids(done.run, "docs")[0][0]}
    call(*(argument.format(**names) for argument in arguments))
    printed = "".join(capfd.readouterr())
    assert shown in printed
    assert values_in(printed.encode()) == []


@pytest.mark.parametrize("form", ["--json", ""])
def test_no_story_holds_a_value(done: Told, capfd: pytest.CaptureFixture[str], form: str) -> None:
    told = ids(done.run, "docs")
    for name, url in told[:: len(told) // 5]:
        for key in (name, url):
            if key is not None:
                call("explain", str(done.run), key, *([form] if form else []))
    printed = "".join(capfd.readouterr())
    assert "Traceback" not in printed
    assert printed.count("talk") > 5
    assert values_in(printed.encode()) == []
