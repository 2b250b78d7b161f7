"""Kernels on single characters: reading UTF-8, looking up the tables, hashing a word code point by code point.

Called from the other kernels only. Costs: 1-2 ns a character.
"""

from typing import Any

import numpy as np

from datapipe.text.jit import I64, U64, Int, Int32s, Uint8s, inlined
from datapipe.text.tables import MAPPED_SHIFT, MULTIPLE, REPLACEMENT, Table

ASCII_END = 0x80
BLOCK_BITS = 7
BLOCK_MASK = 127

# The word hash: FNV-1a's multiplier on whole code points with a shift to carry high bits down, then MurmurHash3's
# finaliser. Not XXH64, because a word's folded form is never written out.
HASH_START = U64(0x9E3779B97F4A7C15)
HASH_MULTIPLIER = U64(0x100000001B3)
MIX_1 = U64(0xFF51AFD7ED558CCD)
MIX_2 = U64(0xC4CEB9FE1A85EC53)


@inlined
def _tail(data: Uint8s, i: int) -> int:
    """The six bits of a continuation byte, or -1."""
    return data[i] & 0x3F if data[i] & 0xC0 == 0x80 else -1


@inlined
def _read_wide(data: Uint8s, i: int, end: int) -> tuple[int, int]:
    """A character of 2-4 bytes. The bounds refuse overlong forms, surrogates and points above U+10FFFF."""
    lead: int = I64(data[i])
    if 0xC2 <= lead < 0xE0 and i + 1 < end:
        last = _tail(data, i + 1)
        if last >= 0:
            return (lead & 0x1F) << 6 | last, 2
    elif 0xE0 <= lead < 0xF0 and i + 2 < end:
        middle, last = _tail(data, i + 1), _tail(data, i + 2)
        point = (lead & 0x0F) << 12 | middle << 6 | last
        if middle >= 0 and last >= 0 and point >= 0x800 and not 0xD800 <= point < 0xE000:
            return point, 3
    elif 0xF0 <= lead < 0xF5 and i + 3 < end:
        second, third, last = _tail(data, i + 1), _tail(data, i + 2), _tail(data, i + 3)
        point = (lead & 0x07) << 18 | second << 12 | third << 6 | last
        if second >= 0 and third >= 0 and last >= 0 and 0x10000 <= point < 0x110000:
            return point, 4
    return REPLACEMENT, 1


@inlined
def read(data: Uint8s, i: int, end: int) -> tuple[int, int]:
    """Code point and width in bytes of the character at data[i]; a bad byte is U+FFFD of width 1."""
    lead: int = I64(data[i])
    if lead < ASCII_END:
        return lead, 1
    return _read_wide(data, i, end)


@inlined
def write(data: Uint8s, i: int, point: Int) -> int:
    """Put a code point as UTF-8 at data[i]; returns the place after it (at most i + 4)."""
    if point < ASCII_END:
        data[i] = point
        return i + 1
    if point < 0x800:
        data[i] = 0xC0 | point >> 6
        data[i + 1] = 0x80 | point & 0x3F
        return i + 2
    if point < 0x10000:
        data[i] = 0xE0 | point >> 12
        data[i + 1] = 0x80 | point >> 6 & 0x3F
        data[i + 2] = 0x80 | point & 0x3F
        return i + 3
    data[i] = 0xF0 | point >> 18
    data[i + 1] = 0x80 | point >> 12 & 0x3F
    data[i + 2] = 0x80 | point >> 6 & 0x3F
    data[i + 3] = 0x80 | point & 0x3F
    return i + 4


@inlined
def write_mapped(room: tuple[Uint8s, int], point: int, entry: int, rows: Int32s) -> int:
    """Put what a code point maps to (none, one or several) at data[i], room = (data, i); returns the place after it."""
    data, i = room
    mapped = entry >> MAPPED_SHIFT
    if mapped < MULTIPLE:
        return write(data, i, point + mapped)
    row = mapped - MULTIPLE
    for k in range(1, rows[row, 0] + 1):
        i = write(data, i, np.int64(rows[row, k]))
    return i


@inlined
def look_up(table: Table, point: int) -> int:
    """The entry of a code point: its bits, and above them what it maps to."""
    if point < ASCII_END:
        plain: int = I64(table.blocks[point])
        return plain
    block: int = I64(table.block_of[point >> BLOCK_BITS])
    entry: int = I64(table.blocks[block << BLOCK_BITS | point & BLOCK_MASK])
    return entry


@inlined
def mix(state: Any) -> Any:
    """MurmurHash3's 64-bit finaliser (a bijection)."""
    state = (state ^ (state >> U64(33))) * MIX_1
    state = (state ^ (state >> U64(33))) * MIX_2
    return state ^ (state >> U64(33))


@inlined
def _hash_point(state: Any, point: Int) -> Any:
    state = (state ^ U64(point)) * HASH_MULTIPLIER
    return state ^ (state >> U64(29))


@inlined
def hash_mapped(state: Any, point: int, entry: int, rows: Int32s) -> Any:
    """Carry a word's hash on by what a code point maps to (one code point or several)."""
    mapped = entry >> MAPPED_SHIFT
    if mapped < MULTIPLE:
        return _hash_point(state, point + mapped)
    row = mapped - MULTIPLE
    for k in range(1, rows[row, 0] + 1):
        state = _hash_point(state, np.int64(rows[row, k]))
    return state
