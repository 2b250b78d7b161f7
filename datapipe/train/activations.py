"""What a forward pass keeps for the backward pass, in bytes, told from a model's shape.

Each sum below is the list of tensors that autograd saves in the transformers implementation of these families, as seen
by `torch.autograd.graph.saved_tensors_hooks`; the tests hold the sums against that hook. No fused kernels for norms,
rotation, feed-forward or loss are assumed: with them there is less.
Costs nothing: arithmetic.
Source: what autograd saves of torch 2.13 and transformers 5.24; Korthikanti et al. 2022 for the way of counting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from datapipe.train.shape import LINEAR_TARGETS, Linear, Shape

__all__ = ["FP32", "Adapters", "Attention", "Pass", "Precision", "kept", "of_layer", "of_loss"]

Attention = Literal["varlen", "sdpa", "eager"]
Precision = Literal["fp32", "bf16", "mixed"]
FP32, INT64 = 4, 8  # bytes


@dataclass(frozen=True)
class Adapters:
    """LoRA: a pair of matrices of this rank beside each projection that is a target."""

    rank: int = 16
    targets: tuple[str, ...] = LINEAR_TARGETS
    dropout: float = 0.0

    def parameters(self, shape: Shape) -> int:
        """Weights of the adapters in a layer."""
        return sum(self.rank * (each.inputs + each.outputs) for each in self.adapted(shape))

    def adapted(self, shape: Shape) -> tuple[Linear, ...]:
        """The projections of a layer that have an adapter; experts have none."""
        linears = shape.attention if shape.experts else (*shape.attention, *shape.feed_forward)
        return tuple(linear for linear in linears if linear.name in self.targets)


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One forward pass of a micro-batch: its size, its numbers, how it attends.

    `precision`: `fp32`; `bf16`, weights and all; `mixed`, float32 weights under autocast to bfloat16. `masked`: sdpa is
    given a document mask, which it copies for every layer. `mask_byte`: bytes of an element of a dropout mask, 1 on
    CUDA, 4 on CPU.
    """

    sequences: int
    length: int
    precision: Precision
    attention: Attention
    masked: bool = True
    adapters: Adapters | None = None
    mask_byte: int = 1
    cast: bool | None = None  # autocast; None: as `precision` says

    @property
    def tokens(self) -> int:
        """Tokens of the micro-batch, padding included."""
        return self.sequences * self.length

    @property
    def element(self) -> int:
        """Bytes of an activation."""
        return FP32 if self.precision == "fp32" else 2

    @property
    def autocast(self) -> bool:
        """Whether operations cast for themselves."""
        return self.precision == "mixed" if self.cast is None else self.cast

    @property
    def between(self) -> int:
        """Bytes of an element between layers: under autocast of float32 weights it stays float32."""
        return FP32 if self.precision == "mixed" else self.element


def of_layer(shape: Shape, done: Pass) -> int:
    """Bytes that one layer keeps of a micro-batch."""
    a_token = (
        shape.norms * _norm(shape.hidden, shape, done)
        + _head_norms(shape, done)
        + _inputs(shape, done)
        + _attended(shape, done)
        + _feed_forward(shape, done)
        + _adapted(shape, done)
    )
    return done.tokens * a_token


def of_loss(shape: Shape, done: Pass) -> int:
    """Bytes that the final norm, the output projection and the log-probabilities (float32) keep."""
    last = 0 if done.adapters else _copied(done) * shape.hidden
    return done.tokens * (_norm(shape.hidden, shape, done) + last + FP32 * shape.vocabulary + 2 * INT64)


def kept(shape: Shape, done: Pass, *, checkpointing: bool) -> int:
    """Bytes kept at the end of the forward pass; of a layer with checkpointing only what enters it."""
    layer = done.tokens * done.between * shape.hidden if checkpointing else of_layer(shape, done)
    rotation = 2 * done.length * shape.head_size * done.between
    return shape.layers * layer + rotation + of_loss(shape, done) + _copies_of_weights(shape, done, checkpointing)


