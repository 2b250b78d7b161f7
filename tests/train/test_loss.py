"""The loss of a step is one weighted mean, however the step is cut into micro-batches and spread over ranks."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from datapipe.errors import InputError
from datapipe.train import loss
from datapipe.train.collator import Collator, model_inputs
from datapipe.train.loss import by_source, step_weight, token_losses, weighted_loss

NONE = -100
WIDTH = 12
VOCABULARY = 128
Floats = npt.NDArray[np.float64]


class Bigrams(torch.nn.Module):
    """The least that has logits: each token's chances depend on the one before."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.scores = torch.nn.Embedding.from_pretrained(3 * torch.randn(VOCABULARY, VOCABULARY), freeze=False)

    def forward(self, input_ids: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        return {"logits": self.scores(input_ids)}


def items(count: int = 4) -> list[dict[str, Any]]:
    """Sequences of documents with weights of many values, very unlike in how much they weigh."""
    rng = np.random.default_rng(3)
    made = []
    for index in range(count):
        lengths = np.array([[5, 7], [2, 1], [9, 2], [1, 1, 3]][index % 4])
        tokens = rng.integers(1, VOCABULARY, int(lengths.sum()))
        labels = np.where(rng.random(len(tokens)) < 0.3, NONE, tokens)
        weights = rng.choice([0.25, 1.0, 3.0], len(tokens)).astype(np.float32)
        lists = {"input_ids": tokens, "labels": labels, "seq_lengths": lengths, "loss_weights": weights}
        made.append(lists | {"index": index})
    return made


def by_hand(logits: Floats, item: dict[str, Any]) -> tuple[float, float]:
    """Σ weight × loss and Σ weight of a sequence, in float64 and token by token."""
    starts = set((np.cumsum(item["seq_lengths"]) - item["seq_lengths"]).tolist())
    total = weight = 0.0
    for place, label in enumerate(item["labels"].tolist()):
        if label == NONE or place in starts:
            continue
        scores = logits[place - 1]
        mine = float(item["loss_weights"][place])
        total += mine * (float(np.log(np.exp(scores - scores.max()).sum())) + scores.max() - scores[label])
        weight += mine
    return total, weight


def model_and_answer() -> tuple[Any, float]:
    """A model, and the loss of all sequences worked out by hand."""
    model = Bigrams()
    with torch.no_grad():
        logits = model(**model_inputs(Collator(WIDTH)(items())))["logits"].double().numpy()
    told = [by_hand(some, item) for some, item in zip(logits, items(), strict=True)]
    return model, sum(total for total, _ in told) / sum(weight for _, weight in told)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {name: each.grad.clone() for name, each in model.named_parameters()}


def whole_step(model: Any) -> dict[str, torch.Tensor]:
    """Gradients of all sequences in one batch."""
    model.zero_grad()
    batch = Collator(WIDTH)(items())
    weighted_loss(model(**model_inputs(batch)), batch["labels"], batch["loss_weights"], None).backward()
    return gradients(model)


def agree(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(grad, others[name], rtol=1e-4, atol=1e-7) for name, grad in some.items())


def test_the_loss_is_the_weighted_mean_worked_out_by_hand() -> None:
    model, answer = model_and_answer()
    batch = Collator(WIDTH)(items())
    outputs = model(**model_inputs(batch))
    for given_as in (outputs, outputs["logits"]):
        told = weighted_loss(given_as, batch["labels"], batch["loss_weights"], None).detach()
        assert float(told) == pytest.approx(answer, rel=1e-5)


@pytest.mark.parametrize("sizes", [[4], [1, 3], [2, 2], [1, 1, 1, 1]])
def test_accumulation_is_the_same_step(sizes: list[int]) -> None:
    model, answer = model_and_answer()
    wanted = whole_step(model)
    model.zero_grad()
    parts = np.split(np.arange(4), np.cumsum(sizes)[:-1])
    batches = [Collator(WIDTH)([items()[number] for number in part]) for part in parts]
    over = step_weight(batches)
    total = 0.0
    for batch in batches:
        told = weighted_loss(model(**model_inputs(batch)), batch["labels"], batch["loss_weights"], over)
        told.backward()
        total += float(told.detach())
    assert total == pytest.approx(answer, rel=1e-5)
    assert agree(gradients(model), wanted)
    means = [weighted_loss(model(**model_inputs(each)), each["labels"], each["loss_weights"], None) for each in batches]
    if len(sizes) > 1:  # the mean of means is another number, so the above can fail
        assert float(torch.stack(means).mean().detach()) != pytest.approx(answer, rel=1e-3)


def rank(number: int, store: str, told: Any) -> None:
    """One of two ranks with one sequence and three, in micro-batches of one; gradients are summed."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=number, world_size=2)
    model = Bigrams()
    mine = [[0], [1, 2, 3]][number]
    batches = [Collator(WIDTH)([items()[each]]) for each in mine]
    over, total, summed = step_weight(batches), torch.zeros(()), dict[str, Any]()
    for batch in batches:
        found = weighted_loss(model(**model_inputs(batch)), batch["labels"], batch["loss_weights"], over)
        found.backward()
        total += found.detach()
    dist.all_reduce(total)
    for name, grad in gradients(model).items():
        dist.all_reduce(grad)
        summed[name] = grad.numpy()
    told.put((number, float(over), float(total), summed))
    dist.destroy_process_group()


def test_two_ranks_are_the_same_step(tmp_path: Path) -> None:
    model, answer = model_and_answer()
    wanted = whole_step(model)
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    ranks = [context.Process(target=rank, args=(number, str(tmp_path / "store"), told)) for number in range(2)]
    for each in ranks:
        each.start()
    answers = [told.get(timeout=120) for _ in ranks]
    for each in ranks:
        each.join()
    assert [each.exitcode for each in ranks] == [0, 0]
    weight = float(Collator(WIDTH)(items())["loss_weights"].sum())
    for _, over, total, grads in answers:
        assert over == pytest.approx(weight)
        assert total == pytest.approx(answer, rel=1e-5)
        assert agree({name: torch.from_numpy(each) for name, each in grads.items()}, wanted)


# ---------------------------------------------------------------------------------------------- tokens


def test_each_loss_stands_at_the_token_that_is_predicted() -> None:
    logits = torch.zeros(1, 3, 4)
    logits[0, 0, 2] = np.log(3.0)  # the second token is 2 with a chance of 3 in 6
    told = token_losses(logits, torch.tensor([[1, 2, NONE]]))
    assert told.tolist() == [[0.0, pytest.approx(np.log(2.0)), 0.0]]


@given(tokens=st.integers(2, 40), chunk=st.integers(1, 50))
def test_how_many_tokens_are_taken_at_a_time_does_not_show(tokens: int, chunk: int) -> None:
    logits = torch.randn(2, tokens, 9, generator=torch.Generator().manual_seed(tokens))
    labels = torch.randint(0, 9, (2, tokens), generator=torch.Generator().manual_seed(chunk))
    wanted = token_losses(logits, labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss, "CHUNK", chunk)
        assert torch.allclose(token_losses(logits, labels), wanted, atol=1e-6)


@pytest.mark.parametrize(("dtype", "off"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)], ids=str)
def test_losses_and_gradients_are_those_of_torch(dtype: torch.dtype, off: float) -> None:
    logits = (4 * torch.randn(2, 30, 50, generator=torch.Generator().manual_seed(1))).to(dtype)
    labels = torch.randint(0, 50, (2, 30), generator=torch.Generator().manual_seed(2))
    labels[0, 4:9] = NONE
    factors = torch.rand(2, 30, generator=torch.Generator().manual_seed(3))
    mine, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    told = token_losses(mine, labels)
    (told * factors).sum().backward()
    wanted = cross_entropy(theirs[:, :-1].float().transpose(1, 2), labels[:, 1:], reduction="none", ignore_index=NONE)
    (wanted * factors[:, 1:]).sum().backward()
    assert mine.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(told[:, 1:], wanted, atol=1e-5)
    assert told[:, 0].tolist() == [0.0, 0.0]
    assert float((mine.grad - theirs.grad).abs().max()) <= off
    assert mine.grad.dtype == dtype


def test_losses_are_summed_by_source_and_padding_is_of_none() -> None:
    losses = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    weights = torch.tensor([[1.0, 0.5, 2.0, 7.0]])
    sums, weight = by_source(losses, weights, torch.tensor([[0, 2, 0, -1]]), 3)
    assert (sums.tolist(), weight.tolist()) == ([7.0, 0.0, 1.0], [3.0, 0.0, 0.5])


def test_a_step_without_any_target_has_a_loss_of_zero_and_no_gradient() -> None:
    logits = torch.randn(1, 4, 9, requires_grad=True)
    told = weighted_loss(logits, torch.full((1, 4), NONE), torch.zeros(1, 4), None)
    told.backward()
    assert float(told.detach()) == 0.0
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) == 0.0


def test_a_batch_without_weights_is_one_line() -> None:
    with pytest.raises(InputError, match="no loss weights") as raised:
        weighted_loss(torch.zeros(1, 2, 3), torch.zeros(1, 2, dtype=torch.long), None, None)
    assert "\n" not in str(raised.value)
