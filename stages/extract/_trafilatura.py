"""The engine trafilatura: rules over the page's tree, with readability and jusText to fall back on.

Its `deduplicate` stays off: it remembers texts across documents, so that the answer would depend on what the same
process saw before.
Costs: see the stage; most of it is the rules, a seventh is parsing.
"""

from __future__ import annotations

import logging

import trafilatura

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it logs every page without content


def main_text(page: str, *, mode: str, comments: bool, markdown: bool) -> str:
    """The main content of a page as plain text or Markdown."""
    text = trafilatura.extract(
        page,
        output_format="markdown" if markdown else "txt",
        fast=mode == "fast",
        favor_precision=mode == "precision",
        favor_recall=mode == "recall",
        include_comments=comments,
        deduplicate=False,
    )
    return text or ""
