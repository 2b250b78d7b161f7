r"""What a character is to presidio's patterns: a table over all code points, made by asking the pattern engines.

Why: `\w` and `\d` of `regex` (presidio) and of `re` (phonenumbers) differ, and with their versions of Unicode;
kernels that skip what could not match must never skip more than those engines would.
Costs 0.3 s and 2 MB a process and table, once.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import phonenumbers.phonenumberutil as phone_rules
import regex

from datapipe.text.buffers import readonly
from datapipe.text.jit import I64, Uint8s, inlined

__all__ = ["ALNUM", "DIGIT", "EXTENSION", "HEX", "LEAD", "LOCAL", "PHONE_DIGIT", "PUNCTUATION", "WORD"]
__all__ += ["Classes", "bits_at", "bits_before", "class_table", "spaceless"]

WORD, DIGIT, PHONE_DIGIT, ALNUM, HEX, LOCAL, PUNCTUATION, LEAD, EXTENSION = (1 << bit for bit in range(9))
CODE_POINTS = 0x110000
SURROGATES = range(0xD800, 0xE000)

# Scripts whose words touch without spaces, or that glue particles to them: a mark of another script beside them begins
# or ends there. Blocks of Unicode 14: Thai to Lao, Myanmar, Hangul Jamo, Khmer, CJK with kana and Hangul, and the rest.
SPACELESS = (
    *((0x0E00, 0x0EFF), (0x1000, 0x11FF), (0x1780, 0x17FF), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0xA4CF)),
    *((0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF), (0xFF66, 0xFFDC), (0x1AFF0, 0x1B16F), (0x20000, 0x3FFFF)),
)

Classes = npt.NDArray[np.uint16]

# What each bit stands for, as its engine has it. The class of [a-z0-9] takes in U+017F and U+212A when case is ignored.
_PATTERNS: tuple[tuple[int, Any], ...] = (
    (WORD, regex.compile(r"\w+")),
    (DIGIT, regex.compile(r"\d+")),
    (PHONE_DIGIT, re.compile(r"\d+")),
    (ALNUM, regex.compile(r"[a-z0-9]+", regex.IGNORECASE)),
    (HEX, regex.compile(r"[0-9A-Fa-f]+", regex.IGNORECASE)),
    (LOCAL, regex.compile(r"[!#$%&'*+\-/=?^_`{|}~\w]+", regex.IGNORECASE)),
    # The names that start with an underscore are those of phonenumbers' own matcher.
    (PUNCTUATION, re.compile(f"[{phone_rules._VALID_PUNCTUATION}]+", re.IGNORECASE)),  # noqa: SLF001
    (LEAD, re.compile(r"[(\[\uFF08\uFF3B+\uFF0B]+")),
    # How words and signs for an extension begin, wide ones and Cyrillic too.
    (EXTENSION, re.compile("[xeia#~;\u0434\uff45\uff58\uff49\uff03\uff5e]+", re.IGNORECASE)),
)


@cache
def class_table(*, mended: bool) -> Classes:
    """Bits of each code point; uint16 (0x110000,). `mended`: scripts without spaces have no word characters."""
    table = np.zeros(CODE_POINTS, np.uint16)
    everything = "".join(map(chr, range(SURROGATES.start))) + "\ufffd" * len(SURROGATES)
    everything += "".join(map(chr, range(SURROGATES.stop, CODE_POINTS)))
    for bit, pattern in _PATTERNS:
        for match in pattern.finditer(everything):
            table[match.start() : match.end()] |= bit
    if mended:
        for first, last in SPACELESS:
            table[first : last + 1] = 0
    return readonly(table)


@cache
def _touching() -> npt.NDArray[np.bool_]:
    table = np.zeros(CODE_POINTS, np.bool_)
    for first, last in SPACELESS:
        table[first : last + 1] = True
    return readonly(table)


def spaceless(points: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Which code points are of scripts whose words touch."""
    return _touching()[points]


@inlined
def _wide(data: Uint8s, i: int) -> tuple[int, int]:
    """Code point and width of a character of several bytes; the text is valid UTF-8."""
    lead: int = I64(data[i])
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | (data[i + 1] & 0x3F), 2
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | (I64(data[i + 1]) & 0x3F) << 6 | (data[i + 2] & 0x3F), 3
    high = (lead & 0x07) << 18 | (I64(data[i + 1]) & 0x3F) << 12
    return high | (I64(data[i + 2]) & 0x3F) << 6 | (data[i + 3] & 0x3F), 4


@inlined
def bits_at(data: Uint8s, i: int, end: int, table: Classes) -> tuple[int, int]:
    """Bits and width in bytes of the character at data[i]; (0, 1) at the end of the text."""
    if i >= end:
        return 0, 1
    if data[i] < 0x80:
        return I64(table[data[i]]), 1
    point, width = _wide(data, i)
    return I64(table[point]), width


@inlined
def bits_before(data: Uint8s, i: int, start: int, table: Classes) -> tuple[int, int]:
    """Bits of the character before data[i] and its place; (0, start) at the start of the text."""
    if i <= start:
        return 0, start
    at = i - 1
    while data[at] & 0xC0 == 0x80:
        at -= 1
    if data[at] < 0x80:
        return I64(table[data[at]]), at
    point, _ = _wide(data, at)
    return I64(table[point]), at
