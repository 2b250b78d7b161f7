"""A step of the real trainer is the gradient worked out by hand, and its forward pass is in the type of the plan."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, MixtralConfig, PrinterCallback

from datapipe.train import trainer as under_test
from datapipe.train.arguments import arguments_of
from datapipe.train.joined import Feed, JoinedDataset, StepBatches
from datapipe.train.loss import token_losses
from datapipe.train.metrics import Meter
from datapipe.train.plan import Plan
from datapipe.train.sampler import OrderedSampler
from datapipe.train.trainer import PackedTrainer
from tests.train.models import SIZES, build
from tests.train.packed_folder import Document, write_packed

LENGTH = 12
LENGTHS = [(5, 7), (2, 1), (9, 2), (1, 1, 3), (12,)]  # of the documents of each sequence
MICRO = 2  # so that the third micro-batch is filled up
RATE = 1.0


def drawn() -> list[list[Document]]:
    rng = np.random.default_rng(0)
    return [
        [
            Document(
                f"{number}-{place}",
                "web",
                rng.integers(1, SIZES["vocab_size"], size).tolist(),
                rng.choice([0.0, 0.25, 1.0, 3.0], size).tolist(),
            )
            for place, size in enumerate(sizes)
        ]
        for number, sizes in enumerate(LENGTHS)
    ]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed") / "out"
    return write_packed(folder, drawn(), length=LENGTH, loss_weights=True)


def trainer_of(packed: Path, folder: Path, model: Any, **changes: Any) -> PackedTrainer:
    """One step of plain gradient descent over all sequences, in three micro-batches."""
    part = {"name": "a", "data": [str(packed)], "batch_tokens": len(LENGTHS) * LENGTH, "learning_rate": RATE}
    part |= {"schedule": "constant", "warmup": 0, "optimizer": "sgd", "clip": None, "weight_decay": 0}
    plan = Plan.model_validate({"run": str(folder), "parts": [part], "micro_batch": MICRO} | changes)
    data = JoinedDataset([str(packed)])
    order = OrderedSampler(data.digest, len(data), seed=0)
    batches = StepBatches(order=order, total=len(data), batch=len(data), micro=MICRO)
    feed = Feed(data=data, batches=batches, attention="sdpa")
    args = arguments_of(plan, plan.parts[0], folder, steps=1, accumulation=batches.accumulation)
    meter = Meter(data.sources, args.device)
    made = PackedTrainer(model=model, args=args, feed=feed, held=feed, meter=meter)
    made.remove_callback(PrinterCallback)
    return made


def by_hand(model: Any) -> Any:
    """Loss of each document alone, weighted, in float64: Σ weight × loss ÷ Σ weight of all targets."""
    total, weight = torch.zeros((), dtype=torch.float64), 0.0
    for document in (each for documents in drawn() for each in documents):
        chances = model(input_ids=torch.tensor(document.tokens)[None]).logits[0].log_softmax(-1)
        for at in range(1, len(document.tokens)):
            mine = float((document.weights or [])[at])
            total = total - mine * chances[at - 1, document.tokens[at]]
            weight += mine
    return total / weight


def test_a_step_over_filled_micro_batches_is_the_gradient_worked_out_by_hand(packed: Path, tmp_path: Path) -> None:
    model = build(LlamaConfig(**SIZES), "sdpa").train()
    apart = copy.deepcopy(model).double()
    loss = by_hand(apart)
    loss.backward()
    trainer = trainer_of(packed, tmp_path, model)
    told = trainer.train()
    assert told.training_loss == pytest.approx(float(loss.detach()), rel=1e-5)
    for (name, before), after in zip(apart.named_parameters(), model.parameters(), strict=True):
        assert before.grad is not None
        step = before.detach() - after.detach().double()
        assert torch.allclose(step, RATE * before.grad, rtol=1e-3, atol=2e-6), name
    assert max(float(each.grad.abs().max()) for each in apart.parameters()) > 1e-2


def test_logits_of_a_training_in_bfloat16_are_bfloat16_and_its_weights_float32(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.dtype] = []

    def noting(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append(logits.dtype)
        return token_losses(logits, labels)

    monkeypatch.setattr(under_test, "token_losses", noting)
    model = build(LlamaConfig(**SIZES), "sdpa").train()
    wanted = float(by_hand(copy.deepcopy(model).double()).detach())
    trainer = trainer_of(packed, tmp_path, model, precision="bfloat16")
    assert trainer.evaluate()["eval_loss"] == pytest.approx(wanted, rel=1e-2)
    assert trainer.train().training_loss == pytest.approx(wanted, rel=1e-2)
    assert len(seen) == 2 * 3
    assert set(seen) == {torch.bfloat16}
    assert {each.dtype for each in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("asked", [True, False])
def test_a_balancing_loss_is_added_where_the_config_of_experts_asks_for_it(
    packed: Path, tmp_path: Path, *, asked: bool
) -> None:
    config = MixtralConfig(**SIZES, num_local_experts=4, router_aux_loss_coef=0.5, output_router_logits=asked)
    model = build(config, "sdpa").train()
    trainer = trainer_of(packed, tmp_path, model)
    with torch.no_grad():
        whole = by_hand(model)
        batches = list(trainer.feed.loader(0, pinned=False))
        given = [{name: each[name] for name in ("input_ids", "position_ids")} for each in batches]
        aux = [model(**each, output_router_logits=True).aux_loss for each in given]
    more = 0.5 * float(torch.stack(aux).mean())
    assert more > 0.1
    assert trainer.train().training_loss == pytest.approx(float(whole) + (more if asked else 0.0), rel=1e-4)
