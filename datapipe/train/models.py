"""The model of a plan: made from random or loaded, frozen in part, given adapters; and saved so that others can use it.

transformers and peft do all of it under their own names; this says which of them a plan asks for, and makes sure that a
saved model carries the tokenizer and the chat template that its data were made with.
Costs what loading and saving weights cost.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, set_seed

from datapipe.errors import InputError
from datapipe.train.gates import same_vocabulary
from datapipe.train.plan import TINY, Model, Plan

__all__ = ["carry_tokenizer", "frozen", "load_model", "load_tokenizer", "merged", "stops"]

ADAPTER = "adapter_config.json"  # peft's, in a folder of saved adapters
MERGEABLE = ("LORA", "ADALORA", "LOHA", "LOKR", "OFT", "IA3")  # peft_types whose weights add into the model's


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer that lies beside packed data."""
    return AutoTokenizer.from_pretrained(str(folder))


def load_model(plan: Plan, tokenizer_folder: Path, attention: str, *, length: int, before: Path | None = None) -> Any:
    """The model that a part begins with, in the type its weights are held in. Raises InputError where it does not fit.

    `length`: tokens of a sequence, which a model made from random has positions for. `before`: where the part before
    saved its weights, or its adapters; None: it is the first.
    """
    if before is not None and plan.peft is None:
        base = _loaded(plan, str(before), attention)
    else:
        base = _first(plan, tokenizer_folder, attention, length)
    model = _fitted(base, load_tokenizer(tokenizer_folder))
    if plan.peft is None:
        return model
    return _with_adapters(model, plan, before)


def _first(plan: Plan, tokenizer_folder: Path, attention: str, length: int) -> Any:
    """The model that the plan begins with."""
    asked = plan.model
    if asked.name is not None:
        _check_tokenizer(asked.name, tokenizer_folder)
        return _loaded(plan, asked.name, attention, **_quantised(asked, plan.precision))
    config = _random_config(asked, tokenizer_folder, length)
    set_seed(plan.seed)
    return AutoModelForCausalLM.from_config(config, dtype=getattr(torch, asked.weights), attn_implementation=attention)


def _loaded(plan: Plan, name: str, attention: str, **options: Any) -> Any:
    try:
        return AutoModelForCausalLM.from_pretrained(
            name,
            dtype=getattr(torch, plan.model.weights),
            attn_implementation=attention,
            trust_remote_code=plan.model.trust_code,
            **options,
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"the model {name} cannot be loaded: {' '.join(str(error).split())[:160]}",
            remedy="name a folder that save_pretrained wrote, or a model of the hub",
        ) from error


def _fitted(model: Any, tokenizer: Any) -> Any:
    """The model, told to cache nothing and where an answer ends. Raises InputError where tokens have no row in it."""
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise InputError(
            f"the model has {rows:,} tokens, the packed data's tokenizer {len(tokenizer):,}",
            remedy="tokenise with the model's own tokenizer",
        )
    model.config.use_cache = False  # cached keys switch off how transformers tells documents apart
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):  # transformers would do it, with a warning
        number = getattr(tokenizer, name)
        if number is not None:
            setattr(model.config, name, number)
            setattr(model.generation_config, name, number)
    model.generation_config.eos_token_id = stops(tokenizer)
    return model


def _random_config(asked: Model, tokenizer_folder: Path, length: int) -> Any:
    values = dict(asked.config or TINY)
    kind = values.pop("model_type", None)
    values.setdefault("vocab_size", len(load_tokenizer(tokenizer_folder)))
    values.setdefault("max_position_embeddings", length)
    try:
        return AutoConfig.for_model(kind, **values)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"model.config: transformers makes no model_type {kind!r} of it ({' '.join(str(error).split())[:120]})",
            remedy="name a model_type such as llama or qwen3, and sizes that fit each other",
        ) from error


def _check_tokenizer(name: str, packed: Path) -> None:
    own = Path(name)
    if (own / "tokenizer.json").is_file() and not same_vocabulary(packed, own):
        raise InputError(
            f"{name} has another tokenizer than the packed data: its weights would read other words",
            remedy=f"tokenise with it: tokenizer: {name}",
        )


def _quantised(asked: Model, precision: str) -> dict[str, Any]:
    if asked.quantise is None:
        return {}
    from transformers import BitsAndBytesConfig  # noqa: PLC0415 - asks for a package that few have

    compute = getattr(torch, precision)
    if asked.quantise == "8bit":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    four = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return {"quantization_config": four}


