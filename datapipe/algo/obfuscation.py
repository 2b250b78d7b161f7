"""Tricks undone by which words are hidden from lists: look-alikes, signs without width, spelling out, repeated letters.

What is hidden is still read by people, and so by models. The text that comes out is for matching only, see
`undo_tricks`; documents keep theirs.
Costs one more copy of the texts; who looks for words in it pays for its segmentation, too.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.text.buffers import BytesView, Texts, readonly, view_bytes
from datapipe.text.jit import Int64s, Uint8s, called, inlined, kernel

__all__ = ["undo_tricks"]

A, Z, SPACE = 0x61, 0x7A, 0x20
CASE = 0x20

# What is written in place of a letter; 0: nothing.
_LEET = np.zeros(256, np.uint8)
_LEET[list(b"013457@$!+")] = list(b"oieastasit")
LEET: Uint8s = readonly(_LEET)
# What stands between the letters of a word that is spelled out.
_BETWEEN = np.zeros(256, np.uint8)
_BETWEEN[list(b" .-_*")] = 1
BETWEEN: Uint8s = readonly(_BETWEEN)


def undo_tricks(texts: Texts, repeats: int) -> pa.LargeStringArray:
    """Texts as they would be without tricks that hide words; null becomes empty.

    Characters without width go; digits and signs in words become the letters that they look like (`w0rd`, `wor$`);
    letters spelled out (`w o r d`, `w.o.r.d`) are joined; a letter that comes three times or more is written `repeats`
    times. All but the first for Latin letters alone. For matching only: an honest `mp3` does not stay what it is.
    """
    view = view_bytes(texts)
    data = np.empty(int((view.ends - view.starts).sum()), np.uint8)
    offsets = np.zeros(len(view.starts) + 1, np.int64)
    _undo(view, (LEET, BETWEEN), repeats, (data, offsets))
    parts: tuple[Any, Any] = (offsets, data[: offsets[-1]])
    buffers = [None, *map(pa.py_buffer, parts)]
    made = pa.Array.from_buffers(pa.large_string(), len(view.starts), buffers)
    assert isinstance(made, pa.LargeStringArray)
    return made


@inlined
def _is_letter(byte: int) -> bool:
    return A <= byte | CASE <= Z


@inlined
def _widthless(data: Uint8s, i: int, end: int) -> int:
    """Bytes of the character without width at data[i]; 0 if it is none."""
    if i + 1 < end and ((data[i] == 0xC2 and data[i + 1] == 0xAD) or (data[i] == 0xCD and data[i + 1] == 0x8F)):
        return 2  # soft hyphen, grapheme joiner
    if i + 2 >= end:
        return 0
    if data[i] == 0xE2 and data[i + 1] == 0x80:
        return 3 if 0x8B <= data[i + 2] <= 0x8F or 0xAA <= data[i + 2] <= 0xAE else 0
    if data[i] == 0xE2 and data[i + 1] == 0x81:
        return 3 if 0xA0 <= data[i + 2] <= 0xA4 else 0
    return 3 if data[i] == 0xEF and data[i + 1] == 0xBB and data[i + 2] == 0xBF else 0


@called
def _without_widthless(data: Uint8s, i: int, end: int, target: tuple[Uint8s, int]) -> int:
    out, j = target
    while i < end:
        width = _widthless(data, i, end)
        if width > 0:
            i += width
            continue
        out[j] = data[i]
        i += 1
        j += 1
    return j


@called
def _without_leet(out: Uint8s, start: int, end: int, leet: Uint8s) -> None:
    """Letters for what stands for them, in runs that hold a letter; in place."""
    i = start
    while i < end:
        if not _is_letter(out[i]) and leet[out[i]] == 0:
            i += 1
            continue
        stop, letters = i, 0
        while stop < end and (_is_letter(out[stop]) or leet[out[stop]] > 0):
            letters += _is_letter(out[stop])
            stop += 1
        last = stop
        while last > i and out[last - 1] == 0x21:  # exclamation marks at the end of a word are such
            last -= 1
        for k in range(i, last if letters > 0 else i):
            if leet[out[k]] > 0:
                out[k] = leet[out[k]]
        i = stop


@inlined
def _alone(out: Uint8s, i: int, start: int, end: int) -> bool:
    """Whether a letter stands at i with no letter, digit or wide character on either side."""
    if i >= end or not _is_letter(out[i]):
        return False
    before = out[i - 1] if i > start else SPACE
    after = out[i + 1] if i + 1 < end else SPACE
    return not (_is_letter(before) or _is_letter(after) or before >= 0x80 or after >= 0x80)


@called
def _joined(out: Uint8s, start: int, end: int, between: Uint8s) -> int:
    """Letters that stand alone with the same sign between, three or more, side by side; in place, returns the end."""
    i, j = start, start
    while i < end:
        count = 1
        if _alone(out, i, start, end) and i + 1 < end and between[out[i + 1]] > 0:
            sign = out[i + 1]
            while i + 2 * count < end and out[i + 2 * count - 1] == sign and _alone(out, i + 2 * count, start, end):
                count += 1
        step = 2 if count > 2 else 1
        if count <= 2:
            count = 1
        for k in range(count):
            out[j] = out[i + step * k]
            j += 1
        i += step * (count - 1) + 1
    return j


@called
def _without_repeats(out: Uint8s, start: int, end: int, repeats: int) -> int:
    """Letters that come three times or more, written so many times; in place, returns the end."""
    i, j = start, start
    while i < end:
        stop = i + 1
        while stop < end and _is_letter(out[i]) and out[stop] | CASE == out[i] | CASE:
            stop += 1
        count = stop - i if stop - i < 3 else repeats
        for k in range(count):
            out[j] = out[i + k]
            j += 1
        i = stop
    return j


@kernel
def _undo(view: BytesView, signs: tuple[Uint8s, Uint8s], repeats: int, target: tuple[Uint8s, Int64s]) -> None:
    leet, between = signs
    out, offsets = target
    for x in range(len(view.starts)):
        start = offsets[x]
        end = _without_widthless(view.data, view.starts[x], view.ends[x], (out, start))
        _without_leet(out, start, end, leet)
        end = _joined(out, start, end, between)
        offsets[x + 1] = _without_repeats(out, start, end, repeats)
