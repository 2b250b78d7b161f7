"""What kinds of characters a document is made of: punctuation, digits, capitals, addresses, code.

What counts as what:
- punctuation: neither a letter, a number, a mark, `_` nor a space; so symbols and emoji, too.
- digits: decimal digits of any script.
- capitals: letters that casefolding changes to one other, but for the few lower-case ones among these (`ς`, `µ`).
- addresses: from `http://`, `https://` or `www.` in small letters, where no letter stands before, to the next space.
- code: braces, brackets, angle brackets, = ; | & $ ^ ~, backslash and backtick, in their ASCII forms.
- code lines: lines that are not blank and end in one of { } ;
Costs: 90-360 MB/s beside the segmentation's lines; no scratch.
"""

from typing import NamedTuple

import numpy as np

from datapipe.text import tables
from datapipe.text.buffers import BytesView, Texts, view_bytes
from datapipe.text.characters import look_up, read
from datapipe.text.jit import Float64s, Int32s, Int64s, Uint8s, called, kernel, pasted
from datapipe.text.reference import APOSTROPHE, BREAK, LETTER, OTHER, SPACE
from datapipe.text.segmentation import Segmentation
from datapipe.text.tables import ALPHABETIC, DECIMAL, GROUP, MAPPED_SHIFT, MULTIPLE, Table

CODE = np.zeros(128, np.bool_)
CODE[[ord(c) for c in "{}[]<>=;|&$\\^~`"]] = True
LINE_ENDS = (ord("{"), ord("}"), ord(";"))
# Lower-case letters that casefolding changes all the same: micro sign, long s, final sigma, Greek symbols, dotted
# long s; Cyrillic variants; and Cherokee, whose small letters fold to capitals.
LOWER_FOLDED = np.array([0xB5, 0x17F, 0x3C2, 0x3D0, 0x3D1, 0x3D5, 0x3D6, 0x3F0, 0x3F1, 0x3F5, 0x1E9B, 0x1FBE], np.int64)
LOWER_RANGES = np.array([[0x13F8, 0x13FD], [0x1C80, 0x1C88], [0xAB70, 0xABBF]], np.int64)

# Rows of the counts: all but spaces; letters; then those measured.
CHARACTERS, LETTERS, PUNCTUATION, DIGITS, CAPITALS, ADDRESSES, CODE_CHARACTERS, CODE_LINES = range(8)
COUNTS = 8


class _Lines(NamedTuple):
    first: Int64s
    last: Int64s
    end: Int32s


@called
def _is_lower(point: int) -> bool:
    """Of a letter that casefolding changes: whether it is lower case already."""
    for lower in LOWER_FOLDED:
        if point == lower:
            return True
    for k in range(len(LOWER_RANGES)):  # noqa: SIM110 - kernels have no generators
        if LOWER_RANGES[k, 0] <= point <= LOWER_RANGES[k, 1]:
            return True
    return False


@called
def _address_starts(data: Uint8s, i: int, end: int) -> bool:
    """Whether `http://`, `https://` or `www.` stands at data[i]."""
    if end - i >= 4 and data[i] == 0x77 and data[i + 1] == 0x77 and data[i + 2] == 0x77:
        dot: bool = data[i + 3] == 0x2E
        return dot
    if end - i < 7 or data[i] != 0x68 or data[i + 1] != 0x74 or data[i + 2] != 0x74 or data[i + 3] != 0x70:
        return False
    i += 5 if data[i + 4] == 0x73 else 4
    if end - i < 3:
        return False
    slashes: bool = data[i] == 0x3A and data[i + 1] == 0x2F and data[i + 2] == 0x2F
    return slashes


@pasted
def _count_character(point: int, entry: int, counts: Int64s) -> None:
    """Add one character that is no space."""
    group = entry & GROUP
    counts[CHARACTERS] += 1
    if entry & ALPHABETIC:
        counts[LETTERS] += 1
        mapped = entry >> MAPPED_SHIFT
        if mapped != 0 and mapped < MULTIPLE and not _is_lower(point):
            counts[CAPITALS] += 1
    elif entry & DECIMAL:
        counts[DIGITS] += 1
    elif group == OTHER or group == APOSTROPHE:  # noqa: PLR1714, SIM109 - faster than a tuple in numba
        counts[PUNCTUATION] += 1
        if point < 128 and CODE[point]:
            counts[CODE_CHARACTERS] += 1


@pasted
def _count_text(data: Uint8s, place: tuple[int, int], table: Table, counts: Int64s) -> None:
    """Add the characters of data[start:end]."""
    i, end = place
    before, in_address = SPACE, False
    while i < end:
        point, width = read(data, i, end)
        entry = look_up(table, point)
        group = entry & GROUP
        if group == SPACE or group == BREAK:  # noqa: PLR1714, SIM109 - faster than a tuple in numba
            in_address = False
        else:
            starts = (point == 0x68 or point == 0x77) and before != LETTER  # noqa: PLR1714 - the same
            if starts and not in_address:
                in_address = _address_starts(data, i, end)
            counts[ADDRESSES] += in_address
            _count_character(point, entry, counts)
        before = group
        i += width


@kernel
def _count(view: BytesView, lines: _Lines, table: Table, counts: Int64s) -> None:
    """Fill counts int64 (documents, COUNTS)."""
    brace, closing, semicolon = LINE_ENDS
    for x in range(len(view.starts)):
        base = view.starts[x]
        _count_text(view.data, (base, view.ends[x]), table, counts[x])
        for line in range(lines.first[x], lines.last[x]):
            mark = view.data[base + lines.end[line] - 1]
            if mark == brace or mark == closing or mark == semicolon:  # noqa: PLR1714, SIM109 - faster than a tuple in numba
                counts[x, CODE_LINES] += 1


def symbol_measures(texts: Texts, segmentation: Segmentation) -> dict[str, Float64s]:
    """Shares in 0-1, each float64, one per text; 0 where there is nothing to count.

    punctuation, digits, addresses, code_characters: of all characters but spaces; capitals: of the letters;
    code_lines: of the lines that are not blank.
    """
    view, lines = view_bytes(texts), segmentation.lines
    counts = np.zeros((len(view.starts), COUNTS), np.int64)
    _count(view, _Lines(lines.first, lines.last, lines.end), tables.load().folded, counts)
    by = counts.T
    characters, letters = np.maximum(by[CHARACTERS], 1), np.maximum(by[LETTERS], 1)
    return {
        "punctuation": by[PUNCTUATION] / characters,
        "digits": by[DIGITS] / characters,
        "capitals": by[CAPITALS] / letters,
        "addresses": by[ADDRESSES] / characters,
        "code_characters": by[CODE_CHARACTERS] / characters,
        "code_lines": by[CODE_LINES] / np.maximum(lines.per_document(), 1),
    }