def stops(tokenizer: Any) -> list[int]:
    """Tokens at which generation ends: the end of a text, and what the chat template puts behind an answer."""
    found = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    if tokenizer.chat_template:
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "bcd"}]
        shown = tokenizer.apply_chat_template(turns, tokenize=False)
        behind = tokenizer(shown.rpartition("bcd")[2], add_special_tokens=False)["input_ids"]
        special = set(tokenizer.added_tokens_decoder)
        if behind and behind[0] in special and behind[0] not in found:
            found.append(behind[0])
    return found


# ---------------------------------------------------------------------------------------------- what is trained


def frozen(model: Any, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Freeze the parameters whose names match a pattern, and no others; gives their names.

    Raises InputError for a pattern that matches none, or where nothing is left to train.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if _trainable(name, model)]
    names: Any = pa.array([name for name, _ in named], pa.string())
    hit = [False] * len(named)
    for pattern in patterns:
        found = pc.match_substring_regex(names, pattern).to_pylist()
        if not any(found):
            raise InputError(f"freeze: no parameter matches {pattern!r}", remedy=f"names are like {names[0]}")
        hit = [a or bool(b) for a, b in zip(hit, found, strict=True)]
    if all(hit):
        raise InputError("freeze: the patterns match every parameter", remedy="leave some to train")
    for (_, parameter), stays in zip(named, hit, strict=True):
        parameter.requires_grad_(not stays)
    return tuple(name for (name, _), stays in zip(named, hit, strict=True) if stays)


def _trainable(name: str, model: Any) -> bool:
    """Whether a parameter may be trained at all: of a model with adapters, they alone."""
    return not hasattr(model, "peft_config") or any(part in name for part in ("lora_", "modules_to_save", "ia3_"))


def _with_adapters(model: Any, plan: Plan, before: Path | None) -> Any:
    """The model with what `peft` asks for, or with the adapters that the part before trained."""
    import peft  # noqa: PLC0415 - full training needs none of it

    if before is not None:
        with _quiet():
            return peft.PeftModel.from_pretrained(model, str(before), is_trainable=True)
    values = dict(plan.peft or {})
    kind = str(values.pop("peft_type", "LORA")).upper()
    config_class = peft.PEFT_TYPE_TO_CONFIG_MAPPING.get(kind)  # type: ignore[call-overload]
    if config_class is None:
        raise InputError(f"peft: there is no peft_type {kind!r}", remedy=f"there are {', '.join(_kinds(peft))}")
    if kind == "LORA":
        values.setdefault("target_modules", "all-linear")
    try:
        config = config_class(task_type="CAUSAL_LM", **values)
    except (TypeError, ValueError) as error:
        raise InputError(f"peft: {' '.join(str(error).split())[:160]}", remedy=f"see peft's {kind} config") from error
    if plan.model.quantise is not None:
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=plan.checkpoint_activations)
    set_seed(plan.seed)
    with _quiet():
        return peft.get_peft_model(model, config)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings of what peft calls by names that transformers has given up: they are not for users."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _kinds(peft: Any) -> list[str]:
    return sorted(getattr(kind, "value", str(kind)) for kind in peft.PEFT_TYPE_TO_CONFIG_MAPPING)


# ---------------------------------------------------------------------------------------------- saved


def carry_tokenizer(folder: Path, tokenizer_folder: Path) -> None:
    """Put the tokenizer's files, its template among them, into a saved model."""
    for path in sorted(tokenizer_folder.iterdir()):
        (folder / path.name).write_bytes(path.read_bytes())


def merged(plan: Plan, adapters: Path, folder: Path, *, tokenizer_folder: Path, length: int) -> bool:
    """Save the plan's model with trained adapters added in; whether they are such as can be.

    The base is read anew, in the type of its weights and not quantised: adding to rounded weights would lose twice.
    """
    plain = plan.model_copy(update={"model": plan.model.model_copy(update={"quantise": None})})
    config = json.loads((adapters / ADAPTER).read_bytes())
    if config["peft_type"] not in MERGEABLE:
        return False
    model = load_model(plain, tokenizer_folder, "sdpa", length=length, before=adapters)
    model.merge_and_unload().save_pretrained(str(folder))
    carry_tokenizer(folder, tokenizer_folder)
    return True
