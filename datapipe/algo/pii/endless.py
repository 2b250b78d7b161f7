"""Presidio's patterns that look ahead without end, searched in time that grows with the text.

Why: the weak pattern of IN_PAN looks for a letter and four digits anywhere behind each word, that of
US_HEALTH_INSURANCE_MEMBER_ID for a digit anywhere in a run of letters, digits and dashes; on long texts without them
the time grows with the square. What is looked for behind a place is the same for all places up to it.
Costs what the patterns cost without looking ahead. Other patterns, and these if presidio changes them, stay its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import regex

__all__ = ["spans_of"]

FLAGS = regex.DOTALL | regex.MULTILINE | regex.IGNORECASE  # presidio's

_PAN = r"\b((?=.*?[a-zA-Z])(?=.*?[0-9]{4})[\w@#$%^?~-]{10})\b"
_MEMBER = r"\b(?=[A-Z0-9-]{6,20}\b)(?=[A-Z0-9-]*[A-Z])(?=[A-Z0-9-]*\d)[A-Z]{1,5}-?[A-Z0-9]{5,14}\b"
_PAN_ALONE = regex.compile(r"\b[\w@#$%^?~-]{10}\b", FLAGS)
_MEMBER_ALONE = regex.compile(r"\b(?=[A-Z0-9-]{6,20}\b)[A-Z]{1,5}-?[A-Z0-9]{5,14}\b", FLAGS)
_LETTERS = regex.compile(r"[a-zA-Z]", FLAGS)
_FOUR = regex.compile(r"(?=[0-9]{4})", FLAGS)
_DIGIT = regex.compile(r"\d", FLAGS)
_NO_MEMBER = regex.compile(r"[^A-Z0-9-]", FLAGS)


def _pans(text: str) -> Iterator[tuple[int, int]]:
    last = min(max((match.start() for match in each.finditer(text)), default=-1) for each in (_LETTERS, _FOUR))
    for match in _PAN_ALONE.finditer(text):
        if match.start() > last:
            return
        yield match.span()


def _members(text: str) -> Iterator[tuple[int, int]]:
    digit = end = -1  # the next digit, and where the run ends
    for match in _MEMBER_ALONE.finditer(text):
        if digit < match.start():
            found = _DIGIT.search(text, match.start())
            digit = found.start() if found else len(text)
        if end < match.start():
            found = _NO_MEMBER.search(text, match.start())
            end = found.start() if found else len(text)
        if digit <= end and digit < len(text):  # a digit of another script may be what ends the run
            yield match.span()


_SEARCHES = {_PAN: _pans, _MEMBER: _members}


def spans_of(compiled: Any, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and end of each match of a pattern in text[start:end], as its own search gives them."""
    search = _SEARCHES.get(compiled.pattern) if (start, end) == (0, len(text)) else None
    return search(text) if search else (match.span() for match in compiled.finditer(text, start, end))