# ---------------------------------------------------------------------------------------------- bytes of a token


def _copied(done: Pass) -> int:
    """Bytes of an element that enters a matrix: what autocast makes, or the activation itself."""
    return 2 if done.autocast else done.element


def _norm(size: int, shape: Shape, done: Pass) -> int:
    """A norm: what it got in float32, its reciprocal root, and, where its weight is trained, the normalised values."""
    scaled = FP32 if shape.wide_norms or done.precision == "mixed" else done.element
    if done.adapters:  # a frozen weight needs no normalised values; Gemma's scale is an expression all the same
        scaled = 0
    return FP32 * size + FP32 + scaled * size


def _head_norms(shape: Shape, done: Pass) -> int:
    if not shape.head_norms:
        return 0
    scaled = FP32 if shape.wide_norms else done.element
    scaled = 0 if done.adapters else scaled
    return (FP32 + scaled) * (shape.queries + shape.keys) + FP32 * (shape.heads + shape.kv_heads)


def _inputs(shape: Shape, done: Pass) -> int:
    """What projections with trained weights got; autocast makes a copy for each of them."""
    if done.adapters:
        return 0
    hidden = done.element * shape.hidden * (5 if done.autocast and not shape.experts else 2)
    if shape.experts:
        hidden = done.element * shape.hidden * (4 if done.autocast else 2)  # q, k, v and the router
    return hidden


def _attended(shape: Shape, done: Pass) -> int:
    """Queries, keys, values and what attention gave; log-sums, a mask, or the whole of the weights."""
    element = done.element
    repeated = done.attention == "eager" or (done.attention == "sdpa" and done.masked)
    keys = shape.queries if repeated else shape.keys
    a_token = element * (2 * shape.queries + 2 * keys)
    if done.attention == "eager":
        return a_token + shape.heads * done.length * (FP32 + (element if element != FP32 else 0))
    mask = element * done.length if done.attention == "sdpa" and done.masked else 0
    return a_token + FP32 * shape.heads + mask


def _feed_forward(shape: Shape, done: Pass) -> int:
    """Gate, its activation, up, and their product, which enters the down projection."""
    if shape.experts:
        element = done.between
        choice = 3 * INT64 * shape.active + FP32 * shape.experts + (INT64 + 2) * shape.active
        return shape.active * element * (2 * shape.hidden + 4 * shape.width) + choice
    return done.element * shape.width * (3 if done.adapters else 4)


def _adapted(shape: Shape, done: Pass) -> int:
    """What an adapter's two matrices got, and the mask of its dropout."""
    if done.adapters is None:
        return 0
    element = 2 if done.autocast else FP32  # adapters are float32
    dropped = done.mask_byte if done.adapters.dropout else 0
    shared = not done.autocast and done.element == FP32 and not dropped  # no copy is made
    inputs = _distinct(shape, done.adapters) * FP32 if shared else 0
    for linear in done.adapters.adapted(shape):
        inputs += element * done.adapters.rank + (0 if shared else (element + dropped) * linear.inputs)
    return inputs


def _distinct(shape: Shape, adapters: Adapters) -> int:
    """Elements of the adapters' inputs where projections share them; attention's result is kept anyhow."""
    names = {linear.name for linear in adapters.adapted(shape)}
    elements = shape.hidden * (bool(names & {"q_proj", "k_proj", "v_proj"}) + bool(names & {"gate_proj", "up_proj"}))
    return elements + shape.width * ("down_proj" in names)


def _copies_of_weights(shape: Shape, done: Pass, checkpointing: bool) -> int:  # noqa: FBT001 - a fact, passed on
    """The bfloat16 weights that autocast makes of float32 ones, kept until they have their gradients."""
    if done.precision != "mixed":
        return 0
    dense = 0 if checkpointing else shape.layers * sum(linear.inputs * linear.outputs for linear in shape.attention)
    if not checkpointing and not shape.experts:
        dense += shape.layers * sum(linear.inputs * linear.outputs for linear in shape.feed_forward)
    return 2 * (dense + shape.embedding)
