"""Every stage that the registry knows keeps the contract; a new one is tested the day it appears.

A stage whose config has fields without defaults gets its values in CONFIGS; a stage of several engines is
tried with each, through the further entries of VARIANTS.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from datapipe.contract import check_stage, sample_batches
from datapipe.registry import Registry
from datapipe.stage import Source, Stage, StageConfig
from tests.stages.filter import arpas
from tests.stages.filter.models import ENGINES

ROOT = Path(__file__).parents[2]
REGISTRY = Registry()

CONFIGS: dict[str, dict[str, Any]] = {
    "read.warc": {"paths": [str(ROOT / "samples/web/*.warc.gz")], "source": "web"},
    "read.html": {"source": "pages"},
    "read.jsonl": {"source": "lines"},
    "read.json": {"source": "arrays"},
    "read.csv": {"source": "tables"},
    "read.text": {"source": "texts"},
    "read.pdf": {"source": "papers"},
    "read.parquet": {"source": "tables"},
    "read.arrow": {"source": "tables"},
    "read.hub": {"source": "sets"},
    "read.conversations": {"source": "chats"},
    "filter.language": {"keep": ["en", "zh"]},
    "filter.metadata": {"keep": "metadata.number >= 3"},
    "chat.shots": {"part": "language", "train": "en", "apart": ["kind"]},
    "tokenize": {"tokenizer": {"train": {"vocabulary": 400}}, "max_tokens": 100},
}


def config_of(stage: Stage, folder: Path, **values: Any) -> StageConfig:
    """The default config, with what must be set."""
    given = {**CONFIGS.get(stage.name, {}), **values}
    if isinstance(stage, Source) and "paths" not in given:
        given["paths"] = [str(inputs(stage.name, folder))]
    if stage.name == "filter.classifier":
        given["model"] = str(ENGINES[given.get("engine", "linear")](folder))
    if stage.name == "decontaminate":
        given["benchmarks"] = [str(benchmark(folder))]
    if stage.name == "filter.perplexity":
        given["models"] = arpas.models(folder)
    return stage.config.model_validate(given)


def benchmark(folder: Path) -> Path:
    """A benchmark whose items stand in the samples: as a whole, and with an answer."""
    texts: list[Any] = sample_batches(("text",))["typical"]["text"].to_pylist()
    asked, answered = texts[0].split("\n\n")
    items = [{"input": asked, "output": answered}, {"input": texts[1]}, {"input": texts[3]}]
    path = folder / "harbour.jsonl"
    path.write_text("\n".join(map(json.dumps, items)) + "\n", encoding="utf-8")
    return path


def inputs(name: str, folder: Path) -> Path:
    """Small inputs for a source, made where there is no sample of its kind."""
    batch = sample_batches(("url", "text", "html", "date"))["typical"]
    rows = batch.to_pylist()
    if name in ("read.html", "read.text", "read.pdf"):
        kind, key = name.removeprefix("read."), "text" if name == "read.text" else "html"
        for number, row in enumerate(rows):
            path = folder / f"site{number % 3}" / f"page-{number}.{'txt' if kind == 'text' else kind}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(row[key].encode() if key == "text" else row[key])
        return folder
    records = [{key: row[key] for key in ("url", "text", "date")} for row in rows]
    if name == "read.conversations":
        return conversations(folder)
    table = pa.Table.from_pylist(records)
    path = folder / f"table.{name.removeprefix('read.')}"
    if name == "read.jsonl":
        path.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    elif name == "read.json":
        path.write_text(json.dumps(records, indent=1), encoding="utf-8")
    elif name == "read.csv":
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, ["url", "text", "date"])
            writer.writeheader()
            writer.writerows(records)
    elif name == "read.arrow":
        pa.feather.write_feather(table, path, chunksize=5)
    elif name == "read.hub":
        path.mkdir()
        pq.write_table(table, path / "train-00000.parquet", row_group_size=5)
    else:
        pq.write_table(table, path, row_group_size=5)
    return path


def conversations(folder: Path) -> Path:
    """Conversations in several forms, good and bad ones."""
    texts: list[Any] = sample_batches(("text",))["typical"]["text"].to_pylist()
    records = [
        *(
            {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}]}
            for text in texts
        ),
        {"instruction": texts[0], "output": texts[1]},
        {"prompt": texts[0], "chosen": texts[1], "rejected": texts[2]},
        {"prompt": {"role": "prompter", "text": "?", "replies": [{"role": "assistant", "text": t} for t in texts[:3]]}},
        {"instruction": "Sort.", "instances": [{"output": "a b"}, {"output": "c d"}]},
        {"text": texts[3]},
        {"messages": [{"role": "nobody", "content": ""}]},
        {"nothing": 1},
    ]
    path = folder / "talks.jsonl"
    path.write_text("\n".join(map(json.dumps, records)) + "\n{\n", encoding="utf-8")
    return path


def variants(name: str) -> list[dict[str, str]]:
    """One change of config for each value of a choice other than the default."""
    found = []
    for field, info in REGISTRY.load(name).config.model_fields.items():
        if get_origin(info.annotation) is Literal:
            found += [{field: value} for value in get_args(info.annotation) if value != info.default]
    return found


CASES = [(name, values) for name in REGISTRY.names() for values in ({}, *variants(name))]


@pytest.mark.parametrize(("name", "values"), CASES, ids=[f"{name}-{values or 'default'}" for name, values in CASES])
def test_stage_keeps_the_contract(name: str, values: dict[str, str], tmp_path: Path) -> None:
    stage = REGISTRY.load(name)
    config = config_of(stage, tmp_path, **values)
    findings = check_stage(stage, config=config, registry=REGISTRY)
    assert not findings, "\n".join(map(str, findings))


@pytest.mark.parametrize("name", REGISTRY.names())
def test_stage_is_named_after_its_module(name: str) -> None:
    assert REGISTRY.load(name).name == name
