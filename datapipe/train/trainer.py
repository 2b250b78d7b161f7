"""transformers' Trainer over packed sequences: our order of the data, our loss, our measures; all else is theirs.

Overridden are the loader, the fetching of a step's batches (for the weights of its loss, and the time it waits), the
loss, and evaluation (by source). Costs what the parts cost.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import Trainer

from datapipe.train.collator import model_inputs
from datapipe.train.joined import Feed
from datapipe.train.loss import by_source, step_weight, token_losses
from datapipe.train.metrics import Meter, reduced

__all__ = ["PackedTrainer"]


class PackedTrainer(Trainer):
    """A Trainer fed by `feed`, measured by `meter`, and evaluated on `held`, where given."""

    def __init__(self, *, feed: Feed, held: Feed | None, meter: Meter, **theirs: Any) -> None:
        super().__init__(**theirs, train_dataset=feed.data, eval_dataset=None if held is None else held.data)
        self.feed, self.held, self.meter = feed, held, meter
        self.loss_is_scaled_for_ga = True  # the loss is divided by the weights of a whole step

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Not prepared by accelerate, which would deal the batches out again and read over those already trained on."""
        return self.feed.loader(self.args.dataloader_num_workers, pinned=self._pinned)

    @property
    def _pinned(self) -> bool:
        return bool(self.args.dataloader_pin_memory) and torch.cuda.is_available()

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: Any
    ) -> tuple[list[dict[str, Any]], Any]:
        """The micro-batches of a step, and the sum of their loss weights over all ranks."""
        began = time.perf_counter()
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        self.meter.waited += time.perf_counter() - began
        return batches, step_weight(batches, device)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - their signature
        num_items_in_batch: Any = None,
    ) -> Any:
        """Σ weight × loss of a micro-batch ÷ the weights of the step, times the ranks, whose gradients are averaged."""
        outputs = model(**model_inputs(inputs))
        losses = token_losses(outputs.logits, inputs["labels"])
        weights = inputs["loss_weights"]
        self.meter.add(inputs, by_source(losses, weights, inputs["sources"], len(self.feed.data.sources)))
        loss = (losses * weights).sum() / num_items_in_batch.clamp(min=torch.finfo(torch.float32).tiny)
        loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Theirs, with the meter's figures where it is a line of training."""
        told: dict[str, Any] = dict(logs)
        if "loss" in told:
            told |= self.meter.take(self.args.world_size)
        super().log(told, start_time)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Loss of the data held back, over all and by source; every rank takes its share of the sequences."""
        if self.held is None:
            return {}
        model = self.accelerator.unwrap_model(self.model_wrapped) if not self.is_fsdp_enabled else self.model_wrapped
        model.eval()
        names = self.held.data.sources
        sums = torch.zeros(2, len(names), device=self.args.device)
        with torch.no_grad(), self.accelerator.autocast():
            for batch in self.held.loader(0, pinned=self._pinned):
                inputs = self._prepare_inputs(batch)
                losses = token_losses(model(**model_inputs(inputs)).logits, inputs["labels"])
                sums += torch.stack(by_source(losses, inputs["loss_weights"], inputs["sources"], len(names)))
        model.train()
        loss, weight = reduced(sums, self.args.world_size).tolist()
        metrics = {"eval_loss": sum(loss) / max(sum(weight), 1e-9)}
        metrics |= {f"eval_loss/{name}": a / b for name, a, b in zip(names, loss, weight, strict=True) if b}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics
