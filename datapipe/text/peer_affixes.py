"""What datatrove cuts off and cuts at in a word without spaces: the parts of the kernel of `peer_words`.

Each equals a function of `reference_peer` of the same name, on UTF-8. Costs: a run of any characters is read a fixed
number of times.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import xxhash

from datapipe.text import reference_peer as rules
from datapipe.text import tables
from datapipe.text.buffers import readonly
from datapipe.text.characters import look_up, read
from datapipe.text.hashing import xxh64
from datapipe.text.jit import U64, Uint8s, Uint64s, called, inlined
from datapipe.text.reference import KATAKANA, LETTER, SINGLE
from datapipe.text.tables import ALPHABETIC, GROUP, MAPPED_SHIFT, Table

OPENS, CLOSES, STANDS_ALONE, BEFORE_STOP, CURRENCY, QUOTE, SPLITS, SUMS = (1 << bit for bit in range(8))
FULL_STOP, COMMA, COLON, SLASH, PLUS, HYPHEN, AT, QUESTION, HASH_MARK = map(ord, ".,:/+-@?#")
EN_DASH, EM_DASH, TILDE, ELLIPSIS, APOSTROPHE, CURLED = map(ord, "–—~…'’")
ZERO, NINE = map(ord, "09")
D, E, L, M, N, R, S, T, V, CAPITAL_S = map(ord, "delmnrstvS")
LONGEST_HYPHENS, LONGEST_DASHES = 3, 2
SHORTEST_PORT, LONGEST_PORT = 2, 5
LONGEST_UNIT = max(len(unit) for unit in rules.UNITS)
LONGEST_KEPT = max(len(word) for word in rules.ABBREVIATIONS)  # bytes, since all are of ASCII
SEED = U64(0)


class Known(NamedTuple):
    """What characters are: table, and bits of `OPENS`, … (uint8, 0x110000); XXH64 of units and of abbreviations."""

    table: Table
    signs: Uint8s
    units: Uint64s
    kept: Uint64s


@cache
def load() -> Known:
    """The signs of every character, and the words that are known; once per process."""
    signs = np.zeros(tables.CODE_POINTS, np.uint8)
    for bit, characters in (
        (OPENS, rules.OPENING),
        (CLOSES, rules.CLOSING),
        (BEFORE_STOP, rules.BEFORE_STOP),
        (CURRENCY, rules.CURRENCIES),
        (QUOTE, rules.QUOTES),
        (SPLITS, rules.INSIDE),
        (SUMS, rules.SUMS),
    ):
        signs[[ord(character) for character in characters]] |= bit
    for low, high in rules.ICON_RANGES:
        signs[low : high + 1] |= STANDS_ALONE
    units, kept = (
        readonly(np.array([xxhash.xxh64_intdigest(word.encode()) for word in sorted(words)], np.uint64))
        for words in (rules.UNITS, rules.ABBREVIATIONS)
    )
    return Known(tables.load().folded, readonly(signs), units, kept)


@inlined
def _point(data: Uint8s, i: int, end: int) -> int:
    """The character at data[i], 0 behind the end."""
    if i >= end:
        return 0
    point, _ = read(data, i, end)
    return point


@called
def _before(data: Uint8s, start: int, i: int) -> tuple[int, int]:
    """Code point and width of the character before data[i]; 0 and 0 at the start."""
    if i <= start:
        return 0, 0
    for width in range(2, 5):
        if i - width >= start and data[i - 1] & 0xC0 == 0x80:
            point, wide = read(data, i - width, i)
            if wide == width:
                return point, width
    point, _ = read(data, i - 1, i)
    return point, 1


@inlined
def _is_digit(point: int) -> bool:
    return ZERO <= point <= NINE


@inlined
def _is_alphabetic(table: Table, point: int) -> bool:
    return look_up(table, point) & ALPHABETIC != 0


@inlined
def _is_lower(table: Table, point: int) -> bool:
    entry = look_up(table, point)
    return entry & ALPHABETIC != 0 and entry >> MAPPED_SHIFT == 0


@inlined
def _is_upper(table: Table, point: int) -> bool:
    entry = look_up(table, point)
    return entry & ALPHABETIC != 0 and entry >> MAPPED_SHIFT != 0


@inlined
def _is_apostrophe(point: int) -> bool:
    return point == APOSTROPHE or point == CURLED  # noqa: PLR1714 - faster than a tuple in numba


@called
def _run(data: Uint8s, i: int, end: int, point: int) -> tuple[int, int]:
    """How often a character stands from data[i] on, and its bytes."""
    count, start = 0, i
    while i < end:
        found, width = read(data, i, end)
        if found != point:
            break
        count += 1
        i += width
    return count, i - start


@called
def _is_among(data: Uint8s, i: int, end: int, hashes: Uint64s) -> bool:
    hashed = xxh64(data, i, end, SEED)
    for known in hashes:  # noqa: SIM110 - numba knows no generators
        if known == hashed:
            return True
    return False


@called
def is_kept(data: Uint8s, i: int, end: int, known: Known) -> bool:
    """Whether it is an abbreviation, or one or two letters each with a full stop."""
    if data[end - 1] != FULL_STOP or end - i > LONGEST_KEPT + 4:
        return False
    if end - i <= LONGEST_KEPT and _is_among(data, i, end, known.kept):
        return True
    point, width = read(data, i, end)
    i += width
    if not _is_lower(known.table, point) or i >= end or data[i] != FULL_STOP:
        return False
    i += 1
    if i == end:
        return True
    point, width = read(data, i, end)
    i += width
    return _is_alphabetic(known.table, point) and i == end - 1


@called
def opening(data: Uint8s, i: int, end: int, known: Known) -> int:
    """Bytes of the token that data[i:end] begins with; 0 if none is cut off."""
    point, width = read(data, i, end)
    if point == FULL_STOP:
        count, size = _run(data, i, end, FULL_STOP)
        return size if count > 1 else 0
    if point == PLUS:
        return 0 if _is_digit(_point(data, i + 1, end)) else 1
    return width if known.signs[point] & (OPENS | STANDS_ALONE) else 0


@called
def _closes_stop(data: Uint8s, start: int, i: int, known: Known) -> bool:
    """Whether a full stop at data[i] is no part of the word before it."""
    before, width = _before(data, start, i)
    if width == 0:
        return False
    if known.signs[before] & BEFORE_STOP or _is_digit(before) or _is_lower(known.table, before):
        return True
    second, wide = _before(data, start, i - width)
    return wide > 0 and _is_upper(known.table, before) and _is_upper(known.table, second)


@called
def _unit(data: Uint8s, start: int, end: int, known: Known) -> int:
    """Bytes of the unit at the end of data[start:end], if a digit stands before it."""
    i = end
    for _ in range(LONGEST_UNIT + 1):
        point, width = _before(data, start, i)
        if width == 0:
            break
        if _is_digit(point):
            return end - i if i < end and _is_among(data, i, end, known.units) else 0
        i -= width
    return 0


@called
def closing(data: Uint8s, start: int, end: int, known: Known) -> int:
    """Bytes of the token that data[start:end] ends with; 0 if none is cut off."""
    last, width = _before(data, start, end)
    before, wide = _before(data, start, end - width)
    if last == FULL_STOP and before == FULL_STOP:
        i = end
        while i > start and data[i - 1] == FULL_STOP:
            i -= 1
        return end - i
    if _is_apostrophe(before) and (last == S or last == CAPITAL_S):  # noqa: PLR1714, SIM109 - faster than a tuple in numba
        return width + wide
    if known.signs[last] & (CLOSES | STANDS_ALONE):
        return width
    if last == FULL_STOP:
        return 1 if _closes_stop(data, start, end - 1, known) else 0
    if _is_digit(before) and (last == PLUS or known.signs[last] & CURRENCY != 0):
        return width
    return _unit(data, start, end, known)


@called
def _host(data: Uint8s, i: int, end: int) -> tuple[int, int, int]:
    """Where in an address the host begins and ends, and the port behind it."""
    for j in range(i + 1, end - 2):
        if data[j] == COLON and data[j + 1] == SLASH and data[j + 2] == SLASH:
            i = j + 3
            break
    stop = i
    while stop < end and data[stop] != SLASH and data[stop] != QUESTION and data[stop] != HASH_MARK:
        stop += 1
    for j in range(i, stop):
        if data[j] == AT:
            i = j + 1
    colon = i
    while colon < stop and data[colon] != COLON:
        colon += 1
    return i, colon, stop


@called
def _is_port(data: Uint8s, i: int, end: int) -> bool:
    if not SHORTEST_PORT <= end - i <= LONGEST_PORT:
        return False
    for j in range(i, end):  # noqa: SIM110 - numba knows no generators
        if not _is_digit(data[j]):
            return False
    return True


@called
def is_address(data: Uint8s, i: int, end: int, known: Known) -> bool:
    """Whether it reads as `scheme://user@host.tld:port/path`, all but `host.tld` left out at will."""
    i, end, stop = _host(data, i, end)
    if end < stop and not _is_port(data, end + 1, stop):
        return False
    labels, length, small = 0, 0, True
    while i < end:
        point, width = read(data, i, end)
        i += width
        if point == FULL_STOP:
            if length == 0:
                return False
            labels, length, small = labels + 1, 0, True
            continue
        group = look_up(known.table, point) & GROUP
        if point != HYPHEN and group != LETTER and group != SINGLE and group != KATAKANA:  # noqa: PLR1714 - faster than a tuple in numba
            return False
        length += 1
        small &= _is_lower(known.table, point)
    return labels > 0 and length > 1 and small


@called
def contracted(data: Uint8s, start: int, end: int, table: Table) -> int:
    """Bytes of the contraction that data[start:end] ends with, behind nothing but letters."""
    last, width = _before(data, start, end)
    second, wide = _before(data, start, end - width)
    i = end - width - wide
    third, more = _before(data, start, i)
    if _is_apostrophe(second):
        if last == T and third == N:
            i -= more
        elif last != D and last != M:  # noqa: PLR1714 - faster than a tuple in numba
            return 0
    elif _is_apostrophe(third) and ((second == L and last == L) or (last == E and (second == V or second == R))):  # noqa: PLR1714, SIM109 - faster than a tuple in numba
        i -= more
    else:
        return 0
    stem = start
    while stem < i:
        point, width = read(data, stem, i)
        if not _is_alphabetic(table, point):
            return 0
        stem += width
    return end - i if i > start else 0


@called
def _hyphens(data: Uint8s, i: int, end: int, table: Table) -> int:
    """Bytes of the hyphens at data[i] if a letter follows."""
    point, width = read(data, i, end)
    count, size, longest = 1, width, 1
    if point == HYPHEN or point == EM_DASH:  # noqa: PLR1714, SIM109 - faster than a tuple in numba
        count, size = _run(data, i, end, point)
        longest = LONGEST_HYPHENS if point == HYPHEN else LONGEST_DASHES
    return size if count <= longest and _is_alphabetic(table, _point(data, i + size, end)) else 0


@called
def inside(data: Uint8s, place: tuple[int, int, int], known: Known) -> int:
    """Bytes of the token of punctuation at data[i], place = (start of the word, i, its end); 0 if there is none."""
    start, i, end = place
    table, signs = known.table, known.signs
    mark, width = read(data, i, end)
    after = _point(data, i + width, end)
    if mark == FULL_STOP and after == FULL_STOP:
        _, size = _run(data, i, end, FULL_STOP)
        return size
    if mark == ELLIPSIS or signs[mark] & STANDS_ALONE:
        return width
    before, _ = _before(data, start, i)
    if signs[mark] & SUMS and _is_digit(before) and (_is_digit(after) or after == HYPHEN):
        return width
    if mark == FULL_STOP:
        ends = _is_lower(table, before) or signs[before] & QUOTE
        begins = _is_upper(table, after) or signs[after] & QUOTE
        return 1 if ends and begins else 0
    if mark == COMMA:
        return 1 if _is_alphabetic(table, before) and _is_alphabetic(table, after) else 0
    if not (_is_alphabetic(table, before) or _is_digit(before)):
        return 0
    if mark == HYPHEN or mark == EN_DASH or mark == EM_DASH or mark == TILDE:  # noqa: PLR1714, SIM109 - faster than a tuple in numba
        return _hyphens(data, i, end, table)
    return width if signs[mark] & SPLITS and _is_alphabetic(table, after) else 0
