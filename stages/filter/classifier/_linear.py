"""The engine linear: models of `datapipe fit classifier`.

Costs 28 MB/s of English, the segmentation included.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from datapipe.algo.linear import load_model
from datapipe.algo.models import digest_of


def libraries(path: Path) -> tuple[str, ...]:
    """What shapes the scores."""
    load_model(path)  # what is wrong with it is told before the first document
    return ("datapipe.text", f"model={digest_of(path)}")


def labels(path: Path) -> tuple[str, ...]:
    """All labels of the model."""
    return load_model(path).labels


def judge(path: Path, config: Any) -> Callable[[Any], list[tuple[list[str], Any]]]:
    """The labels and scores of each text, best first."""
    model = load_model(path)

    def judged(texts: Any) -> list[tuple[list[str], Any]]:
        scores = getattr(model.probabilities(texts), config.passages)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : config.top]
        return [([model.labels[at] for at in row], scores[number, row]) for number, row in enumerate(order)]

    return judged
