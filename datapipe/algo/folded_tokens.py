"""Tokens of texts in a form that survives copying: what an edit of case, width, accents or punctuation leaves alone.

What: a token is a word, or a single character of a script written without spaces (kana and Thai signs too). Case,
width, accents and apostrophes are folded away, traditional characters are simplified (`simplified.json` says by which
table), digits of any script become ASCII digits and keep their value, "1,000" is "1000"; all other punctuation, `_`
and dashes end a word. Each token is one 64-bit hash and a class.
Why not the normal form of `datapipe.text`: there digits are all 0, and items of benchmarks often differ in numbers
alone.
In the form of GPT-3 (`bare_table`) only white space ends a word, and punctuation vanishes.
Costs: 150 MB/s of English beside what is done with the tokens; no memory, for tokens are handed out one by one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datapipe.text import tables
from datapipe.text.buffers import BytesView, readonly
from datapipe.text.characters import BLOCK_BITS, BLOCK_MASK, HASH_START, mix, read
from datapipe.text.jit import I64, U64, Int32s, Int64s, Uint8s, Uint64s, inlined, kernel
from datapipe.text.reference import APOSTROPHE, BREAK, KATAKANA, LETTER, MARK, SINGLE, SPACE

__all__ = [
    "CHARACTER",
    "NONE",
    "SHORT",
    "SIMPLIFIED",
    "WORD",
    "Fold",
    "Tokens",
    "bare_table",
    "fold_table",
    "next_token",
    "places_of",
    "tokens_of",
]

SIMPLIFIED = Path(__file__).with_name("simplified.npz")

NONE, WORD, CHARACTER, SHORT = -1, 0, 1, 2  # classes of tokens; SHORT: a word that tells little
SHORT_LETTERS, SHORT_DIGITS = 2, 3  # a word or number of no more characters is SHORT, as is a command of LaTeX

# What a code point does. Others hold the code point that they fold to, shifted, over IN_WORD or ALONE.
ENDS, IGNORED, IN_WORD, ALONE = 0, 1, 2, 3
SHIFT, ACTION = 2, 3
POINTS = 0x30000  # above stand no letters
COMMA, BACKSLASH, ZERO, NINE = 0x2C, 0x5C, 0x30, 0x39
MULTIPLIER = U64(0x100000001B3)
# Ignored besides what the tables drop: other apostrophes, and signs without width.
_IGNORED = (
    "\u2018`\u00b4\u02bc\uff07\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_SIGNS = ((0x0E00, 0x1100), (0x1780, 0x1800), (0x3040, 0x3100))  # marks here are vowels and voicing that stand alone


class Fold(NamedTuple):
    """What each code point does: actions int32 (POINTS,), and rows int32 of those that fold to several.

    An action below 0 is the row -action - 1: how many, then the code points.
    """

    actions: Int32s
    rows: Int32s


class Tokens(NamedTuple):
    """All tokens of some texts: hashes uint64, classes uint8, and bounds int64 (texts + 1,) of each text's tokens."""

    hashes: Uint64s
    classes: Uint8s
    bounds: Int64s


@cache
def fold_table() -> Fold:
    """The folding that items and documents are compared in, from the shipped tables."""
    points = np.arange(POINTS)
    folded, normal = tables.load()
    groups, entries = (
        table.blocks[(table.block_of[points >> BLOCK_BITS] << BLOCK_BITS) | points & BLOCK_MASK]
        for table in (folded, normal)
    )
    group, mapped = groups & tables.GROUP, entries >> tables.MAPPED_SHIFT
    single = mapped < tables.MULTIPLE
    to = np.where(single, points + mapped, 0)
    is_digit = groups & tables.DECIMAL != 0
    place = np.cumsum(is_digit) - 1  # digits stand in runs of ten, from 0 to 9
    to = np.where(is_digit, ZERO + place % 10, to)
    single |= is_digit
    sign = np.zeros(POINTS, np.bool_)
    for first, last in _SIGNS:
        sign[first:last] = group[first:last] == MARK
    alone = (group == SINGLE) | (group == KATAKANA) | sign
    letters = alone | (group == LETTER) | (group == MARK)
    actions = np.where(letters, to << SHIFT | np.where(alone, ALONE, IN_WORD), ENDS)
    row = np.where(single, 0, mapped - tables.MULTIPLE)
    several = letters & ~single & (normal.rows[row, 0] > 0)
    actions = np.where(several, -row - 1, actions)
    actions = np.where(letters & ~single & (normal.rows[row, 0] == 0) | (group == APOSTROPHE), IGNORED, actions)
    with np.load(SIMPLIFIED, allow_pickle=False) as pairs:
        actions[pairs["traditional"]] = actions[pairs["simplified"]]
    actions[[ord(character) for character in _IGNORED]] = IGNORED
    actions[ord("_")] = ENDS
    return Fold(readonly(actions.astype(np.int32)), normal.rows)


