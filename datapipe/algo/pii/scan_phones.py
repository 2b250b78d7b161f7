"""Places where a telephone number could stand: clusters of digits, and which of them can be one.

What: kernels over UTF-8 buffers. `scan_phones` puts together digits that could be of one number; `possible` follows
the automata of some regions (`phone_shapes`) from each group of digits on, and leaves out clusters in which no groups
that follow one another can be a number. Both keep more than phonenumbers finds, never less.
Costs: about 2 ns a byte and 50 ns a cluster; linear: a group is looked at from at most twenty digits before it.
"""

from __future__ import annotations

import numpy as np

from datapipe.algo.pii.classes import EXTENSION, LEAD, PHONE_DIGIT, PUNCTUATION, Classes, bits_at, bits_before
from datapipe.algo.pii.phone_shapes import LEAST, LONGEST, Walks, walks
from datapipe.algo.pii.scan import put
from datapipe.text.buffers import BytesView
from datapipe.text.jit import Int64s, Uint8s, called, inlined, kernel

__all__ = ["MOST_DIGITS", "MOST_LEAD", "possible", "scan_phones"]

SPACE, DASH, COMMA, TAB, PLUS, PERCENT, DOLLAR = 32, 45, 44, 9, 43, 37, 36
NO_BREAK_SPACE, NO_BREAK_SPACE_TAIL = 0xC2, 0xA0  # its two bytes
SMALL_A, SMALL_E, SMALL_I, SMALL_N, SMALL_T, SMALL_X = (ord(letter) for letter in "aeintx")
MAX_GAP = 4  # characters of punctuation between two digits of one telephone number
EXTENSION_WORD = 14  # characters of the longest word for an extension, with what stands before it
MOST_LEAD = 12  # characters of brackets, plus signs and punctuation that can begin a number
MOST_DIGITS = 400  # bytes; the matcher cuts longer runs into pieces, so that groups say nothing
CERTAIN_EXTENSION = 6  # digits that an extension takes as a whole however it is announced
SIGNS = 3  # of x; with as many the matcher goes other ways


@inlined
def _is_filler(byte: int) -> bool:
    is_ascii = byte == SPACE or byte == TAB or byte == COMMA or byte == DASH  # noqa: PLR1714 - numba has no sets here
    return is_ascii or byte == NO_BREAK_SPACE or byte == NO_BREAK_SPACE_TAIL  # noqa: PLR1714 - as above


@called
def _is_punctuated(data: Uint8s, i: int, end: int, table: Classes) -> bool:
    """Whether no more than four characters of phone punctuation fill data[i:end]."""
    count = 0
    while i < end:
        bits, width = bits_at(data, i, end, table)
        count += 1
        if count > MAX_GAP or not bits & PUNCTUATION:
            return False
        i += width
    return True


@inlined
def _lower(data: Uint8s, i: int, end: int) -> int:
    return data[i] | 32 if i < end else 0


@called
def _starts_extension(data: Uint8s, i: int, end: int, table: Classes) -> bool:
    """Whether a word or sign that announces an extension can start at data[i]: x, ext, int, anexo, ;, #, ~, or wide."""
    bits, _ = bits_at(data, i, end, table)
    if not bits & EXTENSION:
        return False
    first, second, third = _lower(data, i, end), _lower(data, i + 1, end), _lower(data, i + 2, end)
    if first == SMALL_E:
        return second == SMALL_X
    if first == SMALL_I or first == SMALL_A:  # noqa: PLR1714, SIM109 - as above
        is_int = first == SMALL_I and third == SMALL_T
        # Where case is ignored a dotless or dotted I is one, too.
        return data[i + 1] >= 0x80 or (second == SMALL_N and (is_int or (first == SMALL_A and third == SMALL_E)))
    return True


@called
def _is_linked(data: Uint8s, i: int, end: int, table: Classes) -> bool:
    """Whether digits at both ends of data[i:end] can be of one number: punctuation, or a word for an extension.

    Words are told by how they begin: from there up to fourteen characters, with fillers on either side.
    """
    if _is_punctuated(data, i, end, table):
        return True
    only_dashes, two_commas = True, False
    while i < end and _is_filler(data[i]):
        only_dashes &= data[i] == DASH or data[i] == SPACE
        two_commas |= data[i] == COMMA and data[i + 1] == COMMA
        i += 1
    if i >= end:
        return only_dashes or two_commas
    if not two_commas and not _starts_extension(data, i, end, table):
        return False
    for _ in range(EXTENSION_WORD):
        if i < end:
            _, width = bits_at(data, i, end, table)
            i += width
    while i < end and _is_filler(data[i]):
        i += 1
    return i >= end


