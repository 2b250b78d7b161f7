"""What can be fitted to reference documents: what the filters should know of a language."""

from __future__ import annotations

from datapipe.fit.language import USEFUL_DOCUMENTS, Fit, Texts, fit_language
from datapipe.fit.percentiles import Fitted

__all__ = ["USEFUL_DOCUMENTS", "Fit", "Fitted", "Texts", "fit_language"]
