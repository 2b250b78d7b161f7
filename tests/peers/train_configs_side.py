"""Reads ready configs with the tools they are for, in an environment of its own; prints what they say as JSON.

<peer>/bin/python tests/peers/train_configs_side.py deepspeed|trl FILE …
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


def of_deepspeed(path: str) -> Any:
    """The stage and offloads that transformers reads; DeepSpeed's own model refuses keys it does not know."""
    from deepspeed.runtime.zero.config import DeepSpeedZeroConfig  # noqa: PLC0415 - of another environment
    from transformers.integrations.deepspeed import HfDeepSpeedConfig  # noqa: PLC0415

    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a few lines
        told = json.load(file)
    read = HfDeepSpeedConfig(told)
    known = {name: value for name, value in told["zero_optimization"].items() if value != "auto"}
    zero = DeepSpeedZeroConfig(**known)
    devices = [
        each and str(getattr(each.device, "value", each.device))
        for each in (zero.offload_optimizer, zero.offload_param)
    ]
    unknown = sorted(
        set(told["zero_optimization"]) - set(DeepSpeedZeroConfig.model_fields) - _aliases(DeepSpeedZeroConfig)
    )
    return {
        "zero2": read.is_zero2(),
        "zero3": read.is_zero3(),
        "offload": read.is_offload(),
        "devices": devices,
        "unknown": unknown,
    }


def _aliases(model: Any) -> set[str]:
    return {field.alias for field in model.model_fields.values() if field.alias}


def of_trl(path: str) -> Any:
    """What its parser makes of the file; it refuses fields that SFTConfig has not."""
    from trl import SFTConfig, TrlParser  # noqa: PLC0415 - of another environment

    read, rest = TrlParser(SFTConfig).parse_args_and_config(
        ["--config", path, "--use_cpu", "true", "--bf16", "false"], return_remaining_strings=True
    )
    names = ("packing", "padding_free", "max_length", "assistant_only_loss", "dataset_kwargs", "warmup_steps")
    return {"rest": rest, **{name: getattr(read, name) for name in names}}


READERS: dict[str, Callable[[str], Any]] = {"deepspeed": of_deepspeed, "trl": of_trl}

if __name__ == "__main__":
    print("\n" + json.dumps([READERS[sys.argv[1]](path) for path in sys.argv[2:]]))
