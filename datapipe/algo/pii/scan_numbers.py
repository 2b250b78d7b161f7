r"""Places where a card, an account, a social security number, an IPv4 address or a telephone number could stand.

What: kernels over UTF-8 buffers, anchored at runs of digits, that give supersets of where the patterns start to match.
Costs: about 2 ns a byte, linear in the text: a run is looked at from at most five runs before it.
"""

from __future__ import annotations

from datapipe.algo.pii.classes import ALNUM, DIGIT, PHONE_DIGIT, PUNCTUATION, WORD, Classes, bits_at, bits_before
from datapipe.algo.pii.scan import put
from datapipe.text.buffers import BytesView
from datapipe.text.jit import Int64s, Uint8s, called, inlined, kernel

__all__ = ["CARD", "IBAN", "IPV4", "SSN", "scan_numbers", "scan_phones"]

# What the detail of a candidate says.
IPV4, SSN, CARD, IBAN = 1, 2, 3, 4

SPACE, DASH, DOT, COMMA, TAB, NINE = 32, 45, 46, 44, 9, 57
SEMICOLON, HASH, TILDE = 59, 35, 126
NO_BREAK_SPACE, NO_BREAK_SPACE_TAIL = 0xC2, 0xA0  # its two bytes
SMALL_A, SMALL_E, SMALL_I, SMALL_N, SMALL_T, SMALL_X = (ord(letter) for letter in "aeintx")
MIN_SSN, MIN_CARD, MIN_PHONE = 9, 12, 4  # digits
GROUPS = 5
IBAN_REST = 8  # letters and digits after the first four of the shortest account number
MAX_GAP = 4  # characters of punctuation between two digits of one telephone number
EXTENSION = 14  # characters of the longest word for an extension, with what stands before it


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


# ---------------------------------------------------------------------------------------------- telephone


@inlined
def _is_filler(byte: int) -> bool:
    is_ascii = byte == SPACE or byte == TAB or byte == COMMA or byte == DASH  # noqa: PLR1714 - as above
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
def _starts_extension(data: Uint8s, i: int, end: int) -> bool:
    """Whether a word or sign that announces an extension can start at data[i]: x, ext, int, anexo, ;, #, ~, or wide."""
    first, second, third = _lower(data, i, end), _lower(data, i + 1, end), _lower(data, i + 2, end)
    if data[i] >= 0x80 or data[i] == SEMICOLON or data[i] == HASH or data[i] == TILDE or first == SMALL_X:
        return True
    if first == SMALL_E:
        return second == SMALL_X
    return second == SMALL_N and ((first == SMALL_I and third == SMALL_T) or (first == SMALL_A and third == SMALL_E))


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
    if not two_commas and not _starts_extension(data, i, end):
        return False
    for _ in range(EXTENSION):
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
                if total >= MIN_PHONE:
                    k = put(found, k, x, start - origin, stop - origin, total)
                total = 0
            if not total:
                start = i
            stop, count = _run_end(data, i, end, table, PHONE_DIGIT)
            total += count
            i = stop
        if total >= MIN_PHONE:
            k = put(found, k, x, start - origin, stop - origin, total)
    return k
