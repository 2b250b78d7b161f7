"""What a config says of a model's size, against the models that transformers makes of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
)

from datapipe.errors import InputError
from datapipe.train.shape import shape_of

CONFIGS = {
    "llama 7B": LlamaConfig(),
    "llama with biases and grouped keys": LlamaConfig(attention_bias=True, mlp_bias=True, num_key_value_heads=8),
    "llama tied": LlamaConfig(num_hidden_layers=3, tie_word_embeddings=True),
    "mistral 7B": MistralConfig(),
    "qwen2": Qwen2Config(num_hidden_layers=4),
    "qwen3": Qwen3Config(num_hidden_layers=4),
    "qwen3 tied with biases": Qwen3Config(num_hidden_layers=4, attention_bias=True, tie_word_embeddings=True),
    "gemma3": Gemma3TextConfig(num_hidden_layers=7),
    "mixtral": MixtralConfig(num_hidden_layers=2),
    "qwen3 with experts": Qwen3MoeConfig(num_hidden_layers=2),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_are_those_of_the_model(name: str) -> None:
    config = CONFIGS[name]
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)
    shape = shape_of(config)
    assert shape.parameters == sum(weight.numel() for weight in model.parameters())
    norms = sum(weight.numel() for name, weight in model.named_parameters() if "norm" in name)
    assert shape.layers * shape.layer_norms + shape.hidden == norms


@pytest.mark.parametrize(
    ("config", "windows"),
    [
        (LlamaConfig(num_hidden_layers=2), (None, None)),
        (MistralConfig(num_hidden_layers=2, sliding_window=100), (100, 100)),
        (MistralConfig(num_hidden_layers=2, sliding_window=None), (None, None)),
        (Qwen3Config(num_hidden_layers=2, sliding_window=100), (None, None)),
        (Gemma3TextConfig(num_hidden_layers=7, sliding_window=100), (*[100] * 5, None, 100)),
    ],
)
def test_window_of_each_layer(config: Any, windows: tuple[int | None, ...]) -> None:
    assert shape_of(config).windows == windows


def test_file_of_a_saved_model_reads_as_its_config_does() -> None:
    config = Qwen3Config(num_hidden_layers=3)
    assert shape_of(config.to_diff_dict() | {"num_hidden_layers": 3} | sizes(config)) == shape_of(config)


def sizes(config: Any) -> dict[str, int]:
    names = ("hidden_size", "num_attention_heads", "num_key_value_heads", "intermediate_size", "vocab_size")
    return {name: getattr(config, name) for name in names}


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"model_type": "mamba"}, "the shape of a `mamba` is not known"),
        ({"model_type": "llama", "num_attention_heads": 4}, "`hidden_size`"),
        ({}, "`None`"),
        (Qwen3MoeConfig(num_hidden_layers=2, mlp_only_layers=[0]).to_dict(), "some layers of this model have experts"),
    ],
)
def test_what_is_not_known_is_said(config: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        shape_of(config)
