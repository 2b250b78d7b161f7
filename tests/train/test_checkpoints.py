"""Which checkpoint is gone on from: the newest that is whole."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from datapipe.errors import CorruptData
from datapipe.train.checkpoints import Marking, Stopping, clear_unmarked, newest, same_processes


def saved(folder: Path, step: int) -> Path:
    """A checkpoint of two files, marked by the callback that marks them in a training."""
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir()
    for name, size in (("model.safetensors", 9), ("optimizer.pt", 7)):
        (checkpoint / name).write_bytes(b"x" * size)
    state = TrainerState(global_step=step, is_world_process_zero=True)
    args = TrainingArguments(output_dir=str(folder), use_cpu=True, report_to=[])
    Marking(lambda at: {"digest": "d", "position": at}).on_save(args, state, TrainerControl())
    return checkpoint


@pytest.mark.parametrize("harm", ["optimizer gone", "optimizer cut short", "no mark", "half a mark"])
def test_an_incomplete_checkpoint_is_passed_over_and_cleared_away(tmp_path: Path, harm: str) -> None:
    good, bad = saved(tmp_path, 3), saved(tmp_path, 10)
    assert newest(tmp_path, "d") == (bad, 10)
    if harm == "optimizer gone":
        (bad / "optimizer.pt").unlink()
    elif harm == "optimizer cut short":
        (bad / "optimizer.pt").write_bytes(b"x" * 6)
    elif harm == "no mark":
        (bad / "datapipe.json").unlink()
    else:
        (bad / "datapipe.json").write_text("{", encoding="utf-8")
    assert newest(tmp_path, "d") == (good, 3)
    clear_unmarked(tmp_path)
    assert (good.exists(), bad.exists()) == (True, False)


def test_a_checkpoint_of_other_data_is_not_gone_on_from(tmp_path: Path) -> None:
    assert newest(tmp_path, "d") is None
    saved(tmp_path, 3)
    with pytest.raises(CorruptData, match="other packed data"):
        newest(tmp_path, "e")


@pytest.mark.parametrize(
    ("files", "world", "same"),
    [
        (["rng_state.pth"], 1, True),
        (["rng_state.pth"], 2, False),
        (["rng_state_0.pth", "rng_state_1.pth"], 2, True),
        (["rng_state_0.pth", "rng_state_1.pth"], 1, False),
        (["rng_state_0.pth", "rng_state_1.pth", "rng_state_2.pth"], 2, False),
    ],
)
def test_random_states_are_those_of_so_many_processes(
    tmp_path: Path, files: list[str], world: int, *, same: bool
) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert same_processes(tmp_path, world) is same


def test_told_to_end_in_the_last_step_it_has_been_asked_and_not_stopped(tmp_path: Path) -> None:
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[])
    for step, stopped in ((6, True), (7, False)):
        with Stopping() as stopping:
            os.kill(os.getpid(), signal.SIGTERM)
            stopping.on_step_end(args, TrainerState(global_step=step, max_steps=7), TrainerControl())
        assert (stopping.asked, stopping.stopped) == (True, stopped)
