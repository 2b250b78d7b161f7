"""Which attention keeps packed documents apart: probed, chosen and said; what would mix them silently is refused.

What: `varlen`, flash attention over cumulative lengths, where torch has it for the device; else `sdpa` with the mask
that transformers makes of position_ids; `eager` when asked for. Why: every one of them can be set up so that documents
see each other and the loss still falls; so the model is tried before it is trained (`check_isolation`).
Costs: `varlen` is linear in the documents; `sdpa` and `eager` make a mask of [B, 1, T, T] a step, `eager` also the
scores of all heads. The trial is three forwards of 24 tokens.
Source: torch.nn.attention.varlen, which came with torch 2.10 and has changed its arguments since.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from datapipe.errors import InputError
from datapipe.train.collator import Collator, model_inputs

__all__ = ["Choice", "adapted", "check_isolation", "choose", "refuse", "register"]

Name = Literal["varlen", "sdpa", "eager"]
VARLEN = "varlen"  # its name in transformers' AttentionInterface
HALVES = (torch.bfloat16, torch.float16)
WIDEST_HEAD = 256  # numbers of a head that flash attention takes
# Kinds of layers whose state runs on from one document to the next.
RECURRENT = ("linear_attention", "mamba", "mamba2", "conv", "recurrent", "rwkv", "hybrid", "moe_mamba")
Kernel = Callable[..., torch.Tensor]


class Choice(NamedTuple):
    """The attention chosen, and why, in a few words to print."""

    name: Name
    why: str


def choose(prefer: str | None, device: torch.device | str) -> Choice:
    """The fastest attention that works on a device, or the one asked for. Raises InputError if that does not work."""
    if prefer not in {None, "varlen", "sdpa", "eager"}:
        raise InputError(f"no attention {prefer}", remedy="ask for varlen, sdpa or eager, or leave it out")
    if prefer in {"sdpa", "eager"}:
        return Choice("sdpa" if prefer == "sdpa" else "eager", "asked for")
    lacking = lacks_varlen(str(device))
    if not lacking:
        return Choice("varlen", "asked for" if prefer else "flash attention over documents works here")
    if prefer:
        raise InputError(f"attention varlen does not work here: {lacking}", remedy="ask for sdpa, or leave it out")
    return Choice("sdpa", f"varlen does not work here: {lacking}")


# ---------------------------------------------------------------------------------------------- varlen


@cache
def lacks_varlen(device: str) -> str:
    """Why varlen attention does not work on a device; nothing if it does: it is tried on two documents."""
    if torch.device(device).type != "cuda":
        return f"it needs a CUDA device, this is {device}"
    try:
        kernel = _kernel()
        query, key, value = (torch.randn(48, 4, 64, device=device, dtype=torch.bfloat16) for _ in range(3))
        bounds = torch.tensor([0, 32, 48, 48], dtype=torch.int32, device=device)
        found = kernel(query, key, value, bounds, longest=32, scale=0.1, window=None)
    except (ImportError, RuntimeError, NotImplementedError, TypeError) as error:
        return str(error).partition("\n")[0]
    wanted = documents_apart(query, key, value, bounds, scale=0.1)
    off = (found - wanted).abs().max().item()
    return "" if off < 0.02 else f"its answers are off by {off:.3f}"


def documents_apart(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, *, scale: float
) -> torch.Tensor:
    """What varlen attention should answer: each document by itself. [tokens, heads, width] as the kernel's."""
    made = torch.empty_like(query)
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if end > start:
            one, two, three = (each[start:end].transpose(0, 1)[None] for each in (query, key, value))
            grouped = query.shape[1] != key.shape[1]
            answer = scaled_dot_product_attention(one, two, three, is_causal=True, scale=scale, enable_gqa=grouped)
            made[start:end] = answer[0].transpose(0, 1)
    return made


