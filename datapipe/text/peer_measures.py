"""The measures of Gopher and FineWeb as datatrove takes them.

Where it differs from `quality`, `repetition` and `line_shape`: words are cut nearly as datatrove cuts English
(`peer_words`); punctuation tokens are words, but for their number and mean length; lines are cut at every break, blank
ones count (not in FineWeb) and are not stripped; words keep their case; shares of repeated text are of all characters
of the text; the most frequent n-gram counts even if it stands once; of repeated n-grams the extra copies count, and a
copy is skipped as a whole, so that the n-grams that overlap it are not looked at. Repeated n-grams are compared as
strings without spaces, here by a 64-bit polynomial hash.
Source: datatrove 0.10; `tests/peers` compares decisions and reasons.
Costs: of English, words included, 17 MB/s for Gopher and 34 for FineWeb; not compiled by `warm_up`. Scratch: 80 bytes a
token and line.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import xxhash

from datapipe.text import tables
from datapipe.text.buffers import BytesView, Texts, readonly, view_bytes
from datapipe.text.characters import look_up, mix, read
from datapipe.text.hashing import xxh64
from datapipe.text.jit import I64, U64, Float64s, Int32s, Int64s, Uint8s, Uint64s, called, inlined, kernel, pasted
from datapipe.text.meetings import Meetings, first_met, new_epoch, room_for
from datapipe.text.peer_marks import ENDS, SYMBOL, marks
from datapipe.text.peer_words import PeerWords, peer_words
from datapipe.text.reference import BREAK, HAS_ALPHABETIC, SPACE
from datapipe.text.tables import GROUP, Table

LINE_FEED, CARRIAGE_RETURN, HASH_MARK, FULL_STOP, HYPHEN, ELLIPSIS, BULLET = 10, 13, 0x23, 0x2E, 0x2D, 0x2026, 0x2022
FIRST_TOP, LAST_TOP, LAST_DUPLICATE = 2, 4, 10  # sizes of n-grams: top 2 to 4, repeated 5 to 10
BASE = U64(0x9E3779B97F4A7C15)
BLANK = U64(0x21)
ONE, NONE = U64(1), U64(0)
SEED = U64(0)

QUALITY = (
    "words", "mean_word_length", "hash_marks_per_word", "ellipses_per_word", "bullet_lines", "ellipsis_lines",
    "alphabetic_words", "stop_words",
)  # fmt: skip
REPETITION = (
    "duplicate_lines", "duplicate_line_characters", "duplicate_paragraphs", "duplicate_paragraph_characters",
    "top_2_gram", "top_3_gram", "top_4_gram",
    *(f"duplicate_{n}_grams" for n in range(5, 11)),
)  # fmt: skip
LINES = ("terminal_lines", "short_lines", "duplicate_line_characters", "newlines_per_word")


class _Grams(NamedTuple):
    """For each token of a document, uint64: its hash, what a hash is multiplied with before it, hash of the n-gram."""

    own: Uint64s
    power: Uint64s
    gram: Uint64s


@called
def _is_symbol(data: Uint8s, i: int, end: int, bits: Uint8s) -> bool:
    """Whether data[i:end] holds nothing but punctuation."""
    while i < end:
        point, width = read(data, i, end)
        if bits[point] & SYMBOL == 0:
            return False
        i += width
    return True


@pasted
def _measure_words(view: BytesView, tokens: PeerWords, x: int, room: tuple[Uint8s, Uint64s, Int64s, Float64s]) -> int:
    """Fill in what asks for words; returns how many tokens there are."""
    bits, stops, met, out = room
    words, characters, alphabetic, stopped = 0, 0, 0, 0
    for token in range(tokens.first[x], tokens.last[x]):
        start, end = view.starts[x] + tokens.start[token], view.starts[x] + tokens.end[token]
        alphabetic += tokens.kinds[token] & HAS_ALPHABETIC != 0
        if not _is_symbol(view.data, start, end, bits):
            words += 1
            characters += tokens.length[token]
        hashed = xxh64(view.data, start, end, SEED)
        for k in range(len(stops)):
            if stops[k] == hashed and met[k] != x + 1:
                met[k] = x + 1
                stopped += 1
    count: int = I64(tokens.last[x] - tokens.first[x])
    out[0] = words
    out[1] = characters / words if words else 0.0
    out[6] = alphabetic / count if count else 0.0
    out[7] = stopped
    return count


@pasted
def _measure_symbols(data: Uint8s, place: tuple[int, int], count: int, out: Float64s) -> None:
    i, end = place
    hashes, ellipses, dots = 0, 0, 0
    while i < end:
        point, width = read(data, i, end)
        dots = dots + 1 if point == FULL_STOP else 0
        hashes += point == HASH_MARK
        ellipses += point == ELLIPSIS
        if dots == 3:
            ellipses += 1
            dots = 0
        i += width
    out[2] = hashes / count if count else 0.0
    out[3] = ellipses / count if count else 0.0


@pasted
def _measure_lines(data: Uint8s, place: tuple[int, int], table: Table, out: Float64s) -> None:
    """Shares of lines, blank ones too, that begin with a bullet and that end in an ellipsis."""
    i, end = place
    lines, bullets, ellipses = 0, 0, 0
    while i < end:
        first, last, dots, beside = 0, 0, 0, False
        while i < end:
            point, width = read(data, i, end)
            group = look_up(table, point) & GROUP
            i += width
            if group == BREAK:
                if point == CARRIAGE_RETURN and i < end and data[i] == LINE_FEED:
                    i += 1
                break
            if group == SPACE:
                beside = False
                continue
            first = first or point
            last = point
            dots = 0 if point != FULL_STOP else dots + 1 if beside else 1
            beside = True
        lines += 1
        bullets += first == BULLET or first == HYPHEN  # noqa: PLR1714 - faster than a tuple in numba
        ellipses += last == ELLIPSIS or dots >= 3
    out[4] = bullets / lines if lines else 0.0
    out[5] = ellipses / lines if lines else 0.0


@kernel
def _quality(view: BytesView, tokens: PeerWords, known: tuple[Uint8s, Table, Uint64s, Int64s], out: Float64s) -> None:
    """Fill `out` float64 (documents, len(QUALITY))."""
    bits, table, stops, met = known
    for x in range(len(view.starts)):
        place = (view.starts[x], view.ends[x])
        count = _measure_words(view, tokens, x, (bits, stops, met, out[x]))
        _measure_symbols(view.data, place, count, out[x])
        _measure_lines(view.data, place, table, out[x])


@called
def _characters(data: Uint8s, i: int, end: int) -> int:
    count = 0
    while i < end:
        _, width = read(data, i, end)
        count += 1
        i += width
    return count


@called
def _stripped(data: Uint8s, place: tuple[int, int], table: Table) -> tuple[int, int]:
    """Without spaces and breaks at both ends."""
    i, end = place
    start, stop = end, end
    while i < end:
        point, width = read(data, i, end)
        i += width
        group = look_up(table, point) & GROUP
        if group != SPACE and group != BREAK:  # noqa: PLR1714 - faster than a tuple in numba
            if start == end:
                start = i - width
            stop = i
    return start, stop


@called
def _copies(data: Uint8s, place: tuple[int, int, int], pieces: int, meetings: Meetings) -> tuple[int, int, int]:
    """Of what stands between runs of at least `run` line feeds: extra copies, their characters, how many in all."""
    i, end, run = place
    mask = new_epoch(meetings.epoch, pieces)
    copies, copied, count = 0, 0, 0
    start = i
    while i <= end:
        stop = i
        while i < end and data[i] == LINE_FEED:
            i += 1
        if i - stop >= run or stop == end:
            hashed = xxh64(data, start, stop, SEED)
            meetings.grams[count] = hashed
            if first_met(meetings, hashed, np.int64(count), mask) != count:
                copies += 1
                copied += _characters(data, start, stop)
            count += 1
            start = i
            if stop == end:
                break
        if i == stop:
            i += 1
    return copies, copied, count


@inlined
def _joined(grams: _Grams, i: int, j: int) -> Any:
    """The hash of an n-gram that token j comes behind."""
    return grams.gram[i] * grams.power[j] + grams.own[j]


@pasted
def _hash_tokens(view: BytesView, tokens: PeerWords, x: int, grams: _Grams) -> None:
    for k in range(tokens.last[x] - tokens.first[x]):
        token = tokens.first[x] + k
        hashed, power = NONE, ONE
        for i in range(view.starts[x] + tokens.start[token], view.starts[x] + tokens.end[token]):
            hashed = hashed * BASE + U64(view.data[i]) + ONE
            power *= BASE
        grams.own[k], grams.power[k], grams.gram[k] = hashed, power, hashed


@pasted
def _top(grams: _Grams, count: int, lengths: tuple[Int32s, int, int], meetings: Meetings) -> int:
    """Characters, with spaces between, in the n-gram that stands most often, the first such; n-grams: `count`."""
    length, first, size = lengths
    mask = new_epoch(meetings.epoch, count)
    for i in range(count):
        meetings.grams[i] = mix(grams.gram[i])
    best, most = I64(0), 0
    for i in range(count):
        leader: int = I64(first_met(meetings, meetings.grams[i], np.int64(i), mask))
        if meetings.counts[leader] > most or (meetings.counts[leader] == most and leader < best):
            best, most = leader, meetings.counts[leader]
    total = size - 1
    for token in range(first + best, first + best + size):
        total += length[token]
    return total * most


@pasted
def _skipped(grams: _Grams, count: int, lengths: tuple[Int32s, int, int], meetings: Meetings) -> int:
    """Characters in n-grams that stood before; after one, reading goes on behind it."""
    length, first, size = lengths
    mask = new_epoch(meetings.epoch, count)
    i, total = 0, 0
    while i < count:
        meetings.grams[i] = mix(grams.gram[i])
        if first_met(meetings, meetings.grams[i], np.int64(i), mask) == i:
            i += 1
            continue
        for token in range(first + i, first + i + size):
            total += length[token]
        i += size
    return total


@pasted
def _measure_ngrams(tokens: PeerWords, x: int, room: tuple[_Grams, Meetings, Int64s], out: Float64s) -> None:
    """Characters in n-grams, into out[size + 2]."""
    grams, meetings, _ = room
    first, count = tokens.first[x], tokens.last[x] - tokens.first[x]
    for size in range(FIRST_TOP, LAST_DUPLICATE + 1):
        if size == LAST_TOP + 1:  # from here on without spaces between
            for i in range(count):
                grams.gram[i] = grams.own[i]
            for back in range(1, LAST_TOP):
                for i in range(count - back):
                    grams.gram[i] = _joined(grams, i, i + back)
        left = count - size + 1
        if left <= 0:
            continue
        for i in range(left):
            if size <= LAST_TOP:
                grams.gram[i] = grams.gram[i] * BASE + BLANK
            grams.gram[i] = _joined(grams, i, i + size - 1)
        if size <= LAST_TOP:
            out[size + 2] = _top(grams, left, (tokens.length, first, size), meetings)
        else:
            out[size + 2] = _skipped(grams, left, (tokens.length, first, size), meetings)


@kernel
def _repetition(
    view: BytesView, tokens: PeerWords, room: tuple[_Grams, Meetings, Int64s], known: tuple[Table, Float64s]
) -> None:
    """Fill `out` float64 (documents, len(REPETITION)); room = (grams, meetings, line feeds of each document)."""
    grams, meetings, feeds = room
    table, out = known
    for x in range(len(view.starts)):
        start, end = view.starts[x], view.ends[x]
        characters = _characters(view.data, start, end)
        if characters == 0:
            continue
        measures = out[x]
        copies, copied, count = _copies(view.data, (start, end, 1), feeds[x] + 1, meetings)
        measures[0], measures[1] = copies / count, copied
        low, high = _stripped(view.data, (start, end), table)
        copies, copied, count = _copies(view.data, (low, high, 2), feeds[x] + 1, meetings)
        measures[2], measures[3] = copies / count, copied
        _hash_tokens(view, tokens, x, grams)
        _measure_ngrams(tokens, x, room, measures)
        for k in range(len(measures)):
            if k != 0 and k != 2:  # noqa: PLR1714 - faster than a tuple in numba
                measures[k] /= characters


@kernel
def _lines(
    view: BytesView, known: tuple[Uint8s, Table, int], room: tuple[Meetings, Int64s, Int64s], out: Float64s
) -> None:
    """Fill `out` float64 (documents, len(LINES)); room = (meetings, line feeds and tokens of each document)."""
    bits, table, short = known
    meetings, feeds, tokens = room
    data = view.data
    for x in range(len(view.starts)):
        i, end = view.starts[x], view.ends[x]
        mask = new_epoch(meetings.epoch, feeds[x] + 1)
        lines, ended, shorts, copied, characters = 0, 0, 0, 0, 0
        while i < end:
            start, length, point, blank = i, 0, I64(0), True
            while i < end and data[i] != LINE_FEED:
                point, width = read(data, i, end)
                group = look_up(table, point) & GROUP
                blank &= group == SPACE or group == BREAK  # noqa: PLR1714 - faster than a tuple in numba
                length += 1
                i += width
            characters += length
            if not blank:
                ended += bits[point] & ENDS != 0
                shorts += length <= short
                hashed = xxh64(data, start, i, SEED)
                meetings.grams[lines] = hashed
                if first_met(meetings, hashed, np.int64(lines), mask) != lines:
                    copied += length
                lines += 1
            i += 1
        if lines:
            out[x, 0], out[x, 1], out[x, 2] = ended / lines, shorts / lines, copied / characters
        if tokens[x]:
            out[x, 3] = feeds[x] / tokens[x]


@kernel
def _count_feeds(view: BytesView, feeds: Int64s) -> None:
    for x in range(len(view.starts)):
        for i in range(view.starts[x], view.ends[x]):
            feeds[x] += view.data[i] == LINE_FEED


def _feeds(view: BytesView) -> Int64s:
    """Line feeds of each document."""
    feeds = np.zeros(len(view.starts), np.int64)
    _count_feeds(view, feeds)
    return feeds


def _meetings(most: int) -> Meetings:
    return Meetings(
        np.zeros(room_for(most), np.uint64), np.zeros(1, np.uint64), np.empty(most, np.uint64), np.empty(most, np.int32)
    )


def peer_gopher_measures(texts: Texts, *, stop_words: Iterable[str]) -> dict[str, Float64s]:
    """The measures of Gopher's rules as datatrove takes them, one float64 array each; 0 where there is nothing.

    Names as in `quality_measures` and `repetition_measures`; stop words are met in the case given.
    """
    view, tokens = view_bytes(texts), peer_words(texts)
    table = tables.load().folded
    feeds = _feeds(view)
    each = [word.encode() for word in sorted(set(stop_words))]
    stops = np.array([xxhash.xxh64_intdigest(word) for word in each], np.uint64)
    quality = np.zeros((len(view.starts), len(QUALITY)))
    _quality(view, tokens, (marks(), table, readonly(stops), np.zeros(len(stops), np.int64)), quality)
    most = int(max(np.max(tokens.last - tokens.first, initial=0), np.max(feeds, initial=0))) + 2
    repetition = np.zeros((len(view.starts), len(REPETITION)))
    room = (_Grams(*np.empty((3, most), np.uint64)), _meetings(most), readonly(feeds))
    _repetition(view, tokens, room, (table, repetition))
    return dict(zip((*QUALITY, *REPETITION), (*quality.T, *repetition.T), strict=True))


def peer_line_measures(texts: Texts, *, short: int) -> dict[str, Float64s]:
    """The measures of FineWeb's rules as datatrove takes them, one float64 array each, named as in `line_measures`."""
    view, words = view_bytes(texts), peer_words(texts)
    feeds = _feeds(view)
    out = np.zeros((len(view.starts), len(LINES)))
    room = (_meetings(int(np.max(feeds, initial=0)) + 2), readonly(feeds), readonly(words.last - words.first))
    _lines(view, (marks(), tables.load().folded, short), room, out)
    return dict(zip(LINES, out.T, strict=True))
