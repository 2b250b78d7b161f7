"""Exports from a run: settled by the tokenizer above, whole after a change, told of, and carded."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from datapipe.errors import InputError
from tests.run.workbench import Done, Workbench, corpus, differences
from tests.stages.write.token_exports import read_mds, read_megatron

WORDS = [f"harbour{at}" for at in range(18)]


def chain(write: dict[str, Any], vocabulary: int = 400, **pack: Any) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {
        "docs": {"use": "toy.lines", "source": "lines", "shard_bytes": 400},
        "tokens": {"use": "tokenize", "tokenizer": {"train": {"vocabulary": vocabulary}}},
    }
    if pack:
        made["packed"] = {"use": "pack", **pack}
    return {**made, "out": write}


def bench(folder: Path) -> Workbench:
    made = Workbench(folder)
    for file in range(3):
        made.write(f"f{file}.txt", [" ".join(WORDS[at % 7 : at % 7 + 3 + at % 9]) + f" {file}" for at in range(12)])
    return made


def tokens_of(done: Done) -> dict[str, list[int]]:
    return {key: row["tokens"] for key, row in corpus(done, "tokens").items()}


def out_of_megatron(done: Done) -> list[list[list[int]]]:
    files = sorted((done.folder / "out").glob("*.bin"))
    return [each for path in files for each in read_megatron(path.read_bytes(), path.with_suffix(".idx").read_bytes())]


def test_documents_of_a_run_are_megatrons_in_two_bytes_by_the_trained_vocabulary(tmp_path: Path) -> None:
    small = bench(tmp_path)
    done = small.run("run", chain({"use": "write.megatron", "file_tokens": 100}))
    found = out_of_megatron(done)
    assert sorted(tokens for (tokens,) in found) == sorted(tokens_of(done).values())
    manifest = json.loads((done.folder / "out" / "manifest.json").read_text())
    assert (manifest["dtype"], manifest["documents"], manifest["sources"].keys()) == ("uint16", 36, {""})
    index = pq.read_table(done.folder / "out" / "index").to_pylist()
    assert sorted(row["id"] for row in index) == sorted(tokens_of(done))
    assert len(list((done.folder / "out").glob("*.idx"))) > 2
    told = [note for note in done.told.notes if "README.md" in note]
    assert told == [f"out: {done.folder}/out/README.md says how to read these files"]
    assert small.run("run", chain({"use": "write.megatron", "file_tokens": 100})).told.tasks == 0
    wide = small.run("run", chain({"use": "write.megatron", "dtype": "int32"}))
    assert out_of_megatron(wide) == found
    assert len(list((wide.folder / "out").glob("data-*"))) == 2
    fresh = small.run("fresh", chain({"use": "write.megatron", "dtype": "int32"}))
    assert differences(fresh.folder, wide.folder, only=["out"]) == []


def test_packed_sequences_of_a_run_are_samples_of_mds_in_order(tmp_path: Path) -> None:
    small = bench(tmp_path)
    done = small.run("run", chain({"use": "write.mds", "file_tokens": 100}, length=32))
    same = small.run("arrow", chain({"use": "write.packed"}, length=32))
    arrow = importlib.import_module("datasets").load_from_disk(str(same.folder / "out"))
    files = sorted((done.folder / "out").glob("*.mds"))
    samples = [sample for path in files for sample in read_mds(path.read_bytes())]
    assert samples == [dict(sorted(row.items())) for row in arrow]
    index = json.loads((done.folder / "out" / "index.json").read_text())
    assert [shard["raw_data"]["basename"] for shard in index["shards"]] == [path.name for path in files]


def test_a_vocabulary_too_large_for_two_bytes_stops_the_run_before_it_writes(tmp_path: Path) -> None:
    small = bench(tmp_path)
    folder = small.run("first", chain({"use": "write.megatron"})).folder / "tokens" / "resource"
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text())
    told["model"]["vocab"]["wide"] = 70_000
    path.write_text(json.dumps(told))
    made = chain({"use": "write.megatron", "dtype": "uint16"})
    made["tokens"]["tokenizer"] = str(folder)
    with pytest.raises(InputError, match="70,001 tokens does not fit uint16"):
        small.run("run", made)
    assert not list((tmp_path / "run" / "out").glob("data-*"))


# ---------------------------------------------------------------------------------------------- cards


def hub(**write: Any) -> dict[str, dict[str, Any]]:
    return {
        "docs": {"use": "toy.lines", "source": "lines", "shard_bytes": 400},
        "count": {"use": "toy.count", "min_words": 5},
        "out": {"use": "write.hub", **write},
    }


def test_a_folder_for_the_hub_loads_with_the_features_that_its_card_tells(tmp_path: Path) -> None:
    datasets = importlib.import_module("datasets")
    small = bench(tmp_path)
    done = small.run("run", hub(license="cc0-1.0", title="Lines"))
    text = (done.folder / "out" / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---\n")[1])
    kept = corpus(done, "count")
    assert (head["license"], head["size_categories"]) == ("cc0-1.0", ["n<1K"])
    assert f"| not told | {len(kept)} |" in text
    assert f"| count | `toy.count` | 36 | {len(kept)} | {36 - len(kept)} too_short |" in text
    opened = datasets.load_dataset(str(done.folder / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert sorted(opened["text"]) == sorted(row["text"] for row in kept.values())
    assert [each["name"] for each in head["dataset_info"][0]["features"]] == opened.column_names


def test_a_changed_title_writes_the_card_alone(tmp_path: Path) -> None:
    small = bench(tmp_path)
    small.run("run", hub())
    done = small.run("run", hub(title="Other"))
    assert done.told.tasks == 0
    assert "# Other" in (done.folder / "out" / "README.md").read_text()
    assert done.told.notes.count(f"out: {done.folder}/out/README.md says how to read these files") == 1
