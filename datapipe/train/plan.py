"""The plan of a training: which model, which packed data in which order, how it is optimised, what is kept.

A plan is a YAML file, read as a recipe is: every problem is told at once, with its line. It holds what was decided;
what follows from it (steps, accumulation) is derived, so that two numbers never contradict each other. Whatever
transformers and peft know already is passed on to them under their own names.
Costs nothing: declarations. Neither torch nor transformers is imported.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError, model_validator

from datapipe.config import StageConfig, measure, place
from datapipe.errors import RecipeError
from datapipe.recipe.document import Document, parse_value, read_document, write_document
from datapipe.recipe.wording import did_you_mean, in_words
from datapipe.units import Share

__all__ = ["TINY", "Evaluation", "Model", "Part", "Plan", "read_plan", "written_plan"]

# Two layers that train on a CPU within minutes: what a plan without a model trains.
TINY: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 176,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Model(StageConfig):
    """Where the weights come from: those of `name`, or random ones of the shape that `config` says."""

    name: str | None = measure(None, "folder of a saved model, or its name on the hub; null: random weights")
    config: dict[str, Any] = measure(
        {}, "of random weights: model_type and what transformers' config of it takes; {}: two layers of 64, for trials"
    )
    weights: Literal["float32", "bfloat16", "float16"] = measure("float32", "type in which the weights are held")
    quantise: Literal["4bit", "8bit"] | None = measure(None, "hold frozen weights so (QLoRA); needs bitsandbytes")
    trust_code: bool = place(False, "run Python that comes with the model")

    @model_validator(mode="after")
    def _one_origin(self) -> Model:
        if self.name is not None and self.config:
            raise ValueError("`name` brings its own config; give one of the two")
        return self


class Evaluation(StageConfig):
    """What the model is measured with while it trains: the loss of each source of packed data held back."""

    data: tuple[str, ...] = place(description="folders that write.packed wrote, none of them trained on", min_length=1)
    every_tokens: int = measure(50_000_000, "tokens of training between two evaluations", gt=0)
    sequences: int | None = measure(None, "first sequences of these data; null: all", gt=0)
    patience: int | None = measure(None, "evaluations without a lower loss after which the part ends; null: off", gt=0)


class Part(StageConfig):
    """One part of the plan: packed data and how it is optimised. The next part goes on with its weights."""

    name: str = measure(description="a word for it: lower case letters, digits, underscores", min_length=1)
    data: tuple[str, ...] = place(description="folders that write.packed wrote, one after the other", min_length=1)
    epochs: float = measure(1.0, "passes over these data; 2.5: two and the first half", gt=0)
    shuffle: bool = measure(False, "another order in each epoch; false: as packed, where the mixture put them")
    batch_tokens: int = measure(524_288, "tokens of one step of the optimizer, over all processes", gt=0)
    learning_rate: float = measure(3e-4, "the highest", gt=0)
    floor: Share = measure(0.1, "share of the highest learning rate at which the schedule ends", ge=0, le=1)
    warmup: float = measure(0.01, "share of the steps (below 1), or steps, over which the rate rises from 0", ge=0)
    schedule: Literal["cosine", "linear", "constant"] = measure("cosine", "how the rate falls after warm-up")
    optimizer: str = measure("adamw_torch", "by the name that transformers gives it")
    weight_decay: float = measure(0.1, "of weights other than biases and norms, a step", ge=0)
    beta1: float = measure(0.9, "of Adam: share of the old mean of gradients kept", ge=0, lt=1)
    beta2: float = measure(0.95, "of Adam: share of the old mean of their squares kept", ge=0, lt=1)
    clip: float | None = measure(1.0, "norm to which gradients are cut; null: off", gt=0)
    freeze: tuple[str, ...] = measure((), "patterns (RE2); a parameter whose name one of them matches stays as it is")
    evaluation: Evaluation | None = measure(None, "null: none")

    @model_validator(mode="after")
    def _sound(self) -> Part:
        if not _NAME.fullmatch(self.name):
            raise ValueError("`name` is lower case letters, digits and underscores, and begins with a letter")
        if self.schedule == "linear" and self.floor:
            raise ValueError("a linear schedule ends at 0; set `floor: 0`, or take cosine")
        for pattern in self.freeze:
            try:
                pc.match_substring_regex(pa.array([""]), pattern)
            except pa.ArrowInvalid as error:
                raise ValueError(f"`freeze`: {pattern!r} is no pattern of RE2") from error
        return self

    def positions(self, sequences: int) -> int:
        """Sequences trained on, over all epochs."""
        return max(1, round(sequences * self.epochs))

    def batch_sequences(self, length: int) -> int:
        """Sequences of one step."""
        return max(1, round(self.batch_tokens / length))


class Plan(StageConfig):
    """A plan of training."""

    run: str = place(description="folder of the training, relative to the current directory", min_length=1)
    description: str | None = place(None, "what the training is for; part of the model card")
    seed: int = measure(0, "of random weights, dropout and shuffling", ge=0, lt=2**32)
    model: Model = measure(Model(), "where the weights come from")
    parts: tuple[Part, ...] = measure(description="what is trained on, in order", min_length=1)
    precision: Literal["float32", "bfloat16", "float16"] = measure("float32", "type in which is computed")
    micro_batch: int = measure(1, "sequences that a device works on at once; the rest is accumulated", gt=0)
    attention: Literal["varlen", "sdpa", "eager"] | None = measure(None, "which kernel; null: the best there is")
    checkpoint_activations: bool = measure(False, "compute activations again backwards instead of holding them")
    compile: bool = measure(False, "let torch.compile make kernels of the model")
    loader_workers: int = place(0, "processes that read packed data ahead, a rank", ge=0)
    log_steps: int = place(1, "steps between two lines of metrics", gt=0)
    checkpoint_tokens: int = place(100_000_000, "tokens of training between two checkpoints", gt=0)
    keep_checkpoints: int = place(2, "checkpoints of a part that stay on disk", ge=2)
    peft: dict[str, Any] | None = measure(
        None, "peft_type (LORA, IA3, …) and what peft's config of it takes; null: all weights are trained"
    )
    merge: bool = measure(True, "save the model with its LoRA weights added in, beside the adapter")
    fsdp: dict[str, Any] | None = place(None, "FSDP2 settings, as in transformers' fsdp_config; null: off")
    deepspeed: str | None = place(None, "path of a DeepSpeed JSON; null: off")
    arguments: dict[str, Any] = place({}, "further TrainingArguments of transformers, by their names there")

    @model_validator(mode="after")
    def _sound(self) -> Plan:
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names):
            raise ValueError("two parts have one name")
        if self.fsdp is not None and self.deepspeed is not None:
            raise ValueError("`fsdp` and `deepspeed` exclude each other")
        if self.model.quantise is not None and self.peft is None:
            raise ValueError("quantised weights cannot be trained themselves; set `peft`, such as {peft_type: LORA}")
        return self

    def accumulation(self, part: Part, length: int, world: int) -> int:
        """Micro-batches of a rank in one step of a part, were its data large; the last may hold fewer sequences."""
        return math.ceil(part.batch_sequences(length) / (self.micro_batch * world))


def read_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """The plan in `path`, with `key=value` overrides put in.

    Raises InputError if the file cannot be read, RecipeError with every problem that it has.
    """
    document = read_document(path)
    for text in overrides:
        _override(document, text)
    if document.values is not None and not isinstance(document.values, dict):
        document.problem((), "a plan is a mapping with `run` and `parts`", "see: datapipe train --help")
    if not document.problems:
        try:
            return Plan.model_validate(document.values or {})
        except ValidationError as error:
            for key, message, remedy in in_words(error, Plan, document.values or {}):
                document.problem(key, message, remedy)
    raise RecipeError(tuple(dict.fromkeys(document.problems)))


def _override(document: Document, text: str) -> None:
    """Put one `key=value` in: `seed=3`, `model.name=runs/a/model`, `parts.0.epochs=2` or `parts.sft.epochs=2`."""
    key, equals, value = text.partition("=")
    here = Document(f"--set {text}")
    path = key.strip().split(".")
    if not equals or not all(path):
        here.problem((), "this is no key=value", "write it like: --set parts.0.epochs=2")
    elif path[0] not in Plan.model_fields:
        here.problem((), f"there is no option '{path[0]}'", did_you_mean(path[0], Plan.model_fields))
    elif isinstance(document.values, dict):
        try:
            _put(document.values, path, parse_value(value))
        except (ValueError, LookupError, TypeError) as error:
            here.problem((), f"cannot be set: {error}", "name parts by their number, from 0, or their name")
    document.problems.extend(here.problems)


def _put(values: Any, path: list[str], value: Any) -> None:
    for part in path[:-1]:
        if isinstance(values, list):
            values = values[_number(values, part)]
        else:
            if values.get(part) is None:
                values[part] = {}
            values = values[part]
    if isinstance(values, list):
        values[_number(values, path[-1])] = value
    else:
        values[path[-1]] = value


def _number(parts: list[Any], word: str) -> int:
    """The place of a part, said by its name or its number."""
    named = [at for at, part in enumerate(parts) if isinstance(part, dict) and part.get("name") == word]
    if named:
        return named[0]
    if not word.isdecimal() or int(word) >= len(parts):
        raise ValueError(f"there is no part '{word}'")
    return int(word)


def written_plan(plan: Plan) -> str:
    """The plan with every default written out; reads back as the same plan."""
    return "# The plan of this training, written by datapipe with every default.\n" + write_document(
        plan.model_dump(mode="json")
    )
