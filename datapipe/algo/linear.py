"""datapipe's own linear model of texts: hashed n-grams, one weight a label and n-gram, in one `.npz` under 2 MB.

What: for each window of a document and each label, bias + scale * (sum of the weights of its n-grams) / sqrt(how many
n-grams); the softmax of these is the probability of each label. A document's probabilities are the means over its
windows, and the greatest over them is told, too.
Weights are stored in one byte, so that all of a model lies in the second cache of a core. A file holds arrays and one
text, no code: it is read without pickles.
Costs 30 MB/s of English, 90 of Chinese, the segmentation included; see tests/benchmarks/classifiers.py.
"""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from datapipe.algo.ngrams import (
    MOST_CHARACTERS,
    MOST_WINDOW,
    MOST_WORDS,
    Eye,
    Room,
    Shape,
    Source,
    collect,
    eye_for,
    source_of,
    window_of,
)
from datapipe.errors import InputError
from datapipe.text.buffers import Texts, readonly
from datapipe.text.jit import Float64s, Uint64s, called, kernel
from datapipe.text.segmentation import Segmentation
from datapipe.text.tables import TABLES_VERSION

__all__ = ["FORMAT", "Linear", "LinearModel", "Probabilities", "Weights", "judge", "load_model", "softmax"]

FORMAT = "datapipe-linear/1"
MOST_BITS = 24  # of the numbers of n-grams
MOST_UNPACKED = 1 << 28  # bytes; a file that promises more is no model
Weights: TypeAlias = npt.NDArray[np.int8]
Float32s: TypeAlias = npt.NDArray[np.float32]


class Probabilities(NamedTuple):
    """Of each label over the windows of each text: the mean, the highest, the lowest; float64 (texts, labels)."""

    mean: Float64s
    highest: Float64s
    lowest: Float64s


