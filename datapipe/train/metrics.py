"""What training is measured by: loss by source, useful tokens a second, padding, MFU, time without data, memory.

One JSON object a line in `metrics.jsonl`, every `log_steps` steps; and every step, which sequences it trained on.
Why: a loss over all hides that one source is forgotten; tokens a second that count padding flatter.
Costs a few small sums a step on the device, read once a line; over several ranks one more small exchange a step.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from datapipe.train.flops import peak
from datapipe.train.joined import Feed
from datapipe.train.log import LINES

__all__ = ["METRICS", "Meter", "Recording", "reduced"]

METRICS = "metrics.jsonl"
Work: TypeAlias = Callable[[list[int]], float]


def reduced(sums: torch.Tensor, world: int) -> torch.Tensor:
    """Sums over all ranks."""
    if world > 1:
        distributed.all_reduce(sums)
    return sums


class Meter:
    """Sums since the last line, kept on the device: loss and weight by source, tokens and places; FLOPs and seconds.

    `work`: FLOPs of a forward and backward pass over documents of some lengths, for the MFU, which is told where the
    device's peak is known. Whoever trains adds to `waited` (seconds without a batch).
    """

    def __init__(self, sources: Sequence[str], device: Any, work: Work | None = None) -> None:
        self.sources = tuple(sources)
        self.peak = _peak() if work else None
        self._device, self._work = device, work if self.peak else None
        self._numbers: list[torch.Tensor] = []
        self.restart()

    def restart(self) -> None:
        """Begin to count anew."""
        self._sums = torch.zeros(2, len(self.sources), device=self._device)
        self._tokens = torch.zeros((), dtype=torch.int64, device=self._device)
        self._places = 0
        self.flops = self.waited = 0.0
        self._began = time.perf_counter()

    def add(self, batch: dict[str, Any], sums: tuple[torch.Tensor, torch.Tensor]) -> None:
        """A micro-batch as the collator made it, and of each source the sums of weight × loss and of weight."""
        if self._work is not None:
            self.flops += self._work(_documents(batch))
        self._sums += torch.stack(sums)
        self._tokens += (batch["sources"] >= 0).sum()
        self._places += batch["input_ids"].numel()
        self._numbers.append(batch["indices"])

    def numbers(self, world: int, micro: int) -> list[int]:
        """Sequences of the step that ends, of all ranks, in the order of the data, with what filled it up."""
        own = torch.cat(self._numbers)
        self._numbers = []
        if world > 1:
            every = [torch.empty_like(own) for _ in range(world)]
            distributed.all_gather(every, own)
            own = torch.stack(every).reshape(world, -1, micro).transpose(0, 1).reshape(-1)
        return [int(number) for number in own.tolist()]

    def take(self, world: int) -> dict[str, Any]:
        """The figures since the last time, over all ranks; starts anew."""
        counts = torch.tensor([self._tokens.item(), self._places, self.flops, self.waited], dtype=torch.float64)
        useful, places, flops, waited = reduced(counts.to(self._device), world).tolist()
        loss, weight = reduced(self._sums, world).tolist()
        seconds = max(time.perf_counter() - self._began, 1e-9)
        self.restart()
        return {
            "loss_by_source": {name: a / b for name, a, b in zip(self.sources, loss, weight, strict=True) if b},
            "weight_by_source": {name: b for name, b in zip(self.sources, weight, strict=True) if b},
            "tokens": int(useful),
            "tokens_per_second": useful / seconds,
            "padding": 1 - useful / places if places else 0.0,
            "mfu": flops / seconds / (self.peak * world) if self.peak else None,
            "data_wait": waited / seconds / world,
            "memory_bytes": _peak_memory(),
            "seconds": seconds,
        }


def _documents(batch: dict[str, Any]) -> list[int]:
    """Lengths of the documents of a batch; padding is none."""
    positions, useful = batch["position_ids"].reshape(-1), batch["sources"].reshape(-1) >= 0
    starts = torch.nonzero((positions == 0) | ~useful).reshape(-1)
    lengths = torch.diff(starts, append=torch.tensor([len(positions)], device=starts.device))
    found: list[int] = lengths[useful[starts]].tolist()
    return found


def _peak() -> float | None:
    """FLOP/s of this device at most; None where it is not known."""
    return peak(torch.cuda.get_device_name()) if torch.cuda.is_available() else None


def _peak_memory() -> int:
    """The most that the device's tensors took since the last line; of a process on a CPU, the most it ever held."""
    if torch.cuda.is_available():
        most = torch.cuda.max_memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        return most
    import resource  # noqa: PLC0415 - not on every system

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Recording(TrainerCallback):
    """Writes both logs of a part; only the first rank writes, all ranks count."""

    def __init__(self, folder: Path, part: str, feed: Feed, meter: Meter) -> None:
        self._folder, self._part, self._feed, self._meter = folder, part, feed, meter

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> TrainerControl:
        """Time begins when the model is ready."""
        del args, state, others
        self._meter.restart()
        return control

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> TrainerControl:
        """Before anything of the step is saved."""
        del others
        numbers = self._meter.numbers(args.world_size, args.per_device_train_batch_size)
        if state.is_world_process_zero:
            told = {"part": self._part, "step": state.global_step, "sequences": self._feed.data.by_folder(numbers)}
            _append(self._folder / LINES, told)
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        logs: dict[str, Any] | None = None,
        **others: Any,
    ) -> TrainerControl:
        """A line of metrics."""
        del args, others
        if state.is_world_process_zero and logs and "train_runtime" not in logs:
            step = state.global_step
            place = {"part": self._part, "step": step, "epoch": self._feed.batches.epochs(step)}
            _append(self._folder / METRICS, place | {name: value for name, value in logs.items() if name != "epoch"})
        state.log_history = state.log_history[-1:]  # the files hold it all; each checkpoint would hold it again
        return control


def _append(path: Path, value: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(value, ensure_ascii=False) + "\n")