@kernel
def scan_phones(view: BytesView, table: Classes, found: Int64s) -> int:
    """Clusters of digits that can be of one telephone number; the detail is how many digits."""
    data, k = view.data, 0
    for x in range(len(view.starts)):
        origin, end = view.starts[x], view.ends[x]
        i, start, stop, total = origin, origin, origin, 0
        while i < end:
            bits, width = bits_at(data, i, end, table)
            if not bits & PHONE_DIGIT:
                i += width
                continue
            if total and not _is_linked(data, stop, i, table):
                if total >= LEAST:
                    k = put(found, k, x, start - origin, stop - origin, total)
                total = 0
            if not total:
                start = i
            while bits & PHONE_DIGIT:
                i += width
                total += 1
                bits, width = bits_at(data, i, end, table)
            stop = i
        if total >= LEAST:
            k = put(found, k, x, start - origin, stop - origin, total)
    return k


# ---------------------------------------------------------------------------------------------- what can be one


@inlined
def _is_digit(byte: int) -> bool:
    return byte >= 48 and byte <= 57


@inlined
def _is_letter(byte: int) -> bool:
    return byte | 32 >= 97 and byte | 32 <= 122


@inlined
def _is_shut(data: Uint8s, i: int, end: int) -> bool:
    """Whether what follows a number forbids it: a letter that begins no extension, a sign of money or per cent."""
    if i >= end:
        return False
    byte: int = data[i]
    small = byte | 32
    begins = small == SMALL_A or small == SMALL_E or small == SMALL_I or small == SMALL_X  # noqa: PLR1714 - as above
    return byte == DOLLAR or byte == PERCENT or (_is_letter(byte) and not begins)  # noqa: PLR1714 - as above


@called
def _has_plus(data: Uint8s, start: int, origin: int, table: Classes) -> bool:
    """Whether a plus sign can belong to the digits at data[start]; wide ones count as such."""
    i = start
    for _ in range(MOST_LEAD):
        if i <= origin:
            return False
        bits, at = bits_before(data, i, origin, table)
        if bits & PHONE_DIGIT or not bits & (PUNCTUATION | LEAD):
            return False
        if data[at] == PLUS or (data[at] >= 0x80 and bits & LEAD):
            return True
        i = at
    return False


@called
def _walk(data: Uint8s, i: int, stop: int, end: int, state: int, shapes: Walks) -> bool:  # noqa: PLR0917 - kernels take plain numbers
    """Whether groups of digits from data[i] on can be a number, by the automaton that starts at a state."""
    count = 0
    while i < stop:
        if not _is_digit(data[i]):
            i += 1
            continue
        state = shapes.follow[state, data[i] - 48]
        count += 1
        if state < 0 or count > LONGEST:
            return False
        i += 1
        is_last = i >= stop or not _is_digit(data[i])
        if is_last and count >= LEAST and shapes.ends[state] and not _is_shut(data, i, end):
            return True
    return False


@called
def _group_fits(data: Uint8s, i: int, stop: int, bounds: tuple[int, int], table: Classes, shapes: Walks) -> bool:  # noqa: PLR0917 - as above
    """Whether a number can start with the group of digits at data[i]."""
    origin, end = bounds
    if i > origin:
        before: int = data[i - 1]
        if _is_letter(before) or before == DOLLAR or before == PERCENT:  # noqa: PLR1714, SIM109 - as above
            return False
    if _has_plus(data, i, origin, table) and _walk(data, i, stop, end, shapes.firsts[0], shapes):
        return True
    for k in range(1, len(shapes.firsts)):  # noqa: SIM110 - numba has no generators here
        if _walk(data, i, stop, end, shapes.firsts[k], shapes):
            return True
    return False


@called
def _can_be(data: Uint8s, start: int, stop: int, bounds: tuple[int, int], table: Classes, shapes: Walks) -> bool:  # noqa: PLR0917 - as above
    """Whether a cluster can hold a number; unusual ones always can."""
    if stop - start >= MOST_DIGITS:
        return True
    i, signs, announced = start, 0, False
    while i < stop:
        first = i
        while i < stop and _is_digit(data[i]):
            i += 1
        if announced and i - first > CERTAIN_EXTENSION:
            return True
        if i > first and _group_fits(data, first, stop, bounds, table, shapes):
            return True
        while i < stop and not _is_digit(data[i]):
            bits, width = bits_at(data, i, stop, table)
            if bits & PHONE_DIGIT:
                return True  # digits of other scripts
            announced |= bits & EXTENSION != 0 or data[i] == COMMA
            signs += data[i] | 32 == SMALL_X
            i += width
    return signs >= SIGNS


@kernel
def _keep(view: BytesView, table: Classes, clusters: Int64s, shapes: Walks, kept: Uint8s) -> None:  # noqa: PLR0917 - as above
    data = view.data
    for k in range(len(clusters)):
        x = clusters[k, 0]
        origin, end = view.starts[x], view.ends[x]
        start, stop = origin + clusters[k, 1], origin + clusters[k, 2]
        kept[k] = _can_be(data, start, stop, (origin, end), table, shapes)


def possible(view: BytesView, table: Classes, clusters: Int64s, regions: tuple[str, ...]) -> Int64s:
    """Those clusters, (n, 4), that can hold a number of some regions, or one with a country code."""
    kept = np.zeros(len(clusters), np.uint8)
    _keep(view, table, clusters, walks(regions), kept)
    return clusters[kept.astype(np.bool_)]
