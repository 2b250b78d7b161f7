"""Bytes that a device needs, against real training state and the bytes alive at the height of real steps."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import LlamaConfig, Qwen3Config

from datapipe.errors import InputError
from datapipe.train.activations import Adapters, Precision
from datapipe.train.loss import weighted_loss
from datapipe.train.memory import MARGIN, Estimate, Settings, needed, optimizer_bytes
from datapipe.train.shape import shape_of
from tests.train.measured import Alive, autocast, made

WEIGHTS = {"fp32": torch.float32, "bf16": torch.bfloat16, "mixed": torch.float32}
SMALL: dict[str, Any] = {
    "vocab_size": 3000,
    "hidden_size": 64,
    "intermediate_size": 176,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
}
HALF_A_BILLION: dict[str, Any] = {
    "vocab_size": 151_936,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "tie_word_embeddings": True,
    "max_position_embeddings": 8192,
}


def height(config: Any, settings: Settings, *, fake: bool) -> tuple[int, Any]:
    """The most bytes alive in the second step, and the optimizer after it; of `fake` tensors only sizes are real."""
    alive = Alive()
    with FakeTensorMode() if fake else contextlib.nullcontext(), alive:
        model = made(
            config, attention="sdpa", weights=WEIGHTS[settings.precision], checkpointing=settings.checkpointing
        )
        optimizer = torch.optim.AdamW(model.parameters(), foreach=settings.optimizer == "adamw")
        tokens = torch.randint(0, config.vocab_size, (1, settings.length))
        places = torch.arange(settings.length)[None] % (settings.length // 2)  # two documents, so that there is a mask
        for _ in range(2):
            with alive.height() as most:
                for _ in range(2 if settings.accumulates else 1):
                    with autocast(enabled=settings.precision == "mixed"):
                        logits = model(input_ids=tokens, position_ids=places).logits
                    loss = weighted_loss(logits, tokens, torch.ones(tokens.shape), None)
                    del logits
                    loss.backward()
                    del loss
                optimizer.step()
                optimizer.zero_grad()
        return most[0], optimizer


STEPS = [
    # The loss is the height, in more than one chunk.
    Settings(length=2500, precision="fp32", attention="sdpa"),
    Settings(length=2500, precision="mixed", attention="sdpa", checkpointing=True),
    Settings(length=256, precision="bf16", attention="sdpa", accumulates=True),
    # The optimizer's step is the height.
    Settings(length=64, precision="mixed", attention="sdpa", accumulates=True),
]


@pytest.mark.parametrize("settings", STEPS, ids=lambda settings: f"{settings.length} {settings.precision}")
def test_peak_is_the_height_of_a_real_step(settings: Settings) -> None:
    config = LlamaConfig(**SMALL)
    most, _ = height(config, settings, fake=False)
    assert needed(config, settings).peak == pytest.approx(most, rel=0.1)


@pytest.mark.full
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("precision", WEIGHTS)
@pytest.mark.parametrize("length", [2048, 8192])
def test_peak_is_the_height_of_a_step_at_size(length: int, precision: Precision, *, checkpointing: bool) -> None:
    config = Qwen3Config(**HALF_A_BILLION)
    settings = Settings(length=length, precision=precision, attention="sdpa", checkpointing=checkpointing)
    most, _ = height(config, settings, fake=True)
    assert needed(config, settings).peak == pytest.approx(most, rel=0.03)


@pytest.mark.parametrize("precision", WEIGHTS)
def test_state_is_as_large_as_that_of_a_training(precision: Precision) -> None:
    config = Qwen3Config(**SMALL)
    model = made(config, attention="sdpa", weights=WEIGHTS[precision], checkpointing=False)
    optimizer = torch.optim.AdamW(model.parameters())
    tokens = torch.arange(10)[None]
    with autocast(enabled=precision == "mixed"):
        model(input_ids=tokens, labels=tokens).loss.backward()
    optimizer.step()
    told = needed(config, Settings(precision=precision, length=10))
    weights = list(model.parameters())
    assert told.parameters == told.trained == sum(weight.numel() for weight in weights)
    assert told.weights == sum(weight.nbytes for weight in weights)
    assert told.gradients == sum(weight.grad.nbytes for weight in weights if weight.grad is not None)
    moments = [value for state in optimizer.state.values() for name, value in state.items() if name != "step"]
    assert told.optimizer == sum(value.nbytes for value in moments)


# ---------------------------------------------------------------------------------------------- by hand

MIB = 1 << 20


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (Settings(precision="fp32"), 8 * MIB),
        (Settings(precision="mixed"), 8 * MIB),
        (Settings(precision="bf16"), 4 * MIB),
        (Settings(precision="bf16", master=True), 12 * MIB),
        (Settings(precision="bf16", optimizer="sgd"), 0),
        # Two states of a byte, and two float32 maxima for each 256 elements; 4,096 elements keep 2 × 4 bytes.
        (Settings(precision="bf16", optimizer="adamw_8bit"), 2 * (MIB - 4096) + 2 * 4 * (MIB - 4096) // 256 + 8 * 4096),
    ],
)
def test_optimizer_state_of_a_mebi_of_weights(settings: Settings, wanted: int) -> None:
    assert optimizer_bytes(MIB, 4096, settings) == wanted


def told(**settings: Any) -> Estimate:
    return needed(LlamaConfig(**SMALL), Settings(length=128, **settings))


@pytest.mark.parametrize(("zero", "divided"), [(0, ""), (1, "o"), (2, "og"), (3, "ogw")])
def test_zero_divides_what_its_stage_says(zero: Any, divided: str) -> None:
    alone, spread = told(), told(world=8, zero=zero)
    for name in ("weights", "gradients", "optimizer"):
        parts = 8 if name[0] in divided else 1
        assert getattr(spread, name) == -(-getattr(alone, name) // parts), name


def test_weights_in_four_bits_take_half_a_byte_and_what_unpacks_them() -> None:
    shape = shape_of(LlamaConfig(**SMALL))
    matrices = 3 * (64 * 64 * 2 + 64 * 32 * 2 + 64 * 176 * 3)
    packed = matrices // 2 + matrices // 64 + 4 * matrices // (64 * 256)  # codes, maxima, maxima of maxima
    adapters = Adapters(8)
    found = told(precision="bf16", adapters=adapters, quantised=True)
    added = 4 * 3 * adapters.parameters(shape)
    assert found.weights == pytest.approx(packed + 2 * (shape.parameters - matrices) + added, abs=1)
    assert found.trained * 4 == added


def test_offloaded_state_lies_in_the_host() -> None:
    whole = told(world=4, zero=3)
    optimizer, everything = (told(world=4, zero=3, offload=what) for what in ("optimizer", "everything"))
    assert (optimizer.optimizer, optimizer.host) == (0, whole.optimizer)
    assert (everything.weights, everything.host) == (0, whole.optimizer + whole.weights)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantised": True}, "weights in 4 bits are not trained"),
        ({"offload": "everything", "zero": 2}, "weights are offloaded by ZeRO-3 alone"),
        ({"world": 0}, "at least 1"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        told(**settings)


def test_table_says_every_part_and_the_margin() -> None:
    found = told(zero=1, world=2, offload="optimizer")
    lines = found.lines()
    shown = {line[:28].strip(): line[28:].split()[0] for line in lines[1:]}
    assert shown["weights"] == f"{found.weights / 2**30:.3f}"
    assert shown["in the host's memory"] == f"{found.host / 2**30:.3f}"
    assert found.wanted == round(found.peak * (1 + MARGIN))
    assert str(found) == "\n".join(lines)
