"""A part of a plan in the words of transformers' TrainingArguments.

Costs nothing: names. What a plan passes on under `arguments` may add to these, never contradict them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from datapipe.errors import InputError
from datapipe.train.plan import Part, Plan

__all__ = ["arguments_of"]

_SCHEDULES = {"cosine": "cosine_with_min_lr", "linear": "linear", "constant": "constant_with_warmup"}


def arguments_of(plan: Plan, part: Part, folder: Path, *, steps: int, accumulation: int) -> TrainingArguments:
    """TrainingArguments for `steps` steps of a part, whose output goes to `folder`.

    Raises InputError where `arguments` sets what the plan has options for, or what transformers does not know.
    """
    values = _values(plan, part, steps, accumulation) | {"output_dir": str(folder)}
    given = dict(plan.arguments)
    twice = sorted(values.keys() & given.keys() - {"report_to"})
    if twice:
        raise InputError(
            f"arguments: {', '.join(twice)} follows from the plan's own options", remedy="set it there, see --help"
        )
    try:
        return TrainingArguments(**(values | given))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"transformers refuses these arguments: {' '.join(str(error).split())[:200]}", remedy="mend the plan"
        ) from error


def _values(plan: Plan, part: Part, steps: int, accumulation: int) -> dict[str, Any]:
    values: dict[str, Any] = {
        "max_steps": steps,
        "per_device_train_batch_size": plan.micro_batch,
        "gradient_accumulation_steps": accumulation,
        "learning_rate": part.learning_rate,
        "lr_scheduler_type": _SCHEDULES[part.schedule],
        "lr_scheduler_kwargs": {"min_lr_rate": part.floor} if part.schedule == "cosine" else {},
        "warmup_steps": part.warmup,
        "optim": part.optimizer,
        "weight_decay": part.weight_decay,
        "adam_beta1": part.beta1,
        "adam_beta2": part.beta2,
        "max_grad_norm": part.clip or 0.0,
        "bf16": plan.precision == "bfloat16",
        "fp16": plan.precision == "float16",
        "torch_compile": plan.compile,
        "activation_checkpointing": plan.checkpoint_activations,
        "seed": plan.seed,
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_num_workers": plan.loader_workers,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "logging_strategy": "steps",
        "logging_steps": plan.log_steps,
        "logging_nan_inf_filter": False,  # a loss that is no number is to be seen
        "report_to": [],
        "disable_tqdm": True,
        "save_strategy": "steps",
        "save_steps": _every(plan.checkpoint_tokens, part),
        "save_total_limit": plan.keep_checkpoints,
        "ignore_data_skip": True,  # the loader begins where it should; nothing is read over
        "restore_callback_states_from_checkpoint": True,
        "remove_unused_columns": False,
        "ddp_find_unused_parameters": False,  # every weight that is trained has a share in every step
    }
    return values | _evaluation(part) | _spread(plan)


def _every(tokens: int, part: Part) -> int:
    """Steps that hold so many tokens."""
    return max(1, round(tokens / part.batch_tokens))


def _evaluation(part: Part) -> dict[str, Any]:
    if part.evaluation is None:
        return {"eval_strategy": "no"}
    every = _every(part.evaluation.every_tokens, part)
    values: dict[str, Any] = {"eval_strategy": "steps", "eval_steps": every}
    if part.evaluation.patience is not None:  # the best weights are kept, so each evaluation has a checkpoint
        values |= {"save_steps": every, "load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}
        values |= {"greater_is_better": False}
    return values


def _spread(plan: Plan) -> dict[str, Any]:
    """Over several devices."""
    if plan.deepspeed is not None:
        if not Path(plan.deepspeed).is_file():
            raise InputError(f"deepspeed: {plan.deepspeed} is no file", remedy="name one, such as of configs/train")
        return {"deepspeed": plan.deepspeed}
    if plan.fsdp is not None:
        return {"fsdp": True, "fsdp_config": {"version": 2, **plan.fsdp}}
    return {}