@lru_cache(maxsize=1)
def _kernel() -> Kernel:
    """This torch's varlen attention. Raises ImportError if it has none."""
    from torch.nn.attention.varlen import varlen_attn  # noqa: PLC0415 - torch before 2.10 has none

    return adapted(varlen_attn)


def adapted(varlen: Callable[..., Any]) -> Kernel:
    """One causal call for the signatures that `varlen_attn` has had.

    → f(query, key, value, bounds, *, longest, scale, window): [tokens, heads, width] of queries, keys and values (the
    latter two may have fewer heads), cumulative lengths (int32), the longest document at least, and how many tokens
    before itself and with itself a token sees, or None. Raises RuntimeError for a signature that nobody has seen yet.
    """
    known = inspect.signature(varlen).parameters
    windowed, grouped, scaled = "window_size" in known, "enable_gqa" in known, "scale" in known
    needed = {"query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k"}
    if not needed <= set(known) or not (windowed or "is_causal" in known):
        raise RuntimeError(f"this torch's varlen_attn has a signature that is not known: ({', '.join(known)})")

    def call(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        bounds: torch.Tensor,
        *,
        longest: int,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        options: dict[str, Any] = {}
        if windowed:
            options["window_size"] = (-1 if window is None else window - 1, 0)
        elif window is not None:
            raise RuntimeError("this torch's varlen_attn has no sliding window")
        else:
            options["is_causal"] = True
        if scaled:
            options["scale"] = scale
        else:
            query = query * (scale * query.shape[-1] ** 0.5)
        if query.shape[1] != key.shape[1]:
            if grouped:
                options["enable_gqa"] = True
            else:
                key, value = (each.repeat_interleave(query.shape[1] // each.shape[1], 1) for each in (key, value))
        made: torch.Tensor = varlen(query, key, value, bounds, bounds, longest, longest, **options)
        return made

    return call


def register() -> None:
    """Make `varlen` known to transformers as an attention. Raises ImportError if torch has none."""
    from transformers import AttentionInterface  # noqa: PLC0415 - takes seconds

    _kernel()
    AttentionInterface.register(VARLEN, attend)


def attend(  # noqa: PLR0917 - transformers' signature
    module: torch.nn.Module,  # noqa: ARG001 - the same
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of a layer over packed documents: [1, heads, tokens, width] → [1, tokens, heads, width].

    Raises InputError without `cu_seq_lens_q`, and for what the kernel would leave out: every such answer is wrong.
    """
    bounds = more.get("cu_seq_lens_q")
    odd = {
        "no cumulative lengths": bounds is None,
        "more than one row": query.shape[0] != 1,
        "an attention mask": attention_mask is not None,
        "dropout": dropout > 0,
        "capped scores": more.get("softcap") is not None,
        "attention sinks": more.get("s_aux") is not None,
    }
    if any(odd.values()):
        raise InputError(
            f"attention varlen was given {next(name for name, there in odd.items() if there)}",
            remedy="train on batches of `Collator(attention='varlen')`; generate with attention sdpa",
        )
    query, key, value = (_half(each)[0].transpose(0, 1) for each in (query, key, value))
    made = _kernel()(
        query,
        key,
        value,
        bounds,
        longest=more["max_length_q"],
        scale=query.shape[-1] ** -0.5 if scaling is None else scaling,
        window=sliding_window,
    )
    return made[None], None


def _half(values: torch.Tensor) -> torch.Tensor:
    """In the type of autocast, which norms of queries and keys leave."""
    kind = values.device.type
    if values.dtype not in HALVES and torch.is_autocast_enabled(kind):
        return values.to(torch.get_autocast_dtype(kind))
    return values


# ---------------------------------------------------------------------------------------------- refusals


def refuse(model: Any, attention: str) -> None:
    """Raises InputError if a model would mix packed documents, or answer wrongly, without saying so.

    `model` is of transformers or peft. What it does not know, `check_isolation` finds by trying.
    """
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    adapters = getattr(model, "peft_config", None) or {}
    virtual = [str(each.peft_type.value) for each in adapters.values() if getattr(each, "is_prompt_learning", False)]
    kinds = set(getattr(config, "layer_types", None) or ())
    cases: list[tuple[bool, str, str]] = [
        (
            bool(virtual),
            f"{', '.join(virtual)} puts tokens or keys before a sequence, and packed documents share a sequence",
            "train LoRA or another adapter, or do not pack",
        ),
        (bool(config.use_cache), "with cached keys transformers does not keep documents apart", "set use_cache: false"),
        (
            bool(getattr(config, "is_encoder_decoder", False)),
            "packed sequences are for decoders, and this model has an encoder",
            "train a causal language model",
        ),
        (
            bool(kinds & set(RECURRENT)),
            f"layers of {', '.join(sorted(kinds & set(RECURRENT)))} carry their state from document to document",
            "pack one document a sequence, or train a model whose layers are attention",
        ),
    ]
    if attention == VARLEN:
        cases += _of_varlen(config, kinds)
    for there, message, remedy in cases:
        if there:
            raise InputError(message, remedy=remedy)


def _of_varlen(config: Any, kinds: set[str]) -> list[tuple[bool, str, str]]:
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    else_sdpa = "set attention: sdpa"
    return [
        ("chunked_attention" in kinds, "attention varlen knows no chunked attention", else_sdpa),
        (
            bool(getattr(config, "attention_dropout", 0.0)),
            "attention varlen knows no dropout",
            "set attention_dropout: 0, or attention: sdpa",
        ),
        (
            getattr(config, "attn_logit_softcapping", None) is not None,
            "attention varlen knows no capped scores",
            "set attention: eager",
        ),
        (width > WIDEST_HEAD, f"attention varlen takes heads of {WIDEST_HEAD} numbers, not of {width}", else_sdpa),
    ]


def check_isolation(model: Any, attention: Name) -> None:
    """Try on a few tokens that documents do not see each other. Raises InputError if they do.

    Three forwards without gradients: two documents, with either of them changed. `model` as it will be trained, before
    it is compiled or spread over devices, its attention set.
    """
    size = model.get_input_embeddings().num_embeddings
    first, second = (np.arange(count) * step % (size - 1) for count, step in ((11, 7), (13, 5)))
    cases = [(first, second), ((first + 1) % size, second), (first, (second + 1) % size)]
    was_training, device = model.training, model.get_input_embeddings().weight.device
    model.eval()
    try:
        with torch.no_grad():
            told = [model(**_pair(one, other, attention, device)).logits[0].float() for one, other in cases]
    finally:
        model.train(was_training)
    apart = 1e-5 if told[0].dtype == model.dtype else 1e-2
    most = told[0].abs().max() * apart
    cut = len(first)
    moved = {
        "the second document moves with the first": (told[1][cut:] - told[0][cut:]).abs().max() > most,
        "the first document moves with the second": (told[2][:cut] - told[0][:cut]).abs().max() > most,
        "it gives the same whatever it reads": (told[1][:cut] - told[0][:cut]).abs().max() == 0,
    }
    for what, there in moved.items():
        if bool(there):
            raise InputError(
                f"this model does not keep packed documents apart with attention {attention}: {what}",
                remedy="set another attention, or train a model whose layers are plain attention",
            )


def _pair(first: Any, second: Any, attention: Name, device: torch.device) -> dict[str, Any]:
    tokens = np.concatenate((first, second))
    item = {
        "input_ids": tokens,
        "labels": tokens,
        "seq_lengths": np.array([len(first), len(second)]),
        "loss_weights": None,
        "index": 0,
    }
    batch = model_inputs(Collator(len(tokens), attention=attention)([item]))
    return {name: value.to(device) if torch.is_tensor(value) else value for name, value in batch.items()}