@cache
def bare_table() -> Fold:
    """The folding of GPT-3: lower-case words between white space, without punctuation."""
    actions, rows = fold_table()
    points = np.arange(POINTS)
    folded, _ = tables.load()
    entries = folded.blocks[(folded.block_of[points >> BLOCK_BITS] << BLOCK_BITS) | points & BLOCK_MASK]
    spaces = np.isin(entries & tables.GROUP, (SPACE, BREAK))
    in_word = np.where((actions > 0) & (actions & ACTION == ALONE), actions - ALONE + IN_WORD, actions)
    bare = np.where(spaces, ENDS, np.where(in_word == ENDS, IGNORED, in_word))
    return Fold(readonly(bare.astype(np.int32)), rows)


@inlined
def _action(data: Uint8s, i: int, end: int, fold: Fold) -> tuple[int, int]:
    """What the character at data[i] does, and its width in bytes."""
    point, width = read(data, i, end)
    action: int = I64(fold.actions[point]) if point < POINTS else ENDS
    return action, width


@inlined
def _carried(state: Any, action: int, rows: Int32s) -> Any:
    """A word's hash with what one more character folds to."""
    if action >= 0:
        return (state ^ U64(action >> SHIFT)) * MULTIPLIER + U64(1)
    row = -action - 1
    for k in range(1, rows[row, 0] + 1):
        state = (state ^ U64(rows[row, k])) * MULTIPLIER + U64(1)
    return state


@inlined
def _joins_digits(data: Uint8s, i: int, end: int) -> bool:
    """Whether data[i] is a comma between digits."""
    return data[i] == COMMA and i + 1 < end and ZERO <= data[i - 1] <= NINE and ZERO <= data[i + 1] <= NINE


@inlined
def next_token(data: Uint8s, place: tuple[int, int, int], fold: Fold) -> tuple[int, int, Any, int]:
    """The first token from data[i] on, place = (i, start of the text, end): its bounds, hash and class (NONE: none)."""
    i, first, end = place
    action, width = ENDS, 0
    while i < end:
        action, width = _action(data, i, end, fold)
        if action != ENDS and action != IGNORED:  # noqa: PLR1714 - faster than a tuple in numba
            break
        i += width
    if i >= end:
        return i, i, HASH_START, NONE
    start = i
    state = _carried(HASH_START, action, fold.rows)
    i += width
    if action > 0 and action & ACTION == ALONE:
        return start, i, mix(state), CHARACTER
    letters, digits = 1, ZERO <= data[start] <= NINE
    stop = i
    while i < end:
        action, width = _action(data, i, end, fold)
        if action == ENDS and not _joins_digits(data, i, end):
            break
        if action > 0 and action & ACTION == ALONE:
            break
        if action != ENDS and action != IGNORED:  # noqa: PLR1714
            state = _carried(state, action, fold.rows)
            letters += 1
            digits = digits and ZERO <= data[i] <= NINE
            stop = i + width
        i += width
    is_command = start > first and data[start - 1] == BACKSLASH
    is_short = letters <= SHORT_LETTERS or is_command or (digits and letters <= SHORT_DIGITS)
    return start, stop, mix(state), SHORT if is_short else WORD


@kernel
def _fill(view: BytesView, fold: Fold, hashes: Uint64s, found: tuple[Uint8s, Int64s]) -> None:
    classes, bounds = found
    used = 0
    for x in range(len(view.starts)):
        i = view.starts[x]
        while True:
            _, i, hashed, kind = next_token(view.data, (i, view.starts[x], view.ends[x]), fold)
            if kind == NONE:
                break
            hashes[used], classes[used] = hashed, kind
            used += 1
        bounds[x + 1] = used


def tokens_of(view: BytesView, fold: Fold) -> Tokens:
    """The tokens of each text of a view; 9 bytes of scratch a byte."""
    most = int((view.ends - view.starts).sum())
    hashes, classes = np.empty(most, np.uint64), np.empty(most, np.uint8)
    bounds = np.zeros(len(view.starts) + 1, np.int64)
    _fill(view, fold, hashes, (classes, bounds))
    used = int(bounds[-1])
    return Tokens(hashes[:used].copy(), classes[:used].copy(), bounds)


@kernel
def _locate(view: BytesView, fold: Fold, wanted: tuple[Int64s, Int64s], found: tuple[Int64s, Int64s]) -> None:
    """The bounds of tokens; wanted: text and number of each, sorted by both."""
    (texts, numbers), (starts, ends) = wanted, found
    x, i, token, start = -1, 0, -1, 0
    for k in range(len(texts)):
        if texts[k] != x:
            x, token = texts[k], -1
            i = view.starts[x]
        while token < numbers[k]:
            start, i, _, _ = next_token(view.data, (i, view.starts[x], view.ends[x]), fold)
            token += 1
        starts[k], ends[k] = start - view.starts[x], i - view.starts[x]


def places_of(view: BytesView, fold: Fold, texts: Int64s, numbers: Int64s) -> tuple[Int64s, Int64s]:
    """Where tokens, each the `number`th of a text of the view, start and end in it, in bytes."""
    order = np.lexsort((numbers, texts))
    starts, ends = np.empty(len(texts), np.int64), np.empty(len(texts), np.int64)
    _locate(view, fold, (readonly(texts[order]), readonly(numbers[order])), (starts, ends))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return starts[back], ends[back]
