"""Templates, shots and reasoning in whole runs: no leak, the same bytes for any cut, and a story of every choice."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datapipe.engine.cluster import DaskEngine
from datapipe.lineage import find, story
from tests.run.workbench import Done, Workbench, corpus, differences

COUNTS = {"train": 60, "test": 20}
FILES = 2
TASKS = ("qa", "summarisation")
Chain = dict[str, dict[str, Any]]


def record(part: str, number: int) -> dict[str, Any]:
    """A question of one of two tasks, whose texts name it; every fourth has reasoning."""
    name = f"{part}{number}"
    thought = f"<think>Thought of {name} .</think>" if number % 4 == 0 else ""
    said = f"{thought}The answer of {name} ."
    messages = [{"role": "user", "content": f"What is known of {name} ?"}, {"role": "assistant", "content": said}]
    return {"name": name, "messages": messages, "task": TASKS[number % 2], "options": ["a", "b"]}


def write(bench: Workbench, name: str, records: list[dict[str, Any]]) -> None:
    path = bench.input / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    made = Workbench(tmp_path_factory.mktemp("flan"))
    for part, count in COUNTS.items():
        for file in range(FILES):
            write(made, f"{part}/f{file}.jsonl", [record(part, number) for number in range(file, count, FILES)])
    return made


def chain(bench: Workbench, **changes: dict[str, Any]) -> Chain:
    made: Chain = {
        part: {"use": "read.conversations", "from": [], "paths": [str(bench.input / part / "*.jsonl")], "source": part}
        for part in COUNTS
    }
    made |= {
        "thoughts": {"use": "chat.reasoning", "from": list(COUNTS), "policy": "mask"},
        "asked": {"use": "chat.templates", "by": "metadata.task", "copies": 2, "inverted": "20%"},
        "few": {
            "use": "chat.shots",
            "part": "source",
            "by": "asked.task",
            "apart": ["asked.question_hash"],
            "shots": 3,
            "zero_shot": "25%",
        },
        "out": {"use": "write.conversations"},
    }
    for name, change in changes.items():
        made[name] |= change
    return made


@pytest.fixture(scope="module")
def done(bench: Workbench) -> Done:
    return bench.run("whole", chain(bench))


def name_of(row: dict[str, Any]) -> str:
    return str(json.loads(row["metadata"])["name"])


def values(done: Done) -> dict[str, tuple[Any, ...]]:
    """What every document has become, by id."""
    names = ("messages", "asked.template", "few.shots", "few.wanted", "thoughts.policy")
    return {key: tuple(row[name] for name in names) for key, row in corpus(done, "few").items()}


def mentioned(done: Done) -> set[tuple[str, str]]:
    """Which documents' texts stand in whose conversation, other than their own."""
    found = corpus(done, "few").values()
    names = {name_of(row) for row in found}
    texts = {(name_of(row), each["content"]) for row in found for each in row["messages"]}
    return {(own, other) for own, text in texts for other in names & {*text.split()} if other != own}


def shots(done: Done) -> set[tuple[str, str]]:
    """Which documents are shots of which, by their ids."""
    found = corpus(done, "few")
    return {(name_of(row), name_of(found[shot])) for row in found.values() for shot in row["few.shots"]}


def number_of(name: str) -> int:
    return int(name.removeprefix("train").removeprefix("test"))


def test_no_test_document_is_in_any_prompt_and_no_document_in_its_own(done: Done) -> None:
    found = mentioned(done)
    assert found == shots(done)
    assert {part for part in COUNTS for one, _ in found if one.startswith(part)} == {*COUNTS}  # both get shots
    assert all(other.startswith("train") for _, other in found)
    assert all(number_of(one) % 2 == number_of(other) % 2 for one, other in found)  # of one task


def test_test_documents_leak_where_all_are_called_training_data(bench: Workbench) -> None:
    """That the test above can fail."""
    assert any(other.startswith("test") for _, other in mentioned(bench.run("loose", chain(bench, few={"part": None}))))


def test_the_children_of_a_document_are_never_its_shots(done: Done) -> None:
    found = corpus(done, "few")
    assert len(found) == 2 * sum(COUNTS.values())
    assert any(row["asked.inverted"] for row in found.values())
    for key, row in found.items():
        assert key.partition("#")[0] not in {shot.partition("#")[0] for shot in row["few.shots"]}


def test_where_shards_are_cut_changes_nothing(bench: Workbench, done: Done) -> None:
    cut = bench.run("cut", chain(bench, **{part: {"shard_bytes": 4000} for part in COUNTS}))
    assert len(cut.records("train")) > len(done.records("train"))
    assert values(cut) == values(done)


def test_workers_give_the_bytes_of_the_local_engine(
    bench: Workbench, done: Done, dask: Callable[[int], DaskEngine]
) -> None:
    assert differences(done.folder, bench.run("workers", chain(bench), engine=dask(2)).folder) == []


def test_more_documents_change_no_template_and_only_prompts_that_they_enter(bench: Workbench, done: Done) -> None:
    added = [record("train", number) for number in (100, 101)]
    write(bench, "later/f9.jsonl", added)
    more = chain(bench)
    more["train"]["paths"] = [*more["train"]["paths"], str(bench.input / "later" / "*.jsonl")]
    grown = bench.run("more", more)
    before, after = values(done), values(grown)
    new = {key for key, row in corpus(grown, "few").items() if number_of(name_of(row)) >= 100}
    assert len(new) == 4
    assert [key for key in before if before[key][1] != after[key][1]] == []
    changed = {key for key in before if before[key][0] != after[key][0]}
    assert changed == {key for key in before if new & {*after[key][2]}}
    assert 0 < len(changed) < len(before) / 4


def test_the_story_tells_template_shots_and_policy(done: Done) -> None:
    found = corpus(done, "few")
    key = next(key for key, row in found.items() if row["few.shots"] and row["thoughts.policy"])
    (place,) = find(done.context, key)
    told = story(done.context, place)
    chapters = [*told.chapters, *(told.parent.chapters if told.parent else ())]
    measures = {(each.stage, one.name): one.value for each in chapters for one in each.measures}
    assert measures["asked", "template"] == found[key]["asked.template"]
    assert measures["few", "shots"] == found[key]["few.shots"]
    assert measures["thoughts", "policy"] == "mask"


def test_what_is_written_holds_the_shots_without_loss(done: Done) -> None:
    lines = [
        line
        for path in Path(done.folder, "out").glob("*.gz")
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    rows = [json.loads(line) for line in lines]
    assert len(rows) == len(corpus(done, "few"))
    trained = [[turn.get("train") for turn in row["messages"]] for row in rows]
    assert {tuple(flags[-2:]) for flags in trained} == {(None, None)}
    assert {flag for flags in trained for flag in flags[:-2]} == {False}
    assert {turn.get("reasoning_train") for row in rows for turn in row["messages"]} == {None, False}
