"""How well a classifier does: area under the ROC curve, accuracy, calibration, and what each threshold gives.

Costs a sort a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["THRESHOLDS", "auc", "calibration_error", "measures", "threshold_rows"]

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
BINS = 10
DIGITS = 4
_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]


def auc(scores: _Floats, positive: _Bools) -> float | None:
    """Chance that a positive document scores higher than another, ties as half; None if there is but one kind."""
    many = int(positive.sum())
    if many in (0, len(positive)):
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * (len(positive) - many)))


def calibration_error(confidence: _Floats, right: _Bools) -> float:
    """Expected calibration error: how far confidence and accuracy lie apart, over ten bins of equal width.

    Source: Naeini, Cooper and Hauskrecht 2015.
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    apart = [abs(confidence[bins == one].mean() - right[bins == one].mean()) * (bins == one).sum() for one in set(bins)]
    return float(sum(apart) / len(confidence))


def threshold_rows(scores: _Floats, positive: _Bools) -> list[dict[str, float | None]]:
    """For each threshold the share of documents at or over it, and precision and recall of calling them positive."""
    rows: list[dict[str, float | None]] = []
    for at in THRESHOLDS:
        called = scores >= at
        both = int((called & positive).sum())
        rows.append(
            {
                "at": at,
                "share": round(float(called.mean()), DIGITS),
                "precision": round(both / int(called.sum()), DIGITS) if called.any() else None,
                "recall": round(both / int(positive.sum()), DIGITS) if positive.any() else None,
            }
        )
    return rows


def measures(probabilities: _Floats, target: npt.NDArray[np.int32], labels: Sequence[str]) -> dict[str, Any]:
    """All figures, rounded, of documents whose labels are known: float64 (documents, labels), int32 (documents,)."""
    best = probabilities.argmax(axis=1)
    given = np.clip(probabilities[np.arange(len(target)), target], 1e-12, 1)
    by_label = {}
    for number, label in enumerate(labels):
        positive = target == number
        area = auc(probabilities[:, number], positive)
        by_label[label] = {
            "documents": int(positive.sum()),
            "auc": None if area is None else round(area, DIGITS),
            "thresholds": threshold_rows(probabilities[:, number], positive),
        }
    return {
        "documents": len(target),
        "accuracy": round(float((best == target).mean()), DIGITS),
        "most_frequent_label": round(float(np.bincount(target).max() / len(target)), DIGITS),
        "log_loss": round(float(-np.log(given).mean()), DIGITS),
        "calibration_error": round(calibration_error(probabilities.max(axis=1), best == target), DIGITS),
        "labels": by_label,
    }
