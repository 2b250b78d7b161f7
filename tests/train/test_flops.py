"""FLOPs of a step, against torch's own counter and by hand."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from transformers import Gemma3TextConfig, LlamaConfig, MistralConfig, Qwen3Config

from datapipe.train.activations import Adapters
from datapipe.train.flops import Flops, flops, mfu, pairs, peak
from datapipe.train.shape import shape_of
from tests.train.measured import made

SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 176,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 20,
}
CONFIGS = {
    "llama": LlamaConfig(**SIZES),
    "qwen3": Qwen3Config(**SIZES),
    "gemma3": Gemma3TextConfig(**SIZES),
}
TOKENS = 96


@given(st.integers(1, 60), st.one_of(st.none(), st.integers(1, 80)))
def test_pairs_are_those_of_the_mask(length: int, window: int | None) -> None:
    seen = [(i, j) for i in range(length) for j in range(i + 1) if window is None or i - j < window]
    assert pairs(length, window) == len(seen)


def counted(model: Any) -> tuple[int, int]:
    """FLOPs forward and backward as torch counts them: with every pair of tokens in attention."""
    tokens = torch.arange(TOKENS)[None]
    with FlopCounterMode(display=False) as forward:
        loss = model(input_ids=tokens, labels=tokens).loss
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    return forward.get_total_flops(), backward.get_total_flops()


def all_pairs(config: Any, *, frozen: bool = False, adapters: int = 0) -> tuple[int, int, int]:
    """Our count with the pairs that a mask hides put in: an eager attention computes them all the same."""
    shape = shape_of(config)
    told = flops(shape, [TOKENS], checkpointing=True, frozen=frozen, adapters=adapters)
    hidden = sum(TOKENS**2 - pairs(TOKENS, window) for window in shape.windows) * 4 * shape.queries
    return told.forward + hidden, told.backward + 2 * hidden, told.again + hidden


@pytest.mark.parametrize("name", CONFIGS)
def test_flops_are_what_torch_counts(name: str) -> None:
    model = made(CONFIGS[name], attention="eager", weights=torch.float32, checkpointing=False)
    assert counted(model) == all_pairs(CONFIGS[name])[:2]


@pytest.mark.parametrize("name", CONFIGS)
def test_flops_computed_again_are_those_of_the_layers(name: str) -> None:
    model = made(CONFIGS[name], attention="eager", weights=torch.float32, checkpointing=True)
    forward, backward, again = all_pairs(CONFIGS[name])
    assert counted(model) == (forward, backward + again)


def test_frozen_weights_take_one_multiplication_backward() -> None:
    config, adapters = CONFIGS["llama"], Adapters(8)
    model = made(config, attention="eager", weights=torch.float32, checkpointing=False)
    model = peft.get_peft_model(model, peft.LoraConfig(r=8, target_modules="all-linear"))
    shape = shape_of(config)
    forward, backward, _ = all_pairs(config, frozen=True, adapters=shape.layers * adapters.parameters(shape))
    first = (
        2 * TOKENS * 64 * (80 + 40 + 40 + 3 * 8)
    )  # nothing before the first layer's queries, keys, values is trained
    assert counted(model) == (forward, backward - first)


def test_attention_counts_documents_by_themselves() -> None:
    shape = shape_of(CONFIGS["llama"])
    whole, apart = flops(shape, [1000]), flops(shape, [600, 400])
    assert whole.forward - apart.forward == 3 * 4 * 80 * 600 * 400  # layers, two products, queries, hidden pairs


def test_window_bounds_what_long_documents_cost() -> None:
    config = MistralConfig(**SIZES, sliding_window=10)
    shape = shape_of(config)
    longer = flops(shape, [2000]).forward - flops(shape, [1000]).forward
    assert longer == 1000 * (2 * shape.multiplied + 3 * 4 * 80 * 10)


@pytest.mark.parametrize(
    ("device", "wanted"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA GeForce GTX 1080", None),
    ],
)
def test_peak_of_a_device(device: str, wanted: float | None) -> None:
    assert peak(device) == wanted


def test_mfu_is_of_the_models_flops_alone() -> None:
    assert mfu(Flops(100, 200, 100), seconds=2.0, peak_flops=300.0) == 0.5
