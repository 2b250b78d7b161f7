"""A tiny model learns the packed samples in minutes, down to a stated loss, and sees sources as often as planned."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from datapipe.engine.local import LocalEngine
from datapipe.train.log import seen_by_source
from datapipe.train.plan import Plan
from datapipe.train.training import train
from tests.run.workbench import run_file
from tests.train.processes import lines

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "configs" / "cpt_sft.yaml"
SECONDS = 180
LEARNED = 4.5
LEARNED_OF_QUICKSTART = 5.6


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_tiny_model_learns_the_packed_samples_within_three_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    journal = tmp_path / "journal"
    journal.mkdir()
    done = run_file(RECIPE, LocalEngine(), journal)
    part: dict[str, Any] = {"data": [str(done.folder / "out")], "batch_tokens": 2048, "learning_rate": 5e-3}
    parts = [part | {"name": "planned"}, part | {"name": "more", "epochs": 11, "shuffle": True}]
    plan = Plan.model_validate({"run": "runs/train", "seed": 1, "parts": parts})
    began = time.process_time()  # of one thread; by the wall it depends on who else is at work
    train(plan, resume=False, reason=None, tell=print)
    seconds = time.process_time() - began
    planned, more = (tmp_path / "runs" / "train" / name for name in ("1-planned", "2-more"))
    seen = seen_by_source([planned / "sequences.jsonl"])
    assert {name: each.passes for name, each in seen.items()} == {"web": 1, "general": 2, "domain": 2}
    losses = [line["loss"] for folder in (planned, more) for line in lines(folder / "metrics.jsonl")]
    last = sum(losses[-10:]) / 10
    told = f"{len(losses)} steps, {seconds:.0f} s of CPU; loss {losses[0]:.2f}, then {last:.2f}"
    assert last < LEARNED, told
    assert seconds < SECONDS, told


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_tiny_model_learns_what_the_quickstart_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    journal = tmp_path / "journal"
    journal.mkdir()
    done = run_file(ROOT / "configs" / "quickstart.yaml", LocalEngine(), journal)
    part = {"name": "all", "data": [str(done.folder / "shards")], "batch_tokens": 2048, "learning_rate": 5e-3}
    plan = Plan.model_validate({"run": "runs/train", "seed": 1, "parts": [part | {"epochs": 9, "shuffle": True}]})
    began = time.process_time()
    train(plan, resume=False, reason=None, tell=print)
    seconds = time.process_time() - began
    losses = [line["loss"] for line in lines(tmp_path / "runs" / "train" / "1-all" / "metrics.jsonl")]
    last = sum(losses[-10:]) / 10
    told = f"{len(losses)} steps, {seconds:.0f} s of CPU; loss {losses[0]:.2f}, then {last:.2f}"
    assert last < LEARNED_OF_QUICKSTART, told
    assert seconds < SECONDS, told
