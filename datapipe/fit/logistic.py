"""Logistic regression over hashed n-grams: stochastic gradient descent with a rate of its own for each weight.

Documents come in a fixed order and one after the other, so that the same documents give the same weights to the bit.
N-grams are found anew in each pass instead of being kept: the memory is the texts and 8 bytes a weight.
Costs, for each pass, what scoring the documents costs, twice.
Source: AdaGrad (Duchi, Hazan and Singer 2011).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datapipe.algo.linear import Linear, LinearModel, judge
from datapipe.algo.ngrams import Eye, Shape, Source, collect, eye_for, source_of, window_of
from datapipe.text import forget
from datapipe.text.buffers import readonly
from datapipe.text.jit import Float64s, Int32s, Uint64s, kernel

__all__ = ["Examples", "Options", "train"]

ROWS = 256  # documents segmented at a time
MOST_WINDOWS = 8  # of one document that are trained on: a book should not outweigh a thousand posts
LEVELS = 127  # of a weight in one byte, on either side of 0
Float32s: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Options:
    """How to train. passes over all documents; rate: first step; decay: pull of weights towards 0 (L2).

    progress is told now and then how many documents were learnt from, of how many in all passes.
    """

    passes: int = 12
    rate: float = 0.3
    decay: float = 2e-5
    balance: float = 0.0
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True, eq=False)
class Examples:
    """Texts and what they are: `target` int32, the place of each one's label among the sorted labels."""

    texts: pa.LargeStringArray
    target: Int32s

    def __len__(self) -> int:
        """Number of documents."""
        return len(self.target)


class _Learner(NamedTuple):
    """What is learnt, with the sums of squared slopes. squares: float32 (2^bits, labels); bias_squares: (labels,)."""

    linear: Linear
    squares: Float32s
    bias_squares: Float64s


class _Step(NamedTuple):
    """rate and decay of a pass, and the weight of each label (float64)."""

    rate: float
    decay: float
    importance: Float64s


def train(
    examples: Examples, labels: Sequence[str], shape: Shape, options: Options, *, terms: Uint64s | None = None
) -> LinearModel:
    """A model of the examples, which must be in the same order to give the same model; its record is empty."""
    known = np.zeros(0, np.uint64) if terms is None else terms
    count = len(labels)
    size = (1 << shape.bits, count)
    linear = Linear(np.zeros(size, np.float32), np.ones(count), np.zeros(count))
    learner = _Learner(linear, np.zeros(size, np.float32), np.zeros(count))
    eye = eye_for(shape, count)
    met = np.bincount(examples.target, minlength=count)
    importance = (len(examples) / (count * np.maximum(met, 1))) ** options.balance
    for number in range(options.passes):
        step = _Step(options.rate / (1 + number) ** 0.5, options.decay, readonly(importance))
        for start in range(0, len(examples), ROWS):
            source = source_of(examples.texts[start : start + ROWS], known)
            target = readonly(examples.target[start : start + ROWS])
            _pass(source, eye, (target, step), learner)
            if options.progress is not None:
                options.progress(number * len(examples) + start + len(target), options.passes * len(examples))
    forget()
    greatest = np.abs(linear.weights).max(axis=0).astype(np.float64)
    scale = np.where(greatest > 0, greatest / LEVELS, 1.0)
    weights = np.rint(linear.weights / scale).astype(np.int8)
    return LinearModel(tuple(labels), shape, weights, scale, linear.bias, known, {})


@kernel
def _pass(source: Source, eye: Eye, task: tuple[Any, _Step], learner: _Learner) -> None:
    """Learn from each window of some documents, one after the other."""
    room = eye.room
    target, step = task
    weights, squares, bias = learner.linear.weights, learner.squares, learner.linear.bias
    labels, sums = weights.shape[1], room.sums
    for x in range(len(source.texts.starts)):
        first, last = source.bounds[0, x], source.bounds[1, x]
        windows = window_of(first, last, eye.shape.window)
        for window in range(min(windows, MOST_WINDOWS)):
            low = first + (last - first) * window // windows
            high = first + (last - first) * (window + 1) // windows
            n = collect(source, (x, low, high), eye)
            norm = 1.0 / np.sqrt(max(n, 1))
            judge(room, n, learner.linear)
            for k in range(labels):
                error = (sums[k] - (1.0 if k == target[x] else 0.0)) * step.importance[target[x]]
                squared = learner.bias_squares
                squared[k] += error * error
                bias[k] -= step.rate * error / (np.sqrt(squared[k]) + 1e-8)
                sums[k] = error * norm
            for i in range(n):
                row = room.ngrams[i]
                for k in range(labels):
                    slope = sums[k] + step.decay * weights[row, k]
                    squares[row, k] += slope * slope
                    weights[row, k] -= step.rate * slope / (np.sqrt(squares[row, k]) + 1e-8)
