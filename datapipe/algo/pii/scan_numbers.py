r"""Places where a card, an account, a social security number, a national id or an IPv4 address could stand.

What: kernels over UTF-8 buffers, anchored at runs of digits, that give supersets of where the patterns start to match.
Costs: about 2 ns a byte, linear in the text: a run is looked at from at most five runs before it.
"""

from __future__ import annotations

from datapipe.algo.pii.classes import ALNUM, DIGIT, WORD, Classes, bits_at, bits_before
from datapipe.algo.pii.scan import put
from datapipe.text.buffers import BytesView
from datapipe.text.jit import Int64s, Uint8s, called, inlined, kernel

__all__ = ["CARD", "IBAN", "IPV4", "SSN", "scan_ids", "scan_numbers"]

# What the detail of a candidate says.
IPV4, SSN, CARD, IBAN = 1, 2, 3, 4

SPACE, DASH, DOT, NINE = 32, 45, 46, 57
MIN_SSN, MIN_CARD = 9, 12  # digits
MOST_ID = 32  # characters of a national id, and that its pattern looks at (national_ids)
GROUPS = 5
IBAN_REST = 8  # letters and digits after the first four of the shortest account number


@inlined
def _run_end(data: Uint8s, i: int, end: int, table: Classes, bit: int) -> tuple[int, int]:  # noqa: PLR0917 - as below
    """Where a run of characters of a class ends, and how many they are."""
    count = 0
    bits, width = bits_at(data, i, end, table)
    while bits & bit:
        i += width
        count += 1
        bits, width = bits_at(data, i, end, table)
    return i, count


@inlined
def _is_digit(data: Uint8s, i: int, end: int) -> bool:
    return i < end and 48 <= data[i] <= NINE


@called
def _digits_of_groups(data: Uint8s, i: int, end: int, table: Classes) -> int:
    """Digits in up to five groups joined by one dash, space or dot each."""
    total = 0
    for _ in range(GROUPS):
        i, count = _run_end(data, i, end, table, DIGIT)
        total += count
        if count == 0 or i >= end or not (data[i] == DASH or data[i] == SPACE or data[i] == DOT):
            break
        i += 1
    return total


@called
def _is_dotted_four(data: Uint8s, i: int, end: int) -> bool:
    """Whether four groups of one to three digits with dots between them start here."""
    for group in range(4):
        start = i
        while i - start < 3 and _is_digit(data, i, end):
            i += 1
        if i == start:
            return False
        if group < 3:
            if i >= end or data[i] != DOT:
                return False
            i += 1
    return True


@inlined
def _is_letter(bits: int) -> bool:
    return bits & ALNUM != 0 and bits & DIGIT == 0


@called
def _iban_start(data: Uint8s, i: int, end: int, origin: int, table: Classes) -> int:  # noqa: PLR0917 - as below
    """Where two letters before the digits at i start, if eight letters or digits follow two of them; or -1."""
    letter, second = bits_before(data, i, origin, table)
    if not _is_letter(letter) or not (_is_digit(data, i, end) and _is_digit(data, i + 1, end)):
        return -1
    letter, first = bits_before(data, second, origin, table)
    before, _ = bits_before(data, first, origin, table)
    # Where case is ignored U+0130 is a letter to some and none to others: only what is surely one stands in the way.
    if not _is_letter(letter) or (before & ALNUM and (first == origin or data[first - 1] < 0x80)):
        return -1
    at = i + 2
    for place in range(IBAN_REST):
        if place % 4 == 0 and at < end and (data[at] == SPACE or data[at] == DASH):
            at += 1
        bits, width = bits_at(data, at, end, table)
        if not bits & ALNUM:
            return -1
        at += width
    return first


@called
def _note(view: BytesView, table: Classes, found: Int64s, k: int, x: int, i: int) -> int:  # noqa: PLR0917 - kernels take plain numbers
    """Candidates that start with the run of digits at i."""
    data, origin, end = view.data, view.starts[x], view.ends[x]
    stop, count = _run_end(data, i, end, table, DIGIT)
    account = _iban_start(data, i, end, origin, table)
    if account >= 0:
        k = put(found, k, x, account - origin, stop - origin, IBAN)
    before, _ = bits_before(data, i, origin, table)
    if before & WORD:
        return k
    if count <= 3 and stop < end and data[stop] == DOT and _is_dotted_four(data, i, end):
        k = put(found, k, x, i - origin, stop - origin, IPV4)
    total = _digits_of_groups(data, i, end, table)
    starts_ssn = count == 3 or count == 5 or count == 9  # noqa: PLR1714 - numba has no sets here
    if total >= MIN_SSN and starts_ssn:
        k = put(found, k, x, i - origin, stop - origin, SSN)
    if total >= MIN_CARD and count >= 4:
        k = put(found, k, x, i - origin, stop - origin, CARD)
    return k


@kernel
def scan_numbers(view: BytesView, table: Classes, found: Int64s) -> int:
    """Candidates from their first character to the end of their first digits; the detail says of what."""
    data, k = view.data, 0
    for x in range(len(view.starts)):
        i, end = view.starts[x], view.ends[x]
        while i < end:
            bits, width = bits_at(data, i, end, table)
            if bits & DIGIT:
                k = _note(view, table, found, k, x, i)
                i, _ = _run_end(data, i, end, table, DIGIT)
            else:
                i += width
    return k


# ---------------------------------------------------------------------------------------------- national ids


@kernel
def scan_ids(view: BytesView, table: Classes, found: Int64s) -> int:
    """Stretches around digits that nothing of at most 32 characters with a digit can leave; the detail is how many."""
    data, k = view.data, 0
    for x in range(len(view.starts)):
        origin, end = view.starts[x], view.ends[x]
        i, first, last, total, since = origin, origin, origin, 0, 0
        while i < end:
            bits, width = bits_at(data, i, end, table)
            since += 1
            if bits & DIGIT:
                if total and since > 2 * MOST_ID + 2:
                    k = _put_stretch(data, found, k, (x, origin, end), (first, last, total))
                    total = 0
                if not total:
                    first = i
                last = i + width
                total += 1
                since = 0
            i += width
        if total:
            k = _put_stretch(data, found, k, (x, origin, end), (first, last, total))
    return k


@called
def _put_stretch(data: Uint8s, found: Int64s, k: int, text: tuple[int, int, int], part: tuple[int, int, int]) -> int:  # noqa: PLR0917 - as above
    """Note a stretch that starts 32 characters before its first digit and ends 33 behind its last."""
    x, origin, end = text
    first, last, total = part
    for _ in range(MOST_ID):
        if first > origin:
            first -= 1
            while data[first] & 0xC0 == 0x80:
                first -= 1
    for _ in range(MOST_ID + 1):
        if last < end:
            last += 1
            while last < end and data[last] & 0xC0 == 0x80:
                last += 1
    return put(found, k, x, first - origin, last - origin, total)
