"""How many bytes a device holds while it trains, told before anything runs.

What: weights, gradients, the optimizer's state, activations, logits; each by its type, and what ZeRO or FSDP,
offloading, LoRA, 4-bit weights and checkpointing of activations leave of it. The peak is the largest of three moments:
the loss (all activations and logits), the end of the backward pass (all gradients, a layer's activations), and the
optimizer's step. Why: a plan that does not fit should say so here, not after an hour on a cluster.
What is left out: the CUDA context and kernels (some hundred MB), NCCL's buffers; fragmentation is a margin of 10%,
which is an allowance and no measurement.
Costs nothing: arithmetic; neither torch nor the weights are needed.
Source: Rajbhandari et al. 2020 (ZeRO) for what is divided; Dettmers et al. 2022 (8-bit optimizers: blocks of 256 with a
float32 maximum; tensors under 4,096 elements stay float32) and 2023 (QLoRA: NF4 in blocks of 64, whose maxima are held
in 8 bits, with a float32 one for each 256 of them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from datapipe.errors import InputError
from datapipe.train.activations import FP32, Adapters, Attention, Pass, Precision, kept, of_layer, of_loss
from datapipe.train.shape import Shape, shape_of

__all__ = ["MARGIN", "Estimate", "Optimizer", "Settings", "needed", "optimizer_bytes"]

MARGIN = 0.10  # share of the peak set aside for fragmentation; an allowance
CHUNK = 2048  # tokens whose logits `datapipe.train.loss` has in float32 at a time
SMALL = 4096  # elements; smaller tensors keep 32-bit states
EIGHT_BIT = 1 + FP32 / 256  # bytes of an element
NF4 = 0.5 + 1 / 64 + FP32 / (64 * 256)  # bytes of a weight
GIB = 1 << 30

Optimizer = Literal["adamw", "adamw_fused", "adamw_8bit", "sgd"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What of a plan decides about memory.

    `sequences`: of a micro-batch. `precision`: `fp32`; `bf16`, weights, gradients and states; `mixed`, float32 weights
    under autocast. `master`: weights of `bf16` have a float32 copy in the optimizer (DeepSpeed, FSDP2). `accumulates`:
    gradients live from one micro-batch to the next. `optimizer`: AdamW of torch, fused or not, or of bitsandbytes.
    `world`: devices; `zero`: 0 each has all, 1 the optimizer is divided, 2 and gradients, 3 and weights (FSDP2).
    `offload`: what lies in the host's memory. `quantised`: frozen weights of layers in NF4.
    """

    sequences: int = 1
    length: int = 2048
    precision: Precision = "mixed"
    attention: Attention = "varlen"
    checkpointing: bool = False
    optimizer: Optimizer = "adamw"
    master: bool = False
    accumulates: bool = False
    world: int = 1
    zero: Literal[0, 1, 2, 3] = 0
    offload: Literal["nothing", "optimizer", "everything"] = "nothing"
    adapters: Adapters | None = None
    quantised: bool = False

    @property
    def weight(self) -> int:
        """Bytes of a weight."""
        return 2 if self.precision == "bf16" else FP32


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes on one device by what they are for, and `host`, in the memory beside it. `peak` leaves the margin out."""

    parameters: int  # a count, as the next
    trained: int
    weights: int
    gradients: int
    optimizer: int
    gathered: int  # weights fetched for the layers at work, buckets that gradients travel in
    activations: int
    logits: int  # with all that the loss needs
    layer: int  # what a layer needs again while the backward pass is at it
    stepping: int  # what the optimizer's step needs beside its state
    host: int
    accumulates: bool

    @property
    def peak(self) -> int:
        """The most bytes held at once."""
        always = self.weights + self.optimizer + self.gathered
        forward = always + self.activations + self.logits + (self.gradients if self.accumulates else 0)
        return max(forward, always + self.gradients + max(self.layer, self.stepping))

    @property
    def wanted(self) -> int:
        """The peak and the margin."""
        return round(self.peak * (1 + MARGIN))

    def lines(self) -> list[str]:
        """A table to print."""
        rows = [
            ("weights", self.weights),
            ("gradients", self.gradients),
            ("optimizer state", self.optimizer),
            ("gathered weights, buckets", self.gathered),
            ("activations", self.activations),
            ("logits and loss", self.logits),
            ("a layer, going backward", self.layer),
            ("the optimizer's step", self.stepping),
            ("peak (not their sum)", self.peak),
            (f"peak and {MARGIN:.0%} margin", self.wanted),
        ]
        rows += [("in the host's memory", self.host)] if self.host else []
        head = f"{self.parameters:,} parameters, {self.trained:,} of them trained; on each device:"
        return [head, *(f"  {name:<26}{size / GIB:>10.3f} GiB" for name, size in rows)]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def optimizer_bytes(elements: int, small: int, settings: Settings) -> int:
    """Bytes of an optimizer's state. `small`: of the elements, those in tensors that 8-bit states leave alone."""
    master = FP32 * elements if settings.master and settings.precision == "bf16" else 0
    if settings.optimizer == "sgd":
        return master
    state = FP32 if master else settings.weight
    if settings.optimizer == "adamw_8bit":
        return master + round(2 * EIGHT_BIT * (elements - small)) + 2 * FP32 * small
    return master + 2 * state * elements


