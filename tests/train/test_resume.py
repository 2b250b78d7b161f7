"""Killed and taken up again, with any number of ranks and workers: the same batches in the same order, equal losses."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from datapipe.train.checkpoints import MARK
from tests.run.workbench import Workbench
from tests.train.processes import STOPPED, begin, finish, lines, signal_at
from tests.train.talks import packed_identity

LENGTH = 128
STEPS = 28  # 11 sequences × 10 epochs in steps of 4, the last of 2
SMALL = {"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 2, "attention_dropout": 0.1}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_identity(Workbench(tmp_path_factory.mktemp("packed")), length=LENGTH)


def plan(packed: Path, run: Path, *, dropout: bool = False, **changes: Any) -> dict[str, Any]:
    part = {"name": "sft", "data": [str(packed)], "epochs": 10, "shuffle": True, "batch_tokens": 4 * LENGTH}
    values = {
        "run": str(run),
        "seed": 5,
        "model": {"config": SMALL if dropout else {**SMALL, "attention_dropout": 0.0}},
        "parts": [part | {"learning_rate": 3e-3}],
        "checkpoint_tokens": 3 * 4 * LENGTH,  # every third step
        "micro_batch": 2,
    }
    return values | changes


def trained(run: Path) -> list[list[int]]:
    """The sequences of each step; each step stands once, in order."""
    told = lines(run / "1-sft" / "sequences.jsonl")
    assert [line["step"] for line in told] == list(range(1, STEPS + 1))
    return [next(iter(line["sequences"].values())) for line in told]


def losses(run: Path) -> list[float]:
    told = lines(run / "1-sft" / "metrics.jsonl")
    assert [line["step"] for line in told] == list(range(1, STEPS + 1))
    return [line["loss"] for line in told]


@pytest.fixture(scope="module")
def reference(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("reference") / "run"
    assert finish(begin(plan(packed, run), 1)) == [0]
    return run


def killed_and_resumed(values: dict[str, Any], run: Path, legs: list[tuple[int, int, int]]) -> list[int]:
    """Kill a training once a leg (step, workers, ranks); where each kill hit it."""
    hits = []
    log = run / "1-sft" / "sequences.jsonl"
    for step, workers, world in legs:
        ranks = begin(values | {"loader_workers": workers}, world)
        hits.append(signal_at(ranks, log, step, signal.SIGKILL))
        assert set(finish(ranks)) == {-signal.SIGKILL}
    return hits


def drawn(count: int, seed: int, ranks: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Steps to kill at, in order, each with workers and ranks."""
    chance = random.Random(seed)
    steps = sorted(chance.sample(range(2, STEPS - 1), count))
    return [(step, 1 + at % 3, ranks[at % len(ranks)]) for at, step in enumerate(steps)]


def test_each_epoch_holds_each_sequence_once(reference: Path) -> None:
    flat = [number for step in trained(reference) for number in step]
    epochs = [flat[at : at + 11] for at in range(0, 110, 11)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(11))] * 10
    assert len({tuple(epoch) for epoch in epochs}) == 10  # shuffled anew each time
    assert [len(step) for step in trained(reference)] == [4] * 27 + [2]


@pytest.mark.parametrize("seed", [1])
def test_killed_at_random_steps_the_training_ends_as_if_never_killed(
    packed: Path, reference: Path, tmp_path: Path, seed: int
) -> None:
    values, run = plan(packed, tmp_path / "run"), tmp_path / "run"
    hits = killed_and_resumed(values, run, drawn(3, seed, ranks=(1, 2, 1)))
    assert max(hits) < STEPS
    assert finish(begin(values | {"loader_workers": 2}, 2)) == [0, 0]
    assert trained(run) == trained(reference)
    assert losses(run) == pytest.approx(losses(reference), rel=1e-5)


def test_told_to_end_it_finishes_its_step_and_goes_on_from_there(packed: Path, reference: Path, tmp_path: Path) -> None:
    values, run = plan(packed, tmp_path / "run", checkpoint_tokens=10**9), tmp_path / "run"
    ranks = begin(values, 1)
    hit = signal_at(ranks, run / "1-sft" / "sequences.jsonl", 5, signal.SIGTERM)
    assert finish(ranks) == [STOPPED]
    (checkpoint,) = (run / "1-sft").glob(f"checkpoint-*/{MARK}")
    step = json.loads(checkpoint.read_text(encoding="utf-8"))["step"]
    assert hit <= step < STEPS
    assert finish(begin(values | {"loader_workers": 1}, 1)) == [0]
    assert trained(run) == trained(reference)
    assert losses(run) == losses(reference)


@pytest.mark.full
@pytest.mark.parametrize("ranks", [(1,), (2,), (1, 2)])
def test_killed_at_ten_random_steps(packed: Path, reference: Path, tmp_path: Path, ranks: tuple[int, ...]) -> None:
    values, run = plan(packed, tmp_path / "run"), tmp_path / "run"
    killed_and_resumed(values, run, drawn(10, 2, ranks))
    assert finish(begin(values | {"loader_workers": 3}, ranks[0])) == [0] * ranks[0]
    assert trained(run) == trained(reference)
    told = losses(reference)
    assert losses(run) == (told if ranks == (1,) else pytest.approx(told, rel=1e-5))
