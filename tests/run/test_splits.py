"""split.parts in a run: its column parts what comes after it, and earlier runs keep what they assigned."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from datapipe.errors import InputError
from tests.run.workbench import Done, Workbench, contents, corpus, differences

HALVES = {"train": 1, "test": 1}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def texts(count: int, seed: int) -> dict[str, str]:
    """By id; every third text is an earlier one with its last word changed."""
    draw = random.Random(seed)
    made: dict[str, str] = {}
    for at in range(count):
        words = ["".join(draw.choices(LETTERS, k=6)) for _ in range(30)]
        if at % 3 == 2:
            words = [*made[draw.choice(list(made))].split()[:-1], words[0]]
        made[f"{seed}-{at:03d}"] = " ".join(words)
    return made


def write(bench: Workbench, named: dict[str, str], files: int = 2) -> None:
    bench.folder.mkdir(parents=True, exist_ok=True)
    for old in bench.folder.glob("*.jsonl"):
        old.unlink()
    for number in range(files):
        lines = [json.dumps({"id": key, "text": text}) for key, text in list(named.items())[number::files]]
        (bench.folder / f"f{number}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def recipe(bench: Workbench, **options: Any) -> dict[str, dict[str, Any]]:
    paths = [str(bench.folder / "*.jsonl")]
    return {
        "docs": {"use": "read.jsonl", "paths": paths, "source": "made", "columns": {"id": "id"}},
        "parts": {"use": "split.parts", "parts": HALVES, "index": True, **options},
    }


def assigned(done: Done) -> dict[str, tuple[str | None, str]]:
    return {key: (row["split"], row["parts.cluster"]) for key, row in corpus(done, "parts", dropped=True).items()}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workbench, Done]:
    bench = Workbench(tmp_path_factory.mktemp("earlier"))
    write(bench, texts(60, 1))
    return bench, bench.run("run", recipe(bench))


def test_documents_of_an_earlier_run_keep_their_part_and_new_ones_follow_their_like(
    earlier: tuple[Workbench, Done], tmp_path: Path
) -> None:
    """Read again among others, in other files, some of which are near to old ones."""
    old, first = earlier
    before = assigned(first)
    assert set(dict(before.values())) == {"train", "test"}
    near = {f"a{key}": " ".join([*text.split()[1:], "changed"]) for key, text in list(texts(60, 1).items())[:20]}
    bench = Workbench(tmp_path)
    write(bench, {**near, **texts(30, 2), **texts(60, 1)}, files=3)
    done = bench.run("run", recipe(bench, against=[str(old.folder / "run")]))
    after = assigned(done)
    assert {key: after[key] for key in before} == before
    assert [after[key] for key in near] == [before[key[1:]] for key in near]
    assert done.dropped("parts") == {}
    again = bench.run("again", recipe(bench, against=[str(old.folder / "run")]))
    assert differences(done.folder, again.folder, only=("parts",)) == []


def test_what_an_earlier_run_assigned_otherwise_is_noticed(earlier: tuple[Workbench, Done], tmp_path: Path) -> None:
    """The runs before the earlier one are no setting: its documents, their keys and settings are the same as before."""
    first_of_all, bench, last = (Workbench(tmp_path / name) for name in ("zero", "first", "second"))
    write(first_of_all, {f"0{key}": text for key, text in texts(60, 1).items()})
    first_of_all.run("run", recipe(first_of_all))
    write(bench, texts(60, 1))
    before = assigned(bench.run("run", recipe(bench)))
    write(last, {f"n{key}": text for key, text in texts(60, 1).items()})
    made = recipe(last, against=[str(bench.folder / "run")])
    one = assigned(last.run("run", made))
    changed = assigned(bench.run("run", recipe(bench, against=[str(first_of_all.folder / "run")])))
    assert changed != before
    other = assigned(last.run("run", made))
    assert [row[0] for row in one.values()] == [row[0] for row in before.values()]
    assert [row[0] for row in other.values()] == [row[0] for row in changed.values()]


def test_an_earlier_run_without_an_index_or_with_other_parts_is_refused(tmp_path: Path) -> None:
    old, new = Workbench(tmp_path / "old"), Workbench(tmp_path / "new")
    write(old, texts(6, 1))
    write(new, {f"n{key}": text for key, text in texts(6, 1).items()})
    old.run("run", recipe(old, index=False))
    against = [str(old.folder / "run")]
    with pytest.raises(InputError, match="index: true"):
        new.run("run", recipe(new, against=against))
    with pytest.raises(InputError, match="was made with another parts"):
        new.run("other", recipe(new, against=against, parts={"train": 3, "test": 1}))


def test_the_column_limits_stages_and_parts_the_files_that_are_written(
    earlier: tuple[Workbench, Done], tmp_path: Path
) -> None:
    bench, first = earlier
    made = recipe(bench)
    made["short"] = {"use": "filter.length", "min_words": 1000, "where": "split == 'test'"}
    made["out"] = {"use": "write.jsonl", "by": "split"}
    done = bench.run("written", made)
    parts = {key: part for key, (part, _) in assigned(first).items()}
    files = [name for name in contents(done.folder) if name.startswith("out/") and name.endswith(".jsonl.gz")]
    assert {name.split("/")[1] for name in files} == {"train"}
    lines = [gzip.decompress((done.folder / name).read_bytes()).decode().splitlines() for name in files]
    told = [json.loads(line) for each in lines for line in each]
    assert {each["id"] for each in told} == {key for key, part in parts.items() if part == "train"}
    assert {each["split"] for each in told} == {"train"}


def test_parts_that_keep_does_not_name_leave(earlier: tuple[Workbench, Done]) -> None:
    bench, first = earlier
    bench.run("kept", recipe(bench))
    done = bench.run("kept", recipe(bench, keep=["train"]))
    tests = [key for key, (part, _) in assigned(first).items() if part == "test"]
    assert done.dropped("parts") == {"other_part": len(tests)}
