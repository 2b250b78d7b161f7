"""The engine trafilatura: rules over the page's tree, with readability and jusText to fall back on.

Its `deduplicate` stays off: it remembers texts across documents, so that the answer would depend on what the same
process saw before.
Costs: see the stage; most of it is the rules, a seventh is parsing.
"""

from __future__ import annotations

import logging
import re

import trafilatura

ROW = re.compile(r"^[ \t]*\|(.*)\|[ \t]*(?:\n|\Z)", re.MULTILINE)

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
    return text or "" if markdown else without_bars(text or "")


def without_bars(text: str) -> str:
    """The lines that trafilatura writes for rows of tables, without their outer bars and empty cells.

    Old pages, many of them Chinese, are laid out by tables: a paragraph is a cell, and its line would end in a bar, not
    as a sentence does.
    """
    return ROW.sub(_cells, text)


def _cells(row: re.Match[str]) -> str:
    cells = [cell.strip() for cell in row[1].split("|")]
    said = " | ".join(cell for cell in cells if cell)
    return f"{said}\n" if said else ""
