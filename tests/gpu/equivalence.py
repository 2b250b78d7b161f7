"""Whether packed documents are as they are alone, on each attention that a device has: a part of `measure.py`.

Four figures a kernel, the largest differences of logits: packed against alone; of other documents when one changes; of
the document that changes; and packed as if it were one document. The first two must be small, and the last two large,
or the first two would say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from transformers import AutoModelForCausalLM, Qwen3Config

from datapipe.train.attention import lacks_varlen, register
from datapipe.train.collator import Collator, model_inputs

__all__ = ["equivalences"]

Attention = Literal["varlen", "sdpa", "eager"]
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}
LENGTHS = ((37, 90, 1), (64, 64), (128,))  # tokens of the documents of each sequence
WIDTH = 128
PLAIN: tuple[Attention, ...] = ("sdpa", "eager")
VOCABULARY = 512


def equivalences(device: str, tell: Callable[[str], object]) -> bool:
    """Try every kernel in every type it takes; whether any failed."""
    kernels: list[tuple[Attention, torch.dtype]] = [
        (name, kind) for name in PLAIN for kind in (torch.float32, torch.bfloat16)
    ]
    lacking = lacks_varlen(device)
    if lacking:
        tell(f"varlen: not tried, {lacking}")
    else:
        register()
        kernels.append(("varlen", torch.bfloat16))
    return any([not _holds(attention, kind, device, tell) for attention, kind in kernels])  # noqa: C419 - try them all


def _holds(attention: Attention, kind: torch.dtype, device: str, tell: Callable[[str], object]) -> bool:
    torch.manual_seed(0)
    model = _model(attention, kind, device)
    chance = np.random.default_rng(3)
    documents = [[chance.integers(0, VOCABULARY, length) for length in row] for row in LENGTHS]
    changed = [[(row[0] + 1) % VOCABULARY, *row[1:]] for row in documents]
    packed, moved, joined = (
        _logits(model, _items(rows, joined=joined), attention, device)
        for rows, joined in ((documents, False), (changed, False), (documents, True))
    )
    alone = _alone(model, documents, device)
    first = torch.cat([torch.arange(sum(row)) < row[0] for row in LENGTHS])
    figures = [
        _most(packed - alone),
        _most((moved - packed)[~first]),
        _most((moved - packed)[first]),
        _most(joined - alone),
    ]
    most = TOLERANCE[kind]
    held = max(figures[:2]) <= most and min(figures[2:]) > 10 * most
    names = ("against alone", "others when one changes", "the changed one", "if not kept apart")
    told = ", ".join(f"{name} {figure:.1e}" for name, figure in zip(names, figures, strict=True))
    tell(f"{attention} {str(kind)[6:]}: {'holds' if held else 'FAILS'} (at most {most:g}): {told}")
    return held


def _model(attention: Attention, kind: torch.dtype, device: str) -> Any:
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=WIDTH,
        initializer_range=0.035,  # so that logits are of the size of one
        use_cache=False,
    )
    model: Any = AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=kind)
    return model.to(device).eval()


def _items(rows: list[list[Any]], *, joined: bool) -> list[dict[str, Any]]:
    made = []
    for number, row in enumerate(rows):
        tokens = np.concatenate(row)
        lengths = [len(tokens)] if joined else [len(each) for each in row]
        made.append(
            {"input_ids": tokens, "labels": tokens, "seq_lengths": np.array(lengths), "loss_weights": None}
            | {"index": number}
        )
    return made


def _logits(model: Any, items: list[dict[str, Any]], attention: Attention, device: str) -> torch.Tensor:
    """Logits of all tokens, padding left out: [tokens, vocabulary], float32."""
    batch = model_inputs(Collator(WIDTH, attention=attention)(items))
    moved = {name: value.to(device) if torch.is_tensor(value) else value for name, value in batch.items()}
    with torch.no_grad():
        rows = model(**moved).logits.float().reshape(len(items), WIDTH, -1)
    return torch.cat([row[: len(each["input_ids"])] for row, each in zip(rows, items, strict=True)])


def _alone(model: Any, documents: list[list[Any]], device: str) -> torch.Tensor:
    """The same, of each document by itself, through torch's own attention."""
    was = model.config._attn_implementation
    model.set_attn_implementation("eager" if was == "eager" else "sdpa")
    with torch.no_grad():
        made = [
            model(input_ids=torch.from_numpy(each)[None].to(device)).logits[0].float()
            for row in documents
            for each in row
        ]
    model.set_attn_implementation(was)
    return torch.cat(made)


def _most(values: torch.Tensor) -> float:
    return values.abs().max().item()
