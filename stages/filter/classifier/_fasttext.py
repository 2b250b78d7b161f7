"""The engine fastText: supervised models.

Costs 8 MB/s with the small model of languages, one text at a time: the bindings take no more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from datapipe.algo.models import digest_of, distributions, load_fasttext, whole_labels

STAGE = "filter.classifier"
LABEL = "__label__"
ALL = -1  # of `predict`: as many labels as there are


def libraries(path: Path) -> tuple[str, ...]:
    """What shapes the scores: the binding that is installed, and the digest of the model."""
    return (*distributions("fasttext", extra="fasttext", stage=STAGE), f"model={digest_of(path)}")


def labels(path: Path) -> tuple[str, ...]:
    """All labels of the model, read from its file: not every binding tells them."""
    return _labels(path, digest_of(path))


@lru_cache(maxsize=2)
def _labels(path: Path, _digest: str) -> tuple[str, ...]:
    return tuple(label.removeprefix(LABEL) for label in whole_labels(path, STAGE))


@lru_cache(maxsize=2)
def _model(path: Path, _digest: str) -> Any:
    return load_fasttext(path, STAGE)


def judge(path: Path, config: Any) -> Callable[[Any], list[tuple[list[str], Any]]]:
    """The labels and scores of each text, best first."""
    predict = _model(path, digest_of(path)).predict

    def one(text: str) -> tuple[list[str], Any]:
        # A line feed ends the text, and in some bindings raises. Probabilities up to 1.0001 happen.
        try:
            found = predict(text.replace("\n", " ") + "\n", config.top, 0.0, "strict")
        except RuntimeError:  # of weights of a word that are no numbers
            found = []
        return [label.removeprefix(LABEL) for _, label in found], np.minimum([score for score, _ in found], 1.0)

    return lambda texts: [one(text) for text in texts.to_pylist()]
