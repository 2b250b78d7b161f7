"""Sizes and shares as people write them in recipes (`512MiB`, `1%`) and read them, and which numbers a recipe may hold.

Costs nothing: plain types.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator

__all__ = ["Share", "Size", "say_bytes", "say_seconds", "storable"]

MOST_NUMBER = 2**53  # of a config; beyond it JSON's readers do not tell whole numbers apart
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def _bytes(value: object) -> object:
    """`8MiB`, `1.5 GB` or a plain number, in bytes."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([\d_.]+)\s*([A-Za-z]*)\s*", value)
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise ValueError("write a size as a number of bytes or with a unit, such as 512MiB")
    size = float(match[1]) * unit
    if size >= 2**63:
        raise ValueError("that is more bytes than there are anywhere")
    return int(size)


def _share(value: object) -> object:
    """`1%` or `0.01`."""
    return float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else value


Size: TypeAlias = Annotated[int, BeforeValidator(_bytes)]
Share: TypeAlias = Annotated[float, BeforeValidator(_share)]


def storable(value: Any) -> Any:
    """A value of a config as it is; ValueError for numbers that JSON, in which configs are stored, does not hold."""
    for number in value.values() if isinstance(value, dict) else (value,):
        if isinstance(number, (int, float)) and not abs(number) <= MOST_NUMBER:  # true of NaN, too
            raise ValueError("numbers lie between -2^53 and 2^53; null switches an option off, where it can be")
    return value


def say_bytes(size: float) -> str:
    """A size for people."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def say_seconds(seconds: float) -> str:
    """A duration for people."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
