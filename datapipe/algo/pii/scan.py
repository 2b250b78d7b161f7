"""Places where an e-mail address, an IPv6 address or a wallet of a crypto currency could stand.

What: kernels over UTF-8 buffers that give candidates; each is a superset of where presidio's pattern starts to match,
so that trying the pattern there alone gives what searching the whole text would.
Costs: about 1 ns a byte each, linear in the text whatever stands in it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from datapipe.algo.pii.classes import ALNUM, DIGIT, HEX, LOCAL, WORD, Classes, bits_at, bits_before
from datapipe.text.buffers import BytesView
from datapipe.text.jit import Int64s, Uint8s, called, inlined, kernel

__all__ = ["candidates", "put", "scan_crypto", "scan_emails", "scan_ipv6"]

AT, DOT, DASH, COLON = 64, 46, 45, 58
MIN_CRYPTO = 26  # characters of the shortest wallet: one that says its kind, and 25
MIN_COLONS = 6  # of an IPv6 address without `::` that ends in an IPv4 address

Scan = Callable[[BytesView, Classes, Int64s], int]


def candidates(scan: Scan, view: BytesView, table: Classes) -> Int64s:
    """What a kernel finds, in order: int64 (n, 4) of document, start, end (bytes within the document), detail."""
    room = 1024
    while True:
        found = np.empty((room, 4), np.int64)
        count = scan(view, table, found)
        if count <= room:
            return found[:count]
        room = count


@inlined
def put(found: Int64s, k: int, document: int, start: int, end: int, detail: int) -> int:  # noqa: PLR0917 - kernels take plain numbers
    """Note a candidate if there is room; returns how many there are."""
    if k < len(found):
        found[k, 0] = document
        found[k, 1] = start
        found[k, 2] = end
        found[k, 3] = detail
    return k + 1


# ---------------------------------------------------------------------------------------------- e-mail


@called
def _local_start(data: Uint8s, last: int, at: int, origin: int, table: Classes) -> int:  # noqa: PLR0917 - as above
    r"""Where the part before an `@` starts: the first `\b` in its run of characters, not before `last`; -1: nowhere."""
    bits, start = bits_before(data, at, last, table)
    if at <= last or not bits & LOCAL:
        return -1
    while start > last:
        bits, before = bits_before(data, start, last, table)
        if not (bits & LOCAL or data[before] == DOT):
            break
        start = before
    was, _ = bits_before(data, start, origin, table)
    while start < at:
        bits, width = bits_at(data, start, at, table)
        if bits & LOCAL and (bits & WORD != 0) != (was & WORD != 0):
            return start
        was = bits
        start += width
    return -1


@inlined
def _word_end(data: Uint8s, i: int, end: int, table: Classes) -> int:
    bits, width = bits_at(data, i, end, table)
    while bits & WORD:
        i += width
        bits, width = bits_at(data, i, end, table)
    return i


@called
def _label_end(data: Uint8s, i: int, end: int, table: Classes) -> int:
    """End of a label with dashes inside; `i` if none starts there."""
    stop = _word_end(data, i, end, table)
    if stop == i:
        return i
    while True:
        after = stop
        while after < end and data[after] == DASH:
            after += 1
        if after == stop:
            return stop
        further = _word_end(data, after, end, table)
        if further == after:
            return stop
        stop = further


@called
def _domain_end(data: Uint8s, i: int, end: int, table: Classes) -> int:
    """End of two labels or more; -1 if there are fewer."""
    stop = _label_end(data, i, end, table)
    if stop == i:
        return -1
    labels = 1
    while stop < end and data[stop] == DOT:
        further = _label_end(data, stop + 1, end, table)
        if further == stop + 1:
            break
        stop = further
        labels += 1
    return stop if labels > 1 else -1


@kernel
def scan_emails(view: BytesView, table: Classes, found: Int64s) -> int:
    """Candidates from the first character to the end of the domain; the detail is the place of the `@`."""
    data, k = view.data, 0
    for x in range(len(view.starts)):
        origin, end = view.starts[x], view.ends[x]
        i = last = origin
        while i < end:
            if data[i] == AT:
                start = _local_start(data, last, i, origin, table)
                stop = _domain_end(data, i + 1, end, table) if start >= 0 else -1
                if stop >= 0:
                    k = put(found, k, x, start - origin, stop - origin, i - origin)
                    i = last = stop
                    continue
            i += 1
    return k


# ---------------------------------------------------------------------------------------------- IPv6


@kernel
def scan_ipv6(view: BytesView, table: Classes, found: Int64s) -> int:
    """Runs of hexadecimal digits and colons that hold `::` or six colons and do not start within a word."""
    data, k = view.data, 0
    for x in range(len(view.starts)):
        origin, end = view.starts[x], view.ends[x]
        i = origin
        while i < end:
            if data[i] != COLON:
                i += 1
                continue
            start = i
            while start > origin and data[start - 1] < 0x80 and table[data[start - 1]] & HEX:
                start -= 1
            stop, colons, double = i, 0, 0
            while stop < end and (data[stop] == COLON or (data[stop] < 0x80 and table[data[stop]] & HEX)):
                if data[stop] == COLON:
                    colons += 1
                    double += stop > i and data[stop - 1] == COLON
                stop += 1
            before, _ = bits_before(data, start, origin, table)
            if (double > 0 or colons >= MIN_COLONS) and not before & WORD:
                k = put(found, k, x, start - origin, stop - origin, 0)
            i = stop
    return k


# ---------------------------------------------------------------------------------------------- crypto


@inlined
def _may_be_alnum(data: Uint8s, i: int, table: Classes) -> bool:
    may: bool = data[i] >= 0x80 or table[data[i]] & ALNUM != 0
    return may


@called
def _long_run(data: Uint8s, i: int, end: int, table: Classes) -> int:
    """Where the next stretch of bytes starts that is long enough for a wallet; `end` if there is none."""
    while i + MIN_CRYPTO <= end:
        at = i + MIN_CRYPTO - 1
        while at >= i and _may_be_alnum(data, at, table):
            at -= 1
        if at < i:
            return i
        i = at + 1
    return end


@kernel
def scan_crypto(view: BytesView, table: Classes, found: Int64s) -> int:
    """Runs of letters and digits long enough for a wallet, with a digit among them."""
    data, k = view.data, 0
    for x in range(len(view.starts)):
        origin, end = view.starts[x], view.ends[x]
        i = _long_run(data, origin, end, table)
        while i < end:
            start = i
            characters = digits = 0
            while i < end and _may_be_alnum(data, i, table):
                bits, width = bits_at(data, i, end, table)
                i += width
                if bits & ALNUM:
                    characters += 1
                    digits |= bits & DIGIT
                    continue
                if characters >= MIN_CRYPTO and digits:
                    k = put(found, k, x, start - origin, i - width - origin, 0)
                characters = digits = 0
                start = i
            if characters >= MIN_CRYPTO and digits:
                k = put(found, k, x, start - origin, i - origin, 0)
            i = _long_run(data, i, end, table)
    return k
