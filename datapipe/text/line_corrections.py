"""Lines of a page's furniture cut out of a text: the line-wise corrections of RefinedWeb.

A line is cut if most of its letters are capitals, if it holds no letter but digits, if it is a counter (`3 likes`), or
if it has too few words. From a short line phrases are cut where they stand: at its start (`sign-in`), at its end
(`read more`) or anywhere (`items in cart`); a line of which nothing but punctuation is left goes as a whole. All other
bytes stay, breaks included; the break of a line that is cut goes with it.
Words are those of the segmentation: of scripts without spaces a character is a word.
Source: Penedo et al. 2023 (RefinedWeb), appendix G.2; its phrases and its counters are not published beyond examples.
Costs: 120 MB/s beside the segmentation, of English and of Chinese; as much memory as the texts for what is kept.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from datapipe.text import tables
from datapipe.text.buffers import BytesView, Texts, as_one_array, readonly, texts_of, view_bytes
from datapipe.text.characters import look_up, read
from datapipe.text.jit import Int32s, Int64s, Uint8s, Uint64s, called, kernel, pasted
from datapipe.text.reference import IS_WORD, tokens, word_hash
from datapipe.text.segmentation import Segmentation
from datapipe.text.tables import ALPHABETIC, DECIMAL, MAPPED_SHIFT, Table

# What becomes of a line.
KEPT, UPPER_CASE, NUMERIC, COUNTER, FEW_WORDS, PHRASE = range(6)
FATES = ("kept", "upper_case", "numeric", "counter", "few_words", "phrase")
# Where a phrase may stand.
START, END, ANYWHERE = 1, 2, 4
LINE_FEED = 10
# Small letters that fold to others: micro sign, long s, final sigma, symbols of Greek letters, Cyrillic variants.
_SMALL = np.array(
    [
        0xB5,
        0x17F,
        0x3C2,
        0x3D0,
        0x3D1,
        0x3D5,
        0x3D6,
        0x3F0,
        0x3F1,
        0x3F5,
        0x13F8,
        0x13F9,
        0x13FA,
        0x13FB,
        0x13FC,
        0x13FD,
        0x1C80,
        0x1C81,
        0x1C82,
        0x1C83,
        0x1C84,
        0x1C85,
        0x1C86,
        0x1C87,
        0x1C88,
        0x1E9B,
        0x1FBE,
    ],
    np.int64,
)
_MULTIPLE = np.int64(1 << 21)  # folds to several: of these only U+0130 is a capital, and few texts hold it
_CHEROKEE = np.array([0x13A0, 0x13FF, 0xAB70, 0xABBF], np.int64)  # folds to its capitals


class _Tokens(NamedTuple):
    first: Int64s
    last: Int64s
    start: Int32s
    end: Int32s
    kinds: Uint8s
    hashes: Uint64s


class _Lines(NamedTuple):
    first: Int64s
    last: Int64s
    start: Int32s
    end: Int32s


class _Phrases(NamedTuple):
    """hashes: uint64, of the words of all phrases; starts: int64 (n + 1,); places: uint8 (n,), where one may stand."""

    hashes: Uint64s
    starts: Int64s
    places: Uint8s


class _Rules(NamedTuple):
    """Share of letters (0-1), words of a line, words of a short line, what counters count."""

    upper: float
    words: int
    short: int
    counters: _Phrases


class _Room(NamedTuple):
    """cuts: int64 (2, n), bytes [start, end) to leave out, of the buffer; used: int64 (1,)."""

    cuts: Int64s
    used: Int64s


@called
def _is_upper(point: int, entry: int) -> bool:
    """Whether a letter is a capital: it folds to another letter, and is no small letter that does."""
    mapped = entry >> MAPPED_SHIFT
    if mapped == 0 or mapped >= _MULTIPLE:
        return False
    if _CHEROKEE[0] <= point <= _CHEROKEE[1] or _CHEROKEE[2] <= point <= _CHEROKEE[3]:
        return False
    small = False
    for other in _SMALL:
        small |= point == other
    return not small


@pasted
def _letters(data: Uint8s, place: tuple[int, int], table: Table) -> tuple[int, int, int]:
    """Letters, capitals and digits."""
    i, end = place
    letters, capitals, digits = 0, 0, 0
    while i < end:
        point, width = read(data, i, end)
        entry = look_up(table, point)
        letters += entry & ALPHABETIC != 0
        digits += entry & DECIMAL != 0
        capitals += entry & ALPHABETIC != 0 and _is_upper(point, entry)
        i += width
    return letters, capitals, digits


@called
def _stands_at(tokens: _Tokens, token: int, last: int, phrase: tuple[Uint64s, int, int]) -> int:
    """The token behind the phrase whose words stand from `token` on, punctuation between them; 0 if they do not."""
    hashes, word, end = phrase
    same = tokens.kinds[token] & IS_WORD != 0
    while same and word < end:
        while token < last and tokens.kinds[token] & IS_WORD == 0:
            token += 1
        same = token < last and tokens.hashes[token] == hashes[word]
        token += 1
        word += 1
    return token if same else 0


@pasted
def _is_counter(view: BytesView, tokens: _Tokens, span: tuple[int, int, int], known: tuple[_Phrases, Table]) -> bool:
    """Whether tokens [first, last) are numbers (`3`, `1.2K`), and then one of the things that are counted."""
    base, token, last = span
    counted, table = known
    numbers, reading = 0, True
    while reading and token < last:
        if tokens.kinds[token] & IS_WORD:
            point, _ = read(view.data, base + tokens.start[token], base + tokens.end[token])
            reading = look_up(table, point) & DECIMAL != 0
            numbers += reading
        token += reading
    is_one = False
    if numbers and token < last:
        for p in range(len(counted.places)):
            behind = _stands_at(tokens, token, last, (counted.hashes, counted.starts[p], counted.starts[p + 1]))
            if behind:
                more = 0
                for k in range(behind, last):
                    more += tokens.kinds[k] & IS_WORD
                is_one |= more == 0
    return is_one


@pasted
def _cut_phrases(tokens: _Tokens, line: tuple[int, int, int, int], known: tuple[_Phrases, _Room, int]) -> int:
    """Note the phrases to cut from the line (base, first and last token, its end); returns the words in them."""
    base, first, last, stop = line
    phrases, room, first_word = known
    last_word = first
    for token in range(first, last):
        if tokens.kinds[token] & IS_WORD:
            last_word = token
    words, token = 0, first
    while token < last:
        behind = 0
        for p in range(len(phrases.places)):
            where = phrases.places[p]
            if behind == 0 and (where != START or token == first_word):
                found = _stands_at(tokens, token, last, (phrases.hashes, phrases.starts[p], phrases.starts[p + 1]))
                if found and (where != END or found == last_word + 1):
                    behind = found
        if behind == 0:
            token += 1
            continue
        for k in range(token, behind):
            words += tokens.kinds[k] & IS_WORD
        start, end = base + tokens.start[token], base + tokens.end[behind - 1]
        if behind == last_word + 1:
            end = stop
        room.cuts[0, room.used[0]], room.cuts[1, room.used[0]] = start, end
        room.used[0] += 1
        token = behind
    return words


@pasted
def _fate(view: BytesView, tokens: _Tokens, line: tuple[int, int, int, int, int],
          known: tuple[_Rules, Table]) -> int:  # fmt: skip
    """What becomes of a line (base, first and last token, words, end), phrases apart."""
    base, first, last, words, stop = line
    rules, table = known
    start = base + tokens.start[first]
    letters, capitals, digits = _letters(view.data, (start, stop), table)
    if letters and capitals > rules.upper * letters:
        return UPPER_CASE
    if digits and letters == 0:
        return NUMERIC
    if words <= rules.short and _is_counter(view, tokens, (base, first, last), (rules.counters, table)):
        return COUNTER
    return FEW_WORDS if words < rules.words else KEPT


@pasted
def _cut_line(data: Uint8s, line: tuple[int, int, int, int], room: _Room) -> None:
    """Note a whole line (start, stop, start of the next, end of the text) to cut, up to its line feed.

    Of two lines without a line feed between them, the break stays.
    """
    start, stop, following, end = line
    behind = stop
    while behind < end and data[behind] != LINE_FEED:
        behind += 1
    behind = behind + 1 if behind < end else end
    room.cuts[0, room.used[0]] = start
    room.cuts[1, room.used[0]] = stop if following < behind else behind
    room.used[0] += 1


@kernel
def _judge(
    view: BytesView, pieces: tuple[_Lines, _Tokens], known: tuple[_Rules, _Phrases, Table], out: tuple[_Room, Int64s]
) -> None:
    """Note what to cut, and counts int64 (documents, 8): lines by what became of them, words, words removed."""
    lines, tokens = pieces
    rules, phrases, table = known
    room, counts = out
    for x in range(len(view.starts)):
        base, token = view.starts[x], tokens.first[x]
        for line in range(lines.first[x], lines.last[x]):
            first, words, first_word = token, 0, token
            while token < tokens.last[x] and tokens.start[token] < lines.end[line]:
                if tokens.kinds[token] & IS_WORD:
                    if words == 0:
                        first_word = token
                    words += 1
                token += 1
            start, stop = base + lines.start[line], base + lines.end[line]
            fate = _fate(view, tokens, (base, first, token, words, stop), (rules, table))
            removed = words if fate != KEPT else 0
            if fate == KEPT and words <= rules.short:
                before = room.used[0]
                removed = _cut_phrases(tokens, (base, first, token, stop), (phrases, room, first_word))
                if removed:
                    fate = PHRASE
                if removed == words and words:
                    room.used[0] = before
            if removed == words and fate != KEPT:
                following = base + lines.start[line + 1] if line + 1 < lines.last[x] else view.ends[x]
                _cut_line(view.data, (start, stop, following, view.ends[x]), room)
            counts[x, fate] += 1
            counts[x, 6] += words
            counts[x, 7] += removed


@kernel
def _write(view: BytesView, room: _Room, out: tuple[Uint8s, Int64s]) -> None:
    """Copy all bytes but those of the cuts; offsets int64 (documents + 1)."""
    data, offsets = out
    to, cut = 0, 0
    for x in range(len(view.starts)):
        i, end = view.starts[x], view.ends[x]
        while i < end:
            stop = end
            if cut < room.used[0] and room.cuts[0, cut] < end:
                stop = room.cuts[0, cut]
            while i < stop:
                data[to] = view.data[i]
                to += 1
                i += 1
            if stop < end:
                i = room.cuts[1, cut]
                cut += 1
        offsets[x + 1] = to


def _hashes(words: Iterable[str]) -> Uint64s:
    return readonly(np.array([word_hash(word) for word in words], np.uint64))


def _phrases(kinds: dict[int, Sequence[str]]) -> _Phrases:
    each = [
        (place, [phrase[t.start : t.end] for t in tokens(phrase) if t.kind & IS_WORD])
        for place, phrases in kinds.items()
        for phrase in phrases
    ]
    each = [(place, words) for place, words in each if words]
    return _Phrases(
        _hashes(word for _, words in each for word in words),
        readonly(np.cumsum([0, *(len(words) for _, words in each)])),
        readonly(np.array([place for place, _ in each], np.uint8)),
    )


def corrected_lines(  # noqa: PLR0913 - keyword-only, one for each rule
    texts: Texts,
    segmentation: Segmentation,
    *,
    upper: float,
    min_words: int,
    short: int,
    counted: Iterable[str],
    at_start: Sequence[str] = (),
    at_end: Sequence[str] = (),
    anywhere: Sequence[str] = (),
) -> tuple[pa.LargeStringArray, dict[str, np.ndarray]]:
    """The texts without such lines and phrases (large_string; null stays null), and counts of each text, int32.

    Counts: lines by what became of them (FATES), `words`, `removed_words`. upper: share of letters (0-1) above which a
    line is of capitals; min_words, short: words of a line; counted: what counters count.
    """
    view, words, lines = view_bytes(texts), segmentation.words, segmentation.lines
    found = _Tokens(words.first, words.last, words.start, words.end, words.kind, words.hashes)
    counts = np.zeros((len(view.starts), 8), np.int64)
    most = int(lines.per_document().sum()) + int(words.per_document().sum()) + 1
    room = _Room(np.empty((2, most), np.int64), np.zeros(1, np.int64))
    rules = _Rules(upper, min_words, short, _phrases({ANYWHERE: tuple(counted)}))
    phrases = _phrases({START: at_start, END: at_end, ANYWHERE: anywhere})
    pieces = (_Lines(lines.first, lines.last, lines.start, lines.end), found)
    _judge(view, pieces, (rules, phrases, tables.load().folded), (room, counts))
    data = np.empty(int((view.ends - view.starts).sum()), np.uint8)
    offsets = np.zeros(len(view.starts) + 1, np.int64)
    _write(view, room, (data, offsets))
    kept = texts_of(data, offsets, as_one_array(texts))
    return kept, {name: counts[:, i].astype(np.int32) for i, name in enumerate((*FATES, "words", "removed_words"))}
