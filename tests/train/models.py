"""Tiny models from random numbers, of the families that packed data are mostly trained with."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen3Config,
)

SIZES: dict[str, Any] = {
    "vocab_size": 128,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "use_cache": False,
    "initializer_range": 0.05,  # logits of up to 1.6, of which 0.008 is the last bit of bf16
}
WINDOW = 5
FAMILIES: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SIZES),
    "qwen3": Qwen3Config(**SIZES),
    "mistral with a window": MistralConfig(**SIZES, sliding_window=WINDOW),
    "gemma3 with a window": Gemma3TextConfig(
        **SIZES, sliding_window=WINDOW, layer_types=["sliding_attention", "full_attention"]
    ),
}
CAPPED = Gemma2Config(**SIZES, attn_logit_softcapping=50.0)


def build(config: PreTrainedConfig, attention: str, dtype: torch.dtype = torch.float32) -> Any:
    """The same model for the same config, whatever the attention."""
    torch.manual_seed(5)
    return AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=dtype).eval()
