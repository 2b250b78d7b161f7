"""The engine ONNX: text classifiers run by onnxruntime on one thread, with a `tokenizer.json` beside the model.

The model's inputs are `input_ids` and, where it has them, `attention_mask` and `token_type_ids` (int64); its first
output is logits (rows, labels). `config.json` beside it names the labels (`id2label`) and says whether a document may
have several (`problem_type: multi_label_classification`); without it labels are numbers.
Texts of about the same length are judged together. Every batch has BATCH rows of one of few lengths, filled up with
empty ones, so that a document's score does not depend on what it is judged with.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.algo.linear import softmax
from datapipe.algo.models import digest_of, distributions, package
from datapipe.errors import InputError

STAGE = "filter.classifier"
EXTRA = "onnx"
BATCH = 16
SHORTEST = 16  # tokens; lengths are this times powers of two
MULTI_LABEL = "multi_label_classification"


class _Loaded(NamedTuple):
    session: Any
    tokenizer: Any
    labels: tuple[str, ...]
    multi_label: bool


def libraries(path: Path) -> tuple[str, ...]:
    """What shapes the scores: the packages, and the digests of the model, its tokenizer and its labels.

    Raises InputError if any of them is missing.
    """
    found = [
        name for module in ("onnxruntime", "tokenizers") for name in distributions(module, extra=EXTRA, stage=STAGE)
    ]
    files = {"model": path, "tokenizer": _tokenizer_file(path), "labels": path.with_name("config.json")}
    return (*found, *(f"{name}={digest_of(file)}" for name, file in files.items() if file.is_file()))


def labels(path: Path) -> tuple[str, ...]:
    """All labels of the model."""
    return _loaded(path, libraries(path)).labels


def _tokenizer_file(path: Path) -> Path:
    file = path.with_name("tokenizer.json")
    if not file.is_file():
        raise InputError(f"{STAGE}: there is no tokenizer.json beside {path}", remedy="put the model's own there")
    return file


@lru_cache(maxsize=2)
def _loaded(path: Path, _state: tuple[str, ...]) -> _Loaded:
    runtime = package("onnxruntime", extra=EXTRA, stage=STAGE)
    tokenizers = package("tokenizers", extra=EXTRA, stage=STAGE)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        tokenizer = tokenizers.Tokenizer.from_file(str(_tokenizer_file(path)))
        config = path.with_name("config.json")
        told = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
        names = {int(number): str(name) for number, name in told.get("id2label", {}).items()}
        "".join(names.values()).encode()  # lone surrogates are no text
    except Exception as error:  # noqa: BLE001 - both packages raise what they like, down to Exception itself
        raise InputError(
            f"{STAGE}: {path}, its tokenizer.json or config.json cannot be read ({type(error).__name__})",
            remedy="export the model anew",
        ) from None
    tokenizer.no_padding()
    shape = session.get_outputs()[0].shape
    many = shape[1] if len(shape) == 2 else None
    if "input_ids" not in {one.name for one in session.get_inputs()} or not isinstance(many, int) or many < 1:
        raise _no_classifier(path)
    multi_label = told.get("problem_type") == MULTI_LABEL
    if many == 1 and not multi_label:
        raise InputError(f"{STAGE}: {path} has one label, which every text would have", remedy=f"see {MULTI_LABEL}")
    known = tuple(names.get(number, str(number)) for number in range(many))
    loaded = _Loaded(session, tokenizer, known, multi_label)
    _try(loaded, path)
    return loaded


def _no_classifier(path: Path) -> InputError:
    return InputError(
        f"{STAGE}: {path} is no classifier of texts", remedy="its input is input_ids, its output logits of labels"
    )


def _try(loaded: _Loaded, path: Path) -> None:
    """Judge the last token of the tokenizer: it may be another model's, the inputs of other types."""
    last = max(loaded.tokenizer.get_vocab().values(), default=0)
    try:
        logits = _run(loaded.session, [[last]], SHORTEST)
    except InputError:
        raise _no_classifier(path) from None
    if logits.shape != (1, len(loaded.labels)):
        raise _no_classifier(path)


def judge(path: Path, config: Any) -> Callable[[Any], list[tuple[list[str], Any]]]:
    """The labels and scores of each text, best first."""
    loaded = _loaded(path, libraries(path))

    def judged(texts: Any) -> list[tuple[list[str], Any]]:
        scores = _scores(loaded, texts, config.max_tokens)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : config.top]
        return [([loaded.labels[at] for at in row], scores[number, row]) for number, row in enumerate(order)]

    return judged


def _scores(loaded: _Loaded, texts: pa.Array[Any], most: int) -> Any:
    loaded.tokenizer.enable_truncation(most)
    tokens = [encoded.ids for encoded in loaded.tokenizer.encode_batch(texts.to_pylist())]
    widths = np.array([_width(len(ids), most) for ids in tokens])
    logits = np.zeros((len(tokens), len(loaded.labels)), np.float64)
    for width in np.unique(widths):
        rows = np.flatnonzero(widths == width)
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            logits[some] = _run(loaded.session, [tokens[row] for row in some], int(width))
    return 1 / (1 + np.exp(-logits)) if loaded.multi_label else softmax(logits)


def _width(size: int, most: int) -> int:
    width = SHORTEST
    while width < size:
        width *= 2
    return min(width, most)


def _run(session: Any, tokens: list[list[int]], width: int) -> Any:
    """Logits, float (rows, labels). Raises InputError if the model takes no texts of so many tokens."""
    ids = np.zeros((BATCH, width), np.int64)
    mask = np.zeros((BATCH, width), np.int64)
    mask[:, 0] = 1  # a row without any token makes NaN of attention
    for row, each in enumerate(tokens):
        ids[row, : len(each)], mask[row, : len(each)] = each, 1
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    wanted = {one.name for one in session.get_inputs()}
    try:
        (logits, *_) = session.run(None, {name: array for name, array in given.items() if name in wanted})
    except Exception:  # noqa: BLE001 - the package raises what it likes
        raise InputError(
            f"{STAGE}: the model cannot judge texts of {width} tokens", remedy="set max_tokens to what it was made for"
        ) from None
    return logits[: len(tokens)]
