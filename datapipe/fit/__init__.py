"""What can be fitted to reference documents: what the filters should know of a language, and classifiers."""

from __future__ import annotations

from datapipe.fit.card import model_card, unmeasured
from datapipe.fit.classifier import Origin, fit_classifier
from datapipe.fit.labelled import FIELDS, Labelled, Reading, labelled, path_of
from datapipe.fit.language import USEFUL_DOCUMENTS, Fit, Texts, fit_language
from datapipe.fit.logistic import Options
from datapipe.fit.percentiles import Fitted

__all__ = [
    "FIELDS",
    "USEFUL_DOCUMENTS",
    "Fit",
    "Fitted",
    "Labelled",
    "Options",
    "Origin",
    "Reading",
    "Texts",
    "fit_classifier",
    "fit_language",
    "labelled",
    "model_card",
    "path_of",
    "unmeasured",
]
