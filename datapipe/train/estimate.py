"""How much memory a plan takes: `datapipe train PLAN --estimate`.

What: reads of a plan, its packed data and its model what `datapipe.train.memory` has to know. The world is that of the
environment (`WORLD_SIZE`, as torchrun sets it), since a plan does not say on how many devices it runs.
Costs nothing: a few small files are read; weights are not. Neither torch nor transformers is needed, unless the model
is one of the hub.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from datapipe.errors import InputError
from datapipe.train.activations import Adapters, Precision
from datapipe.train.memory import Estimate, Optimizer, Settings, needed
from datapipe.train.packed import PackedDataset
from datapipe.train.plan import TINY, Plan
from datapipe.train.shape import LINEAR_TARGETS

__all__ = ["config_of", "estimate", "settings_of"]

# By the names that transformers gives them.
_OPTIMIZERS: dict[str, Optimizer] = {
    "adamw_torch": "adamw",
    "adamw_torch_fused": "adamw_fused",
    "adamw_bnb_8bit": "adamw_8bit",
    "adamw_8bit": "adamw_8bit",
    "paged_adamw_8bit": "adamw_8bit",
    "sgd": "sgd",
}


def estimate(config: dict[str, Any], plan: Plan, world: int | None = None) -> Estimate:
    """Bytes on one device, of the part that takes the most. `config`: {} for that of its model.

    `world`: devices; None: as the environment says. Raises InputError for what has no estimate.
    """
    world = int(os.environ.get("WORLD_SIZE", "1")) if world is None else world
    whole = config_of(plan) | config
    found = [needed(whole, settings_of(plan, number, world)) for number in range(len(plan.parts))]
    return max(found, key=lambda each: each.peak)


def config_of(plan: Plan) -> dict[str, Any]:
    """The config of a plan's model: of a saved one its file, of a random one with what the packed data settle."""
    if plan.model.name is None:
        config = dict(plan.model.config or TINY)
        if "vocab_size" not in config:
            config["vocab_size"] = _vocabulary(Path(plan.parts[0].data[0]) / "tokenizer" / "tokenizer.json")
        return config
    saved = Path(plan.model.name) / "config.json"
    if saved.is_file():
        read: dict[str, Any] = json.loads(saved.read_bytes())
        return read
    from transformers import AutoConfig  # noqa: PLC0415 - of the hub's models alone

    told: dict[str, Any] = AutoConfig.from_pretrained(plan.model.name).to_dict()
    return told


def _vocabulary(path: Path) -> int:
    """Tokens of a tokenizer: the numbers up to the highest."""
    if not path.is_file():
        raise InputError(f"{path} is no file", remedy="set model.config.vocab_size, or write the packed data first")
    told = json.loads(path.read_bytes())
    numbers = [*told["model"]["vocab"].values(), *(each["id"] for each in told.get("added_tokens", ()))]
    return int(max(numbers)) + 1


def settings_of(plan: Plan, part: int, world: int) -> Settings:
    """What a part of a plan, on so many devices, asks of memory."""
    chosen = plan.parts[part]
    length = max(PackedDataset(folder).length for folder in chosen.data)
    if chosen.optimizer not in _OPTIMIZERS:
        raise InputError(
            f"the memory of the optimizer `{chosen.optimizer}` is not known",
            remedy=f"an estimate can be made with {', '.join(_OPTIMIZERS)}",
        )
    zero, offload = _divided(plan)
    return Settings(
        sequences=plan.micro_batch,
        length=length,
        precision="bf16" if zero and plan.precision != "float32" else _precision(plan),
        attention=plan.attention or "varlen",
        checkpointing=plan.checkpoint_activations,
        optimizer=_OPTIMIZERS[chosen.optimizer],
        master=zero > 0,
        accumulates=plan.accumulation(chosen, length, world) > 1,
        world=world,
        zero=zero,
        offload=offload,
        adapters=_adapters(plan),
        quantised=_quantised(plan),
    )


def _precision(plan: Plan) -> Precision:
    if plan.model.weights != "float32":
        return "bf16"
    return "fp32" if plan.precision == "float32" else "mixed"


def _quantised(plan: Plan) -> bool:
    if plan.model.quantise == "8bit":
        raise InputError("the memory of weights in 8 bits is not known", remedy="set model.quantise: 4bit, or none")
    return plan.model.quantise is not None


def _adapters(plan: Plan) -> Adapters | None:
    if plan.peft is None:
        return None
    told = dict(plan.peft)
    kind = str(told.get("peft_type", "LORA")).upper()
    if kind != "LORA":
        raise InputError(f"the memory of {kind} is not known", remedy="an estimate can be made of LORA, or of none")
    targets = told.get("target_modules", "all-linear")
    names = LINEAR_TARGETS if targets == "all-linear" else tuple(targets)
    if unknown := sorted(set(names) - set(LINEAR_TARGETS)):
        raise InputError(
            f"peft.target_modules: the sizes of {', '.join(unknown)} are not known",
            remedy=f"an estimate can be made of all-linear and of {', '.join(LINEAR_TARGETS)}",
        )
    return Adapters(int(told.get("r", 8)), names, float(told.get("lora_dropout", 0.0)))


def _divided(plan: Plan) -> tuple[Literal[0, 1, 2, 3], Literal["nothing", "optimizer", "everything"]]:
    """The part of ZeRO that a plan's DeepSpeed file or FSDP settings amount to, and what they offload."""
    if plan.fsdp is not None:
        kept = plan.fsdp.get("reshard_after_forward", True) in {False, "false"}
        return 2 if kept else 3, "everything" if plan.fsdp.get("offload_params") else "nothing"
    if plan.deepspeed is None:
        return 0, "nothing"
    path = Path(plan.deepspeed)
    if not path.is_file():
        raise InputError(f"{path} is no file", remedy="set deepspeed to one of configs/train/deepspeed/")
    zero = json.loads(path.read_bytes()).get("zero_optimization", {})
    stage = zero.get("stage", 0)
    if stage not in {0, 1, 2, 3}:
        raise InputError(f"{path} has no such ZeRO stage as {stage!r}", remedy="set it to 0, 1, 2 or 3")
    offloads = {
        name: (zero.get(f"offload_{name}") or {}).get("device", "none") != "none" for name in ("optimizer", "param")
    }
    what: Literal["nothing", "optimizer", "everything"] = "optimizer" if offloads["optimizer"] else "nothing"
    return stage, "everything" if offloads["param"] else what
