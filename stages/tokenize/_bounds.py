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
    "formatted",
    "indented",
    "of_items",
    "power",
    "product",
    "summed",
]

MADE = 1 << 24  # characters, or numbers of a list, that one operator makes of given ones
WRITTEN = 1 << 29  # characters of a rendering
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
        enough(len(left) + _size(right), WRITTEN)
    return left + right


def concatenated(*parts: Any) -> str:
    texts = [str(part) for part in parts]
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
    return joined(str(between), map(str, parts))


def indented(original: Any, text: str, width: Any = 4, *how: Any, **named: Any) -> str:
    enough(len(str(width)), SMALL)
    made: str = original(text, width, *how, **named)
    return made
