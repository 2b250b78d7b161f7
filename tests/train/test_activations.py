"""Bytes that a forward pass keeps, against autograd's own hook on saved tensors."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch
from transformers import Gemma3TextConfig, LlamaConfig, Qwen3Config, Qwen3MoeConfig

from datapipe.train.activations import Adapters, Attention, Pass, Precision, kept
from datapipe.train.shape import LINEAR_TARGETS, shape_of
from tests.train.measured import autocast, made, saved_bytes

SIZES: dict[str, Any] = {
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 176,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 20,
    "max_position_embeddings": 256,
}
TOKENS = 128
WEIGHTS = {"fp32": torch.float32, "bf16": torch.bfloat16, "mixed": torch.float32}
CONFIGS = {
    "llama": LlamaConfig(**SIZES),
    "qwen3": Qwen3Config(**SIZES),
    "gemma3": Gemma3TextConfig(**SIZES),
    "qwen3 with experts": Qwen3MoeConfig(**SIZES, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=48),
}


def measured(model: Any, precision: str) -> int:
    """Two documents in a row, and the loss of transformers."""
    tokens = torch.randint(0, 1000, (1, TOKENS))
    places = torch.arange(TOKENS // 2).repeat(2)[None]

    def run() -> None:
        with autocast(enabled=precision == "mixed"):
            model(input_ids=tokens, position_ids=places, labels=tokens, use_cache=False)

    return saved_bytes(model, run)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("precision", WEIGHTS)
@pytest.mark.parametrize(("name", "attention"), [*((name, "sdpa") for name in CONFIGS), ("llama", "eager")])
def test_kept_bytes_are_what_autograd_saves(
    name: str, attention: Attention, precision: Precision, *, checkpointing: bool
) -> None:
    config = CONFIGS[name]
    model = made(config, attention=attention, weights=WEIGHTS[precision], checkpointing=checkpointing)
    told = kept(
        shape_of(config),
        Pass(sequences=1, length=TOKENS, precision=precision, attention=attention),
        checkpointing=checkpointing,
    )
    # To some scalars without checkpointing; with it the cosines stay, which the hook does not see.
    assert measured(model, precision) == pytest.approx(told, rel=0.04 if checkpointing else 0.005)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("precision", WEIGHTS)
@pytest.mark.parametrize(
    "adapters",
    [
        Adapters(8),
        Adapters(8, dropout=0.1),
        Adapters(4, ("q_proj", "v_proj")),
    ],
    ids=lambda adapters: f"{len(adapters.targets)} targets, dropout {adapters.dropout}",
)
def test_kept_bytes_beside_frozen_weights(adapters: Adapters, precision: Precision, *, checkpointing: bool) -> None:
    config = CONFIGS["qwen3"]
    model = made(config, attention="sdpa", weights=WEIGHTS[precision], checkpointing=checkpointing)
    lora = peft.LoraConfig(r=adapters.rank, lora_dropout=adapters.dropout, target_modules=list(adapters.targets))
    model = peft.get_peft_model(model, lora)
    if checkpointing:
        model.enable_input_require_grads()
    told = kept(
        shape_of(config),
        # A dropout mask has four bytes an element on a CPU.
        Pass(sequences=1, length=TOKENS, precision=precision, attention="sdpa", adapters=adapters, mask_byte=4),
        checkpointing=checkpointing,
    )
    # The first layer's input takes no gradient, and so it saves a little less.
    assert measured(model, precision) == pytest.approx(told, rel=0.05)


def test_adapters_have_the_weights_that_peft_gives_them() -> None:
    config = CONFIGS["qwen3"]
    model: Any = peft.get_peft_model(
        made(config, attention="sdpa", weights=torch.bfloat16, checkpointing=False),
        peft.LoraConfig(r=8, target_modules="all-linear"),
    )
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    shape = shape_of(config)
    assert sum(weight.numel() for weight in trained) == shape.layers * Adapters(8, LINEAR_TARGETS).parameters(shape)
    assert {weight.dtype for weight in trained} == {torch.float32}