def needed(config: Any, settings: Settings) -> Estimate:
    """Bytes that training takes. `config`: a transformers config, or its `config.json` as a dict.

    Raises InputError for a model whose shape is not known, and for settings that exclude each other.
    """
    shape = shape_of(config)
    _check(settings)
    done = _pass(settings)
    adapters = settings.adapters
    added = adapters.parameters(shape) * shape.layers if adapters else 0
    trained = added if adapters else shape.parameters
    each = FP32 if adapters else settings.weight  # peft makes adapters float32
    weights, gradients = _weights(shape, settings) + FP32 * added, each * trained
    small = 0 if adapters else shape.layers * shape.layer_norms + shape.hidden
    states = _adapter_states(settings) if adapters else settings
    optimizer = optimizer_bytes(trained, small, states)
    parts = settings.world if settings.zero else 1
    divided = {
        "weights": -(-weights // parts) if settings.zero == 3 else weights,
        "gradients": -(-gradients // parts) if settings.zero >= 2 else gradients,
        "optimizer": -(-optimizer // parts),
    }
    here, host = _offloaded(divided, settings)
    checkpointed = kept(shape, done, checkpointing=settings.checkpointing)
    head = of_loss(shape, done) - FP32 * done.tokens * shape.vocabulary
    return Estimate(
        parameters=shape.parameters + added,
        trained=trained,
        **here,
        gathered=_gathered(shape, settings, gradients),
        activations=checkpointed - of_loss(shape, done) + head,
        logits=_loss(shape, done),
        layer=of_layer(shape, done) + _working(shape, done, settings),
        stepping=_stepping(trained, states),
        host=host,
        accumulates=settings.accumulates,
    )


def _check(settings: Settings) -> None:
    if settings.quantised and settings.adapters is None:
        raise InputError("weights in 4 bits are not trained", remedy="train adapters (LoRA) beside them")
    if settings.offload == "everything" and settings.zero < 3:
        raise InputError("weights are offloaded by ZeRO-3 alone", remedy="set ZeRO to 3, or offload the optimizer")
    if min(settings.sequences, settings.length, settings.world) < 1:
        raise InputError("sequences, length and world are at least 1", remedy="set them")


def _pass(settings: Settings) -> Pass:
    return Pass(
        sequences=settings.sequences,
        length=settings.length,
        precision=settings.precision,
        attention=settings.attention,
        adapters=settings.adapters,
    )


def _adapter_states(settings: Settings) -> Settings:
    """The optimizer sees float32 adapters only."""
    return Settings(precision="fp32", optimizer=settings.optimizer)


def _weights(shape: Shape, settings: Settings) -> int:
    if not settings.quantised:
        return settings.weight * shape.parameters
    matrices = shape.layers * sum(linear.inputs * linear.outputs for linear in shape.attention)
    matrices += shape.layers * (shape.experts or 1) * sum(each.inputs * each.outputs for each in shape.feed_forward)
    return round(NF4 * matrices) + settings.weight * (shape.parameters - matrices)


def _gathered(shape: Shape, settings: Settings, gradients: int) -> int:
    """ZeRO-3 fetches a layer at a time and the next one ahead, or the embedding; else gradients travel in buckets."""
    if settings.world == 1:
        return 0
    if settings.zero == 3:
        return 2 * max(2 * shape.layer, shape.embedding)
    return gradients if settings.zero == 0 else 0


def _offloaded(divided: dict[str, int], settings: Settings) -> tuple[dict[str, int], int]:
    """What stays on the device, and the bytes that do not."""
    names = {"nothing": (), "optimizer": ("optimizer",), "everything": ("optimizer", "weights")}[settings.offload]
    here = {name: 0 if name in names else size for name, size in divided.items()}
    return here, sum(divided[name] for name in names)


def _loss(shape: Shape, done: Pass) -> int:
    """Logits, gradients of the chunks done, and three float32 buffers for the chunk at work."""
    chunk = min(CHUNK, done.tokens)
    return shape.vocabulary * (done.element * (2 * done.tokens - chunk) + 3 * FP32 * chunk)


def _stepping(trained: int, settings: Settings) -> int:
    """AdamW of torch takes the roots of all second moments at once, unless it is fused."""
    whole = settings.optimizer == "adamw" and settings.offload == "nothing" and settings.zero == 0
    return settings.weight * trained if whole else 0


def _working(shape: Shape, done: Pass, settings: Settings) -> int:
    """Gradients of activations of the widest step, and a layer's weights where they are held in 4 bits."""
    wide = max(shape.width * (shape.active or 1), shape.queries, shape.hidden)
    unpacked = done.element * max(linear.parameters for linear in shape.feed_forward) if settings.quantised else 0
    return 3 * done.element * done.tokens * wide + unpacked
