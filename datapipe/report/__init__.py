"""What a run says of itself: facts gathered from its layers, and the pages, summaries and cards made of them."""

from __future__ import annotations

from datapipe.report.model import GateFacts, Report

__all__ = ["GateFacts", "Report"]
