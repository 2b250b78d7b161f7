"""Texts that are not stored are read again: by a seek for each where the source can, else in one go."""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datapipe.engine.local import LocalEngine
from datapipe.recipe import load_recipe
from datapipe.registry import Registry
from datapipe.run.driver import open_run, run_recipe
from datapipe.stage import Split
from stages.read import jsonl

LINES = 20_000


@pytest.mark.parametrize("packed", [True, False])
def test_a_thin_sample_of_a_packed_file_is_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, packed: bool
) -> None:
    """1 document in 100 is let in: gaps of a hundred rows, each of which would begin at the file's start."""
    lines = "".join(json.dumps({"text": f"document number {n} has some words"}) + "\n" for n in range(LINES)).encode()
    path = tmp_path / ("x.jsonl.gz" if packed else "x.jsonl")
    path.write_bytes(gzip.compress(lines) if packed else lines)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"run: {tmp_path / 'run'}\nstages:\n"
        f"  docs: {{use: read.jsonl, paths: ['{path}'], source: s, sample: 1%}}\n"
        "  length: {use: filter.length, min_words: 1}\n"
    )
    registry = Registry()
    run_recipe(open_run(load_recipe(recipe, registry), LocalEngine()))
    opened: list[int] = []
    real = jsonl.STAGE.read

    def read(split: Split, config: Any, cursor: int) -> Iterator[pa.RecordBatch]:
        opened.append(cursor)
        return real(split, config, cursor)

    monkeypatch.setattr("datapipe.engine.task._stage", _with(registry, read))
    more = load_recipe(recipe, registry, ["docs.sample=2%"])
    context = run_recipe(open_run(more, LocalEngine()))
    assert 100 < sum(record.work.reread for record in context.records["length"].values()) < 300
    assert len(opened) == 1 if packed else len(opened) > 5


def _with(registry: Registry, read: Any) -> Any:
    """Loads stages as the engine does, with another `read` for this one."""

    def load(use: str, stages_dir: str | None) -> Any:
        stage: Any = registry.load(use)
        return dataclasses.replace(stage, read=read) if use == "read.jsonl" else stage

    return load
