"""Operators, methods and filters of templates that can make much of little, with bounds on what they make.

What goes beyond raises `Spent`, before it is made.
Costs next to nothing: a look at lengths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

__all__ = [
    "BOUND",
    "SMALL",
    "WIDE",
    "WRITTEN",
    "Spent",
    "concatenated",
    "flat",
    "formatted",
    "indented",
    "of_items",
    "power",
    "product",
    "shown",
    "summed",
]

MADE = 1 << 24  # characters, or numbers of a list, that one operator makes of given ones
WRITTEN = 1 << 28  # characters of a rendering
BITS = 4096  # of a whole number
SMALL = 4  # digits of a width
WIDE = re.compile(r"\d{5,}|\*|\{[^{}]*\{")  # a format that fills with more than 9,999 blanks, or with so many as told


class Spent(Exception):
    """A template does more than any needs to."""


def enough(size: float, most: float = MADE) -> None:
    if size > most:
        raise Spent


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def product(left: Any, right: Any) -> Any:
    for some, number in ((left, right), (right, left)):
        if isinstance(number, int):
            enough(_size(some) * number)
            enough(number.bit_length(), BITS)
    return left * right


def power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        enough(left.bit_length() * right, BITS)
    return left**right


def formatted(left: Any, right: Any) -> Any:
    if isinstance(left, str) and WIDE.search(left):
        raise Spent
    return left % right


def summed(left: Any, right: Any) -> Any:
    if isinstance(left, str | list | tuple):
        enough(len(left) + _size(right), WRITTEN if isinstance(left, str) else MADE)
    return left + right


def flat(value: Any) -> Any:
    """The value itself, unless what lists and objects in it hold is too much to be written."""
    left, waiting = MADE >> 3, [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each
        left -= 1
        enough(len(waiting), left)
    return value


def shown(value: Any) -> Any:
    """A value as text."""
    return value if type(value) is str else str(flat(value))


def concatenated(*parts: Any) -> str:
    texts = [shown(part) for part in parts]
    enough(sum(map(len, texts)), WRITTEN)
    return "".join(texts)


def replaced(text: Any, old: str, new: str, *most: int) -> str:
    text = str(text)
    enough(len(text) + text.count(old) * (len(new) - len(old)), WRITTEN)
    replaced: str = text.replace(old, new, *most)
    return replaced


def joined(between: str, parts: Iterable[Any]) -> str:
    texts = list(parts)
    enough(sum(map(_size, texts)) + len(between) * len(texts), WRITTEN)
    return between.join(texts)


BOUND: dict[str, Callable[..., str]] = {"replace": replaced, "join": joined}


def of_items(getter: Any, parts: Any, between: Any = "", attribute: Any = None) -> str:
    if attribute is not None:
        parts = map(getter(attribute), parts)
    return joined(str(between), map(shown, parts))


def indented(original: Any, text: Any, width: Any = 4, *how: Any, **named: Any) -> str:
    """The filter `indent`, which `original` does."""
    text = str(text)
    enough((text.count("\n") + 1) * (width if isinstance(width, int) else len(str(width))))
    made: str = original(text, width, *how, **named)
    return made
