"""Checkpoints: which one may be gone on from, and the one that is made when a process is told to end.

transformers writes weights, optimizer, schedule and random states; this adds the mark that is written last, once all
ranks are done, so that what a kill left half-written is never taken for a checkpoint. It holds the place in the data.
Costs a small file a checkpoint, and over several ranks one number exchanged a step.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path
from types import FrameType
from typing import Any, Self

import torch
from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from datapipe.errors import CorruptData

__all__ = ["MARK", "Marking", "Stopping", "clear_unmarked", "newest", "write_whole"]

MARK = "datapipe.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def write_whole(path: Path, value: Any) -> None:
    """Write JSON so that it is there as a whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)


def newest(folder: Path, digest: str) -> tuple[Path, int] | None:
    """The last whole checkpoint of a part and its step; None where there is none.

    Raises CorruptData where it was made with other packed data than those of this `digest`.
    """
    marked = [(step, path) for step, path in _checkpoints(folder) if (path / MARK).is_file()]
    if not marked:
        return None
    step, path = max(marked)
    if json.loads((path / MARK).read_bytes())["data"]["digest"] != digest:
        raise CorruptData(
            f"{path} was made with other packed data", remedy="train anew in another `run`, or bring those data back"
        )
    return path, step


def clear_unmarked(folder: Path) -> None:
    """Remove what was left half-written."""
    for _step, path in _checkpoints(folder):
        if not (path / MARK).is_file():
            shutil.rmtree(path)


def _checkpoints(folder: Path) -> list[tuple[int, Path]]:
    found = [(_NAME.fullmatch(path.name), path) for path in folder.iterdir()] if folder.is_dir() else []
    return [(int(match[1]), path) for match, path in found if match]


def together() -> None:
    """Wait for the other ranks, if there are any."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()


class Marking(TrainerCallback):
    """Marks each checkpoint as whole: `state(step)` is what the place in the data is after a step."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> TrainerControl:
        """After transformers has written a checkpoint."""
        del others
        together()
        if state.is_world_process_zero:
            folder = Path(args.output_dir or "") / f"checkpoint-{state.global_step}"
            write_whole(folder / MARK, {"step": state.global_step, "data": self._state(state.global_step)})
        return control


class Stopping(TrainerCallback):
    """On SIGTERM: finish the step, write a checkpoint, end. `stopped` tells it afterwards."""

    def __init__(self) -> None:
        self.stopped = False
        self._asked = False
        self._before: Any = None

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self._asked = True

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> TrainerControl:
        """A rank may have heard of it before the others: all end after the same step."""
        del others
        asked = self._asked
        if distributed.is_available() and distributed.is_initialized():
            said = torch.tensor([int(asked)], device=args.device)
            distributed.all_reduce(said, distributed.ReduceOp.MAX)
            asked = bool(said.item())
        if asked and state.global_step < state.max_steps:
            self.stopped = True
            control.should_save = control.should_training_stop = True
        return control
