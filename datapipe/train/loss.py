"""The loss of packed tokens: weighted, and divided by the weights of a whole step.

What: cross-entropy of each target token, times its weight; the sum over all micro-batches and ranks of a step is
divided by the sum of all their weights. Why: a mean of means gives a token of a short answer more to say.
Costs: beside the logits, their gradient in their own type, and in float32 the logits of CHUNK tokens at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
import torch.distributed as dist

from datapipe.errors import InputError
from datapipe.train.marks import NO_LOSS

__all__ = ["by_source", "step_weight", "token_losses", "weighted_loss"]

CHUNK = 2048  # tokens whose logits are in float32 at a time


def token_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Loss of predicting each token from those before it: float32, of the labels' shape; 0 where there is no label.

    `logits` [B, T, vocabulary] as the model gives them, `labels` [B, T], not shifted: that is done here.
    """
    targets = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=NO_LOSS)
    flat, wanted = logits.flatten(0, 1), targets.flatten()
    losses = cast("torch.Tensor", _CrossEntropy.apply(flat, wanted)).view_as(labels)  # type: ignore[no-untyped-call]
    return torch.nn.functional.pad(losses[:, :-1], (1, 0))


class _CrossEntropy(torch.autograd.Function):
    """Cross-entropy of each row in float32, which keeps of the forward pass one number a row beside the logits."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """[N, vocabulary], [N] → [N]; 0 where the target is NO_LOSS."""
        sums = [torch.logsumexp(some.float(), 1) for some in torch.split(logits, CHUNK)]
        total = torch.cat(sums)
        ctx.save_for_backward(logits, targets, total)
        score = logits.gather(1, targets.clamp(min=0)[:, None])[:, 0].float()
        return (total - score).masked_fill(targets == NO_LOSS, 0)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Chance - 1 for the target, chance for any other token, times the gradient of the row's loss."""
        logits, targets, total = ctx.saved_tensors
        made = torch.empty_like(logits)
        by_row = grads[0].masked_fill(targets == NO_LOSS, 0)
        columns = (logits, targets, total, by_row, made)
        for some, target, summed, grad, out in zip(*(torch.split(each, CHUNK) for each in columns), strict=True):
            chances = torch.exp(some.float() - summed[:, None])
            chances.scatter_add_(1, target.clamp(min=0)[:, None], chances.new_full((len(target), 1), -1.0))
            out.copy_(chances * grad[:, None])
        return made, None


def weighted_loss(
    outputs: Any, labels: torch.Tensor, loss_weights: torch.Tensor | None, num_items: torch.Tensor | float | None
) -> torch.Tensor:
    """Σ weight × loss ÷ `num_items`, the sum of weights of the whole step (`step_weight`); None: of these tokens alone.

    `outputs`: logits, or what a model of transformers gives. Gradients of ranks are to be summed; where they are
    averaged, as DistributedDataParallel does, multiply by the number of ranks, which transformers' Trainer does by
    itself. Raises InputError without weights: give those of the collator.
    """
    if loss_weights is None:
        raise InputError("the batch has no loss weights", remedy="make batches with datapipe.train.collator.Collator")
    logits = outputs if torch.is_tensor(outputs) else outputs["logits"]
    weights = loss_weights.to(logits.device) * (labels != NO_LOSS).to(logits.device)
    total = (token_losses(logits, labels.to(logits.device)) * weights).sum()
    over = weights.sum() if num_items is None else torch.as_tensor(num_items, device=total.device)
    return total / over.to(total.dtype).clamp(min=torch.finfo(total.dtype).tiny)


def step_weight(batches: Iterable[dict[str, Any]], device: torch.device | str = "cpu") -> torch.Tensor:
    """Sum of the loss weights of all micro-batches of a step, over all ranks (float32 scalar on `device`)."""
    total = torch.zeros((), dtype=torch.float32, device=device)
    for batch in batches:
        total += batch["loss_weights"].sum(dtype=torch.float32).to(device)
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(total)
    return total


def by_source(
    losses: torch.Tensor, weights: torch.Tensor, sources: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each of `count` sources the sum of weight × loss, and the sum of weights (float32); padding is of none."""
    within = sources.flatten() >= 0
    place = sources.flatten().clamp(min=0)
    weight = weights.flatten().float() * within
    sums = torch.zeros(2, count, device=losses.device)
    sums.index_add_(1, place, torch.stack((losses.detach().flatten() * weight, weight)))
    return sums[0], sums[1]
