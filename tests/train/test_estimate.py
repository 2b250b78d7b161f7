"""What an estimate reads of a plan, its packed data and its model; the ready plans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datapipe.errors import InputError
from datapipe.train.estimate import config_of, estimate, settings_of
from datapipe.train.memory import Settings
from datapipe.train.plan import Plan, read_plan
from tests.train.packed_folder import Document, write_packed

ROOT = Path(__file__).parents[2]
LENGTH = 128
PLANS = sorted((ROOT / "configs" / "train").glob("*.yaml"))


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Four sequences of two documents each, and a tokenizer of 300 tokens."""
    rows = [[Document(f"{row}", "web", [1] * 100), Document(f"{row}b", "web", [2] * 28)] for row in range(4)]
    folder = write_packed(tmp_path / "packed", rows, length=LENGTH)
    (folder / "tokenizer").mkdir(exist_ok=True)
    told = {"model": {"vocab": {str(number): number for number in range(298)}}, "added_tokens": [{"id": 299}]}
    (folder / "tokenizer" / "tokenizer.json").write_text(json.dumps(told))
    return folder


def plan(packed: Path, **values: Any) -> Plan:
    part = {"name": "a", "data": [str(packed)], "batch_tokens": LENGTH} | values.pop("part", {})
    return Plan.model_validate({"run": "r", "parts": [part], **values})


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, {"precision": "fp32", "attention": "varlen", "sequences": 1, "accumulates": False}),
        ({"precision": "bfloat16"}, {"precision": "mixed"}),
        ({"precision": "bfloat16", "model": {"weights": "bfloat16"}}, {"precision": "bf16", "master": False}),
        ({"part": {"batch_tokens": 4 * LENGTH}, "micro_batch": 2}, {"sequences": 2, "accumulates": True}),
        ({"part": {"optimizer": "adamw_torch_fused"}, "attention": "sdpa"}, {"optimizer": "adamw_fused"}),
        ({"checkpoint_activations": True}, {"checkpointing": True}),
        ({"fsdp": {}, "precision": "bfloat16"}, {"zero": 3, "precision": "bf16", "master": True}),
        ({"fsdp": {"reshard_after_forward": False}}, {"zero": 2}),
        ({"deepspeed": str(ROOT / "configs/train/deepspeed/zero1.json")}, {"zero": 1, "offload": "nothing"}),
        ({"deepspeed": str(ROOT / "configs/train/deepspeed/zero2_offload.json")}, {"zero": 2, "offload": "optimizer"}),
        ({"deepspeed": str(ROOT / "configs/train/deepspeed/zero3_offload.json")}, {"zero": 3, "offload": "everything"}),
        ({"peft": {"r": 4}, "model": {"quantise": "4bit"}}, {"quantised": True}),
    ],
)
def test_settings_are_those_of_the_plan(packed: Path, values: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = settings_of(plan(packed, **values), 0, 1)
    assert {name: getattr(found, name) for name in wanted} == wanted
    assert found.length == LENGTH


def test_adapters_are_those_of_the_plan(packed: Path) -> None:
    found = settings_of(plan(packed, peft={"r": 4, "target_modules": ["q_proj"], "lora_dropout": 0.1}), 0, 1).adapters
    assert found is not None
    assert (found.rank, found.targets, found.dropout) == (4, ("q_proj",), 0.1)


def test_random_model_has_the_vocabulary_of_the_packed_data(packed: Path) -> None:
    assert config_of(plan(packed))["vocab_size"] == 300
    # Two layers of 64: embeddings, projections (keys half as wide), feed-forward of 176, norms.
    layer = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 176 + 2 * 64
    assert estimate({}, plan(packed)).parameters == 2 * 300 * 64 + 2 * layer + 64


def test_saved_model_is_told_from_its_file(packed: Path, tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 64}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 10, **sizes}))
    found = estimate({}, plan(packed, model={"name": str(tmp_path)}))
    assert found.parameters == 2 * 10 * 32 + 4 * 32 * 32 + 3 * 32 * 64 + 3 * 32


def test_estimate_is_of_the_part_that_takes_the_most(packed: Path) -> None:
    one = plan(packed)
    both = Plan.model_validate(
        {
            "run": "r",
            "parts": [each | {"name": name} for name, each in (("a", part(packed, "sgd")), ("b", part(packed)))],
        }
    )
    assert estimate({}, both) == estimate({}, one)


def part(packed: Path, optimizer: str = "adamw_torch") -> dict[str, Any]:
    return {"data": [str(packed)], "batch_tokens": LENGTH, "optimizer": optimizer}


def test_world_is_that_of_the_environment(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    sharded = plan(packed, fsdp={})
    assert estimate({}, sharded) == estimate({}, sharded, world=4) != estimate({}, sharded, world=1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"part": {"optimizer": "adafactor"}}, "optimizer `adafactor` is not known"),
        ({"peft": {"peft_type": "IA3"}}, "the memory of IA3 is not known"),
        ({"peft": {"target_modules": ["lm_head"]}}, "the sizes of lm_head are not known"),
        ({"peft": {"r": 4}, "model": {"quantise": "8bit"}}, "weights in 8 bits"),
        ({"deepspeed": "nowhere.json"}, "nowhere.json is no file"),
        ({"part": {"data": ["nowhere"]}}, "nowhere"),
    ],
)
def test_what_has_no_estimate_is_said(packed: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        estimate({}, plan(packed, **values))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.name)
def test_ready_plans_are_read_and_their_memory_is_known(path: Path, packed: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    read = read_plan(path)
    parts = tuple(each.model_copy(update={"data": (str(packed),)}) for each in read.parts)
    config = {"model_type": "qwen3", "hidden_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2}
    config |= {"intermediate_size": 128, "vocab_size": 300}
    model = read.model.model_copy(update={"name": None, "config": config})
    found = estimate({}, read.model_copy(update={"parts": parts, "model": model}))
    assert found.peak > found.weights > 0


def test_ready_deepspeed_files_are_told_apart(packed: Path) -> None:
    files = sorted((ROOT / "configs/train/deepspeed").glob("*.json"))
    found = [settings_of(plan(packed, deepspeed=str(path)), 0, 2) for path in files]
    assert len({(each.zero, each.offload) for each in found}) == len(files) == 5
    assert all(isinstance(each, Settings) for each in found)
