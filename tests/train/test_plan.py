"""Plans of training: read with every problem at once, overridden, written out, and put into transformers' words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datapipe.errors import InputError, RecipeError
from datapipe.train.arguments import arguments_of
from datapipe.train.plan import Part, Plan, read_plan, written_plan

LEAST = "run: runs/a\nparts:\n  - {name: cpt, data: [runs/x/out]}\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        read_plan(path, overrides)
    return str(caught.value)


def test_a_plan_written_out_reads_back_as_itself(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path, LEAST), ["parts.cpt.epochs=2.5", "peft.r=4", "seed=3"])
    assert (plan.parts[0].epochs, plan.peft, plan.seed) == (2.5, {"r": 4}, 3)
    assert read_plan(written(tmp_path, written_plan(plan))) == plan


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("run: a\n", "parts: is missing"),
        ("run: a\nparts: []\n", "parts: must hold at least 1"),
        (LEAST + "sead: 1\n", "sead: is not an option here; did you mean seed"),
        (LEAST.replace("cpt", "CPT"), "`name` is lower case"),
        (LEAST.replace("]}", "], schedule: linear}"), "a linear schedule ends at 0"),
        (LEAST.replace("]}", "], freeze: ['(']}"), "is no pattern of RE2"),
        (LEAST.replace("]}", "], freeze: ['(?=a)']}"), "is no pattern of RE2"),
        (LEAST + "  - {name: cpt, data: [runs/y/out]}\n", "two parts have one name"),
        (LEAST + "fsdp: {}\ndeepspeed: zero.json\n", "exclude each other"),
        (LEAST + "model: {quantise: 4bit}\n", "quantised weights cannot be trained"),
        (LEAST + "model: {name: a, config: {model_type: llama}}\n", "brings its own config"),
        (LEAST + "keep_checkpoints: 1\n", "must be at least 2"),
        ("- a\n", "a plan is a mapping"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    assert told in problems(written(tmp_path, text))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("epochs=2", "there is no option 'epochs'"),
        ("parts.sft.epochs=2", "there is no part 'sft'"),
        ("parts.1.epochs=2", "there is no part '1'"),
        ("seed", "this is no key=value"),
        ("parts.0.epochs=0", "must be more than 0"),
    ],
)
def test_what_is_wrong_with_an_override_is_said(tmp_path: Path, override: str, told: str) -> None:
    assert told in problems(written(tmp_path, LEAST), override)


@pytest.mark.parametrize(
    ("epochs", "sequences", "positions"), [(1, 10, 10), (2.5, 10, 25), (0.25, 10, 2), (0.01, 10, 1), (3, 1, 3)]
)
def test_epochs_are_passes_and_a_share_of_one(epochs: float, sequences: int, positions: int) -> None:
    assert Part(name="a", data=("x",), epochs=epochs).positions(sequences) == positions


@pytest.mark.parametrize(
    ("batch_tokens", "length", "sequences"), [(4096, 1024, 4), (5000, 1024, 5), (100, 1024, 1), (1024, 1000, 1)]
)
def test_a_batch_is_whole_sequences(batch_tokens: int, length: int, sequences: int) -> None:
    assert Part(name="a", data=("x",), batch_tokens=batch_tokens).batch_sequences(length) == sequences


def plan(**changes: Any) -> Plan:
    values = {"run": "a", "parts": [{"name": "a", "data": ["x"], "batch_tokens": 1000} | changes.pop("part", {})]}
    return Plan.model_validate(values | changes)


def arguments(tmp_path: Path, made: Plan) -> Any:
    return arguments_of(made, made.parts[0], tmp_path, steps=50, accumulation=4)


def test_a_part_becomes_training_arguments(tmp_path: Path) -> None:
    evaluation = {"data": ["y"], "every_tokens": 7000, "patience": 2}
    made = plan(checkpoint_tokens=10_000, part={"clip": None, "warmup": 0.1, "floor": 0.2, "evaluation": evaluation})
    told = arguments(tmp_path, made)
    assert (told.max_steps, told.gradient_accumulation_steps, told.max_grad_norm) == (50, 4, 0.0)
    assert (told.warmup_steps, told.lr_scheduler_kwargs) == (0.1, {"min_lr_rate": 0.2})
    assert told.lr_scheduler_type == "cosine_with_min_lr"
    assert (told.eval_steps, told.save_steps, told.load_best_model_at_end) == (7, 7, True)
    assert arguments(tmp_path, plan(checkpoint_tokens=10_000)).save_steps == 10


def test_further_arguments_are_passed_on_but_contradict_nothing(tmp_path: Path) -> None:
    assert arguments(tmp_path, plan(arguments={"neftune_noise_alpha": 5.0})).neftune_noise_alpha == 5.0
    with pytest.raises(InputError, match=r"arguments: max_steps follows"):
        arguments(tmp_path, plan(arguments={"max_steps": 3}))
    with pytest.raises(InputError, match=r"transformers refuses"):
        arguments(tmp_path, plan(arguments={"no_such_thing": 3}))
    with pytest.raises(InputError, match=r"is no file"):
        arguments(tmp_path, plan(deepspeed=str(tmp_path / "none.json")))
