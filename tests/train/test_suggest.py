"""What rules of thumb set for a plan, worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from datapipe.train.plan import Plan
from datapipe.train.suggest import pretraining_rate, suggest
from tests.train.packed_folder import Document, write_packed

LENGTH = 64
MODELS: tuple[dict[str, Any], ...] = ({}, {"model": {"name": "base"}})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages whose tokens all carry loss, and conversations of which a quarter does: 8,000 tokens each."""
    root = tmp_path_factory.mktemp("packed")
    tokens = [1] * LENGTH
    answers = [0.0] * 48 + [1.0] * 16
    return {
        name: write_packed(
            root / name, [[Document(f"{name}{row}", name, tokens, weights)] for row in range(125)], length=LENGTH
        )
        for name, weights in (("pages", None), ("chats", answers))
    }


def told(folders: dict[str, Path], parts: list[str], parameters: int = 1_300_000_000, **values: Any) -> dict[str, Any]:
    """What is suggested for parts named by their data."""
    made = [{"name": name, "data": [str(folders[name])]} for name in parts]
    found = suggest(Plan.model_validate({"run": "r", "parts": made, **values}), parameters)
    assert all(each.reason for each in found)
    return {each.field: each.value for each in found}


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        (100e6, (6.0e-4, 524_288)),
        (500e6, (3.0e-4, 524_288)),
        (1.5e9, (2.0e-4, 1_048_576)),
        (7e9, (1.2e-4, 2_097_152)),
        (70e9, (1.0e-4, 2_097_152)),
    ],
)
def test_pretraining_is_that_of_the_nearest_size(parameters: float, wanted: tuple[float, int]) -> None:
    assert pretraining_rate(parameters) == wanted


def test_trained_weights_go_on_at_a_tenth_of_the_rate_by_the_root_of_the_batch(folders: dict[str, Path]) -> None:
    found = told(folders, ["pages"], model={"name": "base"})
    assert found["parts.pages.batch_tokens"] == 64  # 8,000 tokens in 100 steps: one whole sequence
    wanted = 0.1 * 2.0e-4 * math.sqrt(64 / 1_048_576)
    assert found["parts.pages.learning_rate"] == pytest.approx(wanted, rel=0.05)
    assert found["parts.pages.warmup"] == 0.02


def test_random_weights_take_the_whole_rate(folders: dict[str, Path]) -> None:
    fresh, going_on = (told(folders, ["pages"], **model) for model in MODELS)
    name = "parts.pages.learning_rate"
    assert fresh[name] == pytest.approx(10 * going_on[name], rel=0.05)
    assert fresh["parts.pages.warmup"] == 0.01


def test_answers_that_alone_carry_loss_are_fine_tuned(folders: dict[str, Path]) -> None:
    found = told(folders, ["chats"])
    assert found["parts.chats.epochs"] == 3
    assert found["parts.chats.learning_rate"] == 2e-5
    assert found["parts.chats.warmup"] == pytest.approx(0.03)
    assert found["parts.chats.floor"] == 0


def test_adapters_come_with_a_rate_of_their_own(folders: dict[str, Path]) -> None:
    found = told(folders, ["chats"], peft={"peft_type": "LORA"})
    assert found["parts.chats.learning_rate"] == 2e-4
    assert {name: value for name, value in found.items() if name.startswith("peft")} == {
        "peft.target_modules": "all-linear",
        "peft.r": 8,
        "peft.lora_alpha": 16,
    }


def test_every_suggestion_is_an_option_of_the_plan_and_makes_one(folders: dict[str, Path]) -> None:
    found = told(folders, ["pages", "chats"], peft={"peft_type": "LORA"})
    values: dict[str, dict[str, Any]] = {"pages": {}, "chats": {}}
    peft = {}
    for field, value in found.items():
        *where, name = field.split(".")
        if where[0] == "peft":
            peft[name] = value
        else:
            values[where[1]][name] = value
    made = [{"name": name, "data": [str(folders[name])], **told_of} for name, told_of in values.items()]
    again = Plan.model_validate({"run": "r", "parts": made, "peft": peft})
    assert [part.learning_rate for part in again.parts] == [found[f"parts.{name}.learning_rate"] for name in values]


def test_size_is_told_from_the_model_of_the_plan(folders: dict[str, Path]) -> None:
    config = {"model_type": "llama", "vocab_size": 32_000, "hidden_size": 2048, "num_hidden_layers": 24}
    config |= {"num_attention_heads": 16, "intermediate_size": 5632}
    part = {"name": "pages", "data": [str(folders["pages"])]}
    plan = Plan.model_validate({"run": "r", "model": {"config": config}, "parts": [part]})
    assert suggest(plan) == suggest(plan, 1_364_297_728)
