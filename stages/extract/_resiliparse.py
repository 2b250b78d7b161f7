"""The engine resiliparse: a fast parser and rules over tags and class names, in C++ and Rust.

Costs: see the stage; about half of it is parsing.
"""

from __future__ import annotations

from resiliparse.extract.html2text import extract_plain_text


def main_text(page: str, *, mode: str, comments: bool) -> str:
    """The main content of a page as plain text."""
    return str(
        extract_plain_text(page, preserve_formatting=True, main_content=True, alt_texts=False, comments=comments)
    )
