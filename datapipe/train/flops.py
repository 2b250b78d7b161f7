"""FLOPs of a training step, and the share of a device's peak that they make up (MFU).

Counted are the multiplications and additions of matrices: two per weight and token forward, twice as many backward, and
attention by the pairs of tokens that may see each other, document by document: n(n + 1) / 2 of a document of n tokens,
not the square of the sequence. Norms, rotation, softmax and the look-up of embeddings are left out, as is usual; so is
what checkpointing of activations computes again, which is told apart. Padding counts as nothing, for it is no work.
Costs nothing: arithmetic.
Source: Chowdhery et al. 2022 (PaLM), appendix B, for MFU; peaks are the makers' dense bfloat16 figures (NVIDIA data
sheets of A100, H100, H200, B200, L4, L40S; a figure given with sparsity is halved).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from datapipe.train.shape import Shape

__all__ = ["Flops", "flops", "mfu", "pairs", "peak"]

# FLOP/s, dense bfloat16 with float32 sums; the first name that stands in the device's is taken.
_PEAKS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H200 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "GH200": 989e12,
    "H800": 989e12,
    "B200": 2250e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
}


@dataclass(frozen=True)
class Flops:
    """FLOPs of some tokens: forward, backward, and what checkpointing of activations computes again."""

    forward: int
    backward: int
    again: int

    @property
    def model(self) -> int:
        """What the model asks for; MFU counts these."""
        return self.forward + self.backward

    @property
    def hardware(self) -> int:
        """What the device computes."""
        return self.model + self.again


def pairs(length: int, window: int | None = None) -> int:
    """Pairs of tokens of a document in which the second sees the first; with a window it sees so many, itself too."""
    seen = length if window is None else min(window, length)
    return seen * (seen + 1) // 2 + (length - seen) * seen


def flops(
    shape: Shape,
    documents: Iterable[int],
    *,
    checkpointing: bool = False,
    frozen: bool = False,
    adapters: int = 0,
) -> Flops:
    """FLOPs of one forward and backward pass over documents of these lengths, in tokens.

    `frozen`: the weights take no gradient (LoRA), so that going back through them costs one multiplication, not two.
    `adapters`: weights beside the model that every token is multiplied with and that are trained.
    """
    lengths = list(documents)
    tokens = sum(lengths)
    matrices = 2 * tokens * shape.multiplied
    seen = {window: sum(pairs(length, window) for length in lengths) for window in set(shape.windows)}
    attention = sum(4 * shape.queries * seen[window] for window in shape.windows)  # scores, and sums of values
    added = 2 * tokens * adapters
    forward = matrices + attention + added
    backward = matrices * (1 if frozen else 2) + 2 * attention + 2 * added
    once = 2 * tokens * shape.embedding  # outside the layers
    if shape.norms == 2:  # torch stops at what is saved last, which is what enters the down projection
        once += 2 * tokens * shape.layers * shape.width * shape.hidden * (shape.active or 1)
    return Flops(forward, backward, forward - once if checkpointing else 0)


def peak(device: str) -> float | None:
    """FLOP/s of a device by its name, dense bfloat16; None where it is not known."""
    return next((value for name, value in _PEAKS.items() if name in device), None)


def mfu(done: Flops, seconds: float, peak_flops: float) -> float:
    """Share of a device's peak that the model's FLOPs make up. `seconds`: of the steps that they were done in."""
    return done.model / (seconds * peak_flops)
