"""The engine resiliparse: a fast parser and rules over tags and class names, in C++ and Rust.

It writes Markdown's blocks as a small HTML of its own (headings, paragraphs, lists, code, line breaks), from which
Markdown is made here; cells of a table come with tabs between them.
Costs: see the stage; about half of it is parsing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Literal, cast

from resiliparse.extract.html2text import extract_plain_text

from stages.extract import _markdown
from stages.extract._markdown import Block

_TAG = re.compile(r"<(/?)(h[1-6]|p|ul|ol|li|pre|br)>")
_CELLS = "\t\t"  # between two cells of a row; an empty cell leaves two more


def main_text(page: str, *, mode: str, comments: bool, markdown: bool) -> str:
    """The main content of a page as plain text or Markdown."""
    form: Literal["minimal_html"] | bool = "minimal_html" if markdown else True
    text = str(
        extract_plain_text(
            page, preserve_formatting=cast("bool", form), main_content=True, alt_texts=False, comments=comments
        )
    )
    return _markdown.markdown(_Reader().blocks(text)) if markdown else text


class _Reader:
    """What is open at a place of the small HTML."""

    def __init__(self) -> None:
        self._lists: list[int | None] = []  # the number of the last item of each open list, None without numbers
        self._inside = ""  # h1 to h6, p or pre
        self._starts_item = False
        self._text: list[str] = []

    def blocks(self, markup: str) -> Iterator[Block]:
        """The blocks of a page in order."""
        at = 0
        for tag in _TAG.finditer(markup):
            self._text.append(html.unescape(markup[at : tag.start()]))
            at = tag.end()
            if tag[2] == "br":
                continue  # a line feed follows
            yield from self._flush()
            self._step(tag[2], closes=bool(tag[1]))
        self._text.append(html.unescape(markup[at:]))
        yield from self._flush()

    def _step(self, tag: str, *, closes: bool) -> None:
        if tag in {"ul", "ol"}:
            if not closes:
                self._lists.append(0 if tag == "ol" else None)
            elif self._lists:
                self._lists.pop()
                self._starts_item = False  # of an item that was never closed
        elif tag == "li":
            self._starts_item = not closes and bool(self._lists)
            if self._starts_item and (number := self._lists[-1]) is not None:
                self._lists[-1] = number + 1
        else:
            self._inside = "" if closes else tag

    def _flush(self) -> Iterator[Block]:
        text, self._text = "".join(self._text), []
        if not text.strip():
            return
        depth = len(self._lists)
        if self._inside == "pre":
            yield Block("code", text.strip("\n"), depth)
        elif self._inside.startswith("h"):
            yield Block("heading", text, int(self._inside[1]))
        elif self._starts_item:
            self._starts_item = False
            yield Block("item", text, depth, self._lists[-1])
        elif self._inside == "p" or depth:
            yield Block("paragraph", text, depth)
        else:
            for line in text.strip("\n").split("\n"):
                yield Block("row" if _CELLS in line else "paragraph", line.replace(_CELLS, "\t"))