class Linear(NamedTuple):
    """What kernels score by. weights: int8, or float32 in training (2^bits, labels); scale, bias: float64 (labels,)."""

    weights: Any
    scale: Float64s
    bias: Float64s


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A model as stored: labels (sorted), shape, int8 weights (2^bits, labels), float64 scale and bias (labels,).

    `terms` are hashes of the terms of groups that it knows (sorted, may be empty), `record` how it was made.
    """

    labels: tuple[str, ...]
    shape: Shape
    weights: Weights
    scale: Float64s
    bias: Float64s
    terms: Uint64s
    record: dict[str, Any]

    def probabilities(self, texts: Texts, segmentation: Segmentation | None = None) -> Probabilities:
        """The probability of each label for each text.

        A text without a token gets what the bias says. Null reads as empty. Uses the shared segmentation unless one
        is given.
        """
        source = source_of(texts, self.terms, segmentation)
        count = len(source.texts.starts)
        found = np.zeros((3, count, len(self.labels)), np.float64)
        found[2] = 1.0
        linear = Linear(readonly(self.weights), readonly(self.scale), readonly(self.bias))
        _score(source, eye_for(self.shape, len(self.labels)), linear, found)
        return Probabilities(*found)

    def save(self, path: Path) -> None:
        """Write the file: the same bytes for the same model, whenever and wherever. Raises OSError."""
        head = {"format": FORMAT, "labels": self.labels, "shape": self.shape._asdict(), "unicode": TABLES_VERSION}
        arrays: dict[str, npt.NDArray[Any]] = {
            "head": np.frombuffer(orjson.dumps({**head, "record": self.record}, option=orjson.OPT_SORT_KEYS), np.uint8),
            "weights": np.ascontiguousarray(self.weights.T),  # label by label packs better
            "scale": self.scale,
            "bias": self.bias,
            "terms": self.terms,
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
            for name, array in arrays.items():
                data = io.BytesIO()
                np.lib.format.write_array(data, array, allow_pickle=False)
                file.writestr(
                    zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), data.getvalue(), zipfile.ZIP_DEFLATED
                )


def softmax(logits: npt.NDArray[Any]) -> Float64s:
    """Probabilities, float64, of logits (rows, labels); NaN where a logit is no number."""
    highest = logits.max(axis=1, keepdims=True)
    raised = np.exp(logits - np.where(np.isfinite(highest), highest, np.nan))
    found: Float64s = raised / raised.sum(axis=1, keepdims=True)
    return found


@called
def judge(room: Room, n: int, linear: Linear) -> None:
    """The probabilities of each label, into room.sums, by the first n of room.ngrams."""
    sums, labels = room.sums, len(linear.bias)
    for k in range(labels):
        sums[k] = 0.0
    for i in range(n):
        for k in range(labels):
            sums[k] += linear.weights[room.ngrams[i], k]
    norm = 1.0 / np.sqrt(max(n, 1))
    highest, total = -np.inf, 0.0
    for k in range(labels):
        sums[k] = linear.bias[k] + linear.scale[k] * sums[k] * norm
        highest = max(highest, sums[k])
    for k in range(labels):
        sums[k] = np.exp(sums[k] - highest)
        total += sums[k]
    for k in range(labels):
        sums[k] /= total


@kernel
def _score(source: Source, eye: Eye, linear: Linear, found: Any) -> None:
    """Fill in the mean, the highest and the lowest probability of each label: found, float64 (3, texts, labels)."""
    room = eye.room
    for x in range(len(source.texts.starts)):
        first, last = source.bounds[0, x], source.bounds[1, x]
        windows = window_of(first, last, eye.shape.window)
        for window in range(windows):
            low = first + (last - first) * window // windows
            high = first + (last - first) * (window + 1) // windows
            judge(room, collect(source, (x, low, high), eye), linear)
            for k in range(len(linear.bias)):
                share = room.sums[k]
                found[0, x, k] += share / windows
                found[1, x, k] = max(found[1, x, k], share)
                found[2, x, k] = min(found[2, x, k], share)


def load_model(path: Path) -> LinearModel:
    """A model, read once a process while its file stays as it is. Raises InputError if there is none, or not such."""
    try:
        state = path.stat()
    except OSError:
        raise InputError(f"model {path} is no file", remedy="name a model that every worker can read") from None
    return _load(path, state.st_size, state.st_mtime_ns)


# What a damaged or crafted file makes zipfile, zlib, NumPy and orjson raise; MemoryError where a header promises more
# than there is memory, RuntimeError for one with a password.
_UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, MemoryError, RuntimeError, struct.error),
    *(zipfile.BadZipFile, zlib.error),
)


@lru_cache(maxsize=8)
def _load(path: Path, _size: int, _modified: int) -> LinearModel:
    try:
        with zipfile.ZipFile(path) as file:
            if sum(one.file_size for one in file.infolist()) > MOST_UNPACKED:
                raise ValueError
        with np.load(path, allow_pickle=False) as stored:
            head = orjson.loads(stored["head"].tobytes())
            arrays = {name: np.ascontiguousarray(stored[name]) for name in ("scale", "bias", "terms")}
            weights = np.ascontiguousarray(stored["weights"].T)
        model = LinearModel(
            tuple(map(str, head["labels"])), Shape(**head["shape"]), weights, **arrays, record=head["record"]
        )
    except _UNREADABLE:
        raise InputError(f"{path} is no model of datapipe's", remedy="make one by datapipe fit classifier") from None
    if head.get("format") != FORMAT or head.get("unicode") != TABLES_VERSION:
        raise InputError(f"{path} is of another version of datapipe", remedy="make it anew by datapipe fit classifier")
    if why := _wrong(model):
        raise InputError(f"{path} is damaged: {why}", remedy="make the model anew by datapipe fit classifier")
    return model


def _wrong(model: LinearModel) -> str:
    """What does not fit together; a kernel would read beyond an array, or give no number."""
    labels, shape = len(model.labels), model.shape
    if labels < 2 or len(set(model.labels)) < labels:
        return "labels that are fewer than two, or not all different"
    if not _is_shape(shape):
        return "its shape"
    sizes = {"weights": (1 << shape.bits, labels), "scale": (labels,), "bias": (labels,)}
    for name, size in sizes.items():
        if getattr(model, name).shape != size:
            return f"{name} of shape {getattr(model, name).shape}, not {size}"
    arrays = (model.weights, model.scale, model.bias, model.terms)
    if [str(array.dtype) for array in arrays] != ["int8", "float64", "float64", "uint64"] or model.terms.ndim != 1:
        return "arrays of other types"
    if (model.terms[1:] <= model.terms[:-1]).any():
        return "terms that are not sorted"
    return "" if np.isfinite([model.scale, model.bias]).all() else "weights that are no numbers"


def _is_shape(shape: Shape) -> bool:
    bounds = ((1, MOST_BITS), (1, MOST_WORDS), (1, MOST_CHARACTERS), (0, MOST_CHARACTERS), (1, MOST_WINDOW))
    return all(type(value) is int and low <= value <= high for value, (low, high) in zip(shape, bounds, strict=True))
