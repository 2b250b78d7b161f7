"""Documents that bring their own ids: the ids stay when a text changes, and nothing made of the old text may stay."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from datapipe.corpus.store import Store
from tests.run.workbench import Done, Workbench, corpus, differences

Chain = dict[str, dict[str, Any]]
SMALL = {"shard_bytes": 200}


def _chain(bench: Workbench, **source: Any) -> Chain:
    paths = [str(bench.input / "*.jsonl")]
    return {
        "docs": {"use": "read.jsonl", "source": "own", "paths": paths, "columns": {"id": "id"}, **source},
        "count": {"use": "toy.count", "min_words": 2},
        "unique": {"use": "toy.unique"},
        "out": {"use": "write.jsonl", "columns": ["id", "text"], "compression": "none"},
    }


def _write(bench: Workbench, name: str, texts: list[str]) -> None:
    bench.write(name, [json.dumps({"id": f"{name}-{n:02}", "text": text}) for n, text in enumerate(texts)])


def _texts(file: int) -> list[str]:
    return [f"text {file * 10 + n:04} of eight" for n in range(10)]


def _written(done: Done) -> dict[str, str]:
    files = (path.read_text(encoding="utf-8") for path in (done.folder / "out").glob("*.jsonl"))
    rows = [json.loads(line) for text in files for line in text.splitlines()]
    return {row["id"]: row["text"] for row in rows}


@pytest.mark.parametrize(
    ("source", "longer"),
    [
        pytest.param({}, "", id="one shard, same size"),
        pytest.param(SMALL, "", id="several shards, same size"),
        pytest.param(SMALL, " and more words", id="several shards, longer"),
        pytest.param({"keep": ["text"]}, "", id="stored text, same size"),
    ],
)
def test_a_text_edited_in_place_gives_what_a_fresh_run_gives(
    tmp_path: Path, source: dict[str, Any], longer: str
) -> None:
    """Two texts that were equal are so no more, and two that were not become so; all else stays."""
    bench = Workbench(tmp_path)
    first, second = _texts(0), _texts(1)
    second[4] = first[3]
    for number, texts in enumerate((first, second)):
        _write(bench, f"{number}.jsonl", texts)
    before = bench.run("run", _chain(bench, **source))
    assert before.dropped("unique") == {"copy": 1}

    second[4], second[8] = "text 9999 of eight" + longer, first[6]
    _write(bench, "1.jsonl", second)
    changed = bench.run("run", _chain(bench, **source))
    fresh = bench.run("fresh", _chain(bench, **source))
    assert _written(changed) == _written(fresh)
    assert _written(changed)["1.jsonl-04"] == second[4]
    assert fresh.dropped("unique") == {"copy": 1}
    assert corpus(changed, "unique") == corpus(fresh, "unique")
    assert differences(fresh.folder, changed.folder) == []


@pytest.mark.parametrize("columns", [{"id": "id"}, {}], ids=["own ids", "ids of content"])
def test_reading_that_was_interrupted_ends_with_the_same_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: dict[str, str]
) -> None:
    """Batches are cut elsewhere when reading goes on behind a shard; what is said of a shard must not tell."""
    bench = Workbench(tmp_path)
    _write(bench, "0.jsonl", [f"text {n} of eight" for n in range(1400)])
    chain = _chain(bench, shard_bytes=25_000, columns=columns)
    whole = bench.run("whole", chain)
    assert len(whole.records("docs")) == 3
    assert whole.records("docs")[sorted(whole.records("docs"))[1]].incoming.documents < 1024
    left = [1]

    def interrupted(store: Store, name: str, data: bytes) -> None:
        if re.fullmatch(r"docs/[0-9a-f]{16}-\d{4}\.json", name):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
        write(store, name, data)

    write = Store.write
    monkeypatch.setattr(Store, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.run("run", chain)
    monkeypatch.undo()
    done = bench.run("run", chain)
    assert differences(whole.folder, done.folder) == []
