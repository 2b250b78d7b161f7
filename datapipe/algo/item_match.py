"""Which benchmark items stand in texts: how much of each, in order and close together, and where.

What: runs of tokens that an item has are looked up (`item_grams`); those of one item part that lie on one diagonal
(token of the text minus token of the item) join to stretches; of an input, a context or an answer the best chain of
stretches in order counts, within a window of the text and less a break between two; of an input with its options the
best window, whatever their order. Both are weighted by the bits of the tokens covered.
A text is looked at in blocks of two windows' length, each half over the next, so that any length costs memory in
proportion to its hits, and time in proportion to its length. What is found depends on the text and the index alone.
Costs: see tests/benchmarks/decontaminate.py; 12 bytes a hit, 8 bytes a hit and item part that can reach its floor.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from datapipe.algo.folded_tokens import Fold
from datapipe.algo.item_align import Matches, align
from datapipe.algo.item_grams import Hits, hit_grams
from datapipe.algo.item_index import INPUT_OUTPUT, LENGTHS, MOST_TOKENS, Index
from datapipe.text.buffers import BytesView, readonly
from datapipe.text.jit import I64, U64, Float64s, Int32s, Int64s, Uint64s, called, inlined, kernel

__all__ = ["Matches", "match_items"]

Float32s = npt.NDArray[np.float32]

BREAK_BITS = 6.0
LOOK_BACK = 64  # stretches that a chain may go back over
CHUNK = 1 << 20  # pairs of hit and item part that are looked at in one go; a block may have more
# A pair as one number: group, diagonal, token of the block.
DIAGONAL_BITS, TOKEN_BITS = 18, 18
SHIFT = 4 * MOST_TOKENS  # keeps diagonals above 0
TOKENS = (1 << TOKEN_BITS) - 1
PLACE_BITS = MOST_TOKENS.bit_length()
MASK = (1 << PLACE_BITS) - 1
SUM, TOKEN, PLACE, WINDOW, GATE = range(5)  # columns of the board
REACHED = np.float32(1e30)
MOST_GROUPS = 1 << 22  # in one go: float32 counts them exactly, and keys have room


class _Pairs(NamedTuple):
    """Room for pairs and their groups.

    keys: uint64, of pairs; text, segment, start: int64, of groups (start: the token where the block begins).
    """

    keys: Uint64s
    text: Int64s
    segment: Int64s
    start: Int64s


class _Seen(NamedTuple):
    """board float32 (parts, 8): what is known of each part, in one place of memory; touched int64: parts with hits.

    Of a part the board holds what its hits add up to, token and place of the last of them, its window and its gate.
    """

    board: Float32s
    touched: Int64s


@inlined
def _of_block(hits: Hits, low: int, bounds: tuple[int, int]) -> tuple[int, int]:
    """The hits from `low` on that lie in the block [start, end) of their text: from which to which."""
    start, end = bounds
    x = hits.text[low]
    while low < len(hits.text) and hits.text[low] == x and hits.token[low] < start:
        low += 1
    high = low
    while high < len(hits.text) and hits.text[high] == x and hits.token[high] < end:
        high += 1
    return low, high


@called
def _estimate(hits: Hits, span: tuple[int, int], index: Index, seen: _Seen) -> tuple[int, int]:
    """Sum up for each part what its hits could cover at most in one window; those under their gate get 0 again.

    Hits further from the one before than the window can't be of one match. Returns how many parts are left, the first
    of `touched`, and a bound on their pairs.
    """
    low, high = span
    board, touched = seen
    count, pairs = 0, 0
    for h in range(low, high):
        gram, token = hits.gram[h], np.float32(hits.token[h])
        for q in range(index.offsets[gram], index.offsets[gram + 1]):
            s = np.int64(index.segments[q])
            place = np.float32(index.places[q])
            if board[s, SUM] == 0:
                touched[count] = s
                count += 1
            elif token - board[s, TOKEN] > board[s, WINDOW] and board[s, SUM] < REACHED:
                board[s, SUM] = 0
            if board[s, SUM] > 0 and token == board[s, TOKEN] + 1 and place == board[s, PLACE] + 1:
                at = index.first[s] + s + index.places[q]
                board[s, SUM] += index.sums[at + 1] - index.sums[at]
            else:
                board[s, SUM] += index.gains[q]
            board[s, TOKEN], board[s, PLACE] = token, place
            if board[s, SUM] >= board[s, GATE]:
                board[s, SUM] = REACHED
            pairs += 1
    left = 0
    for k in range(count):
        s = touched[k]
        if board[s, SUM] >= REACHED:
            touched[left] = s
            left += 1
        else:
            board[s, SUM] = 0
    return left, pairs if left else 0


@called
def _emit(hits: Hits, span: tuple[int, int, int], index: Index, work: tuple[_Seen, _Pairs, Int64s]) -> None:
    """Write the pairs of a block. work: the sum of a part on the board is from here on its group, below 0."""
    low, high, start = span
    (board, _), room, progress = work
    for h in range(low, high):
        gram = hits.gram[h]
        token = np.int64(hits.token[h]) - start
        for q in range(index.offsets[gram], index.offsets[gram + 1]):
            s = np.int64(index.segments[q])
            if board[s, SUM] == 0:
                continue
            if board[s, SUM] > 0:
                group = progress[3]
                room.text[group], room.segment[group], room.start[group] = hits.text[h], s, start
                progress[3] += 1
                board[s, SUM] = -1 - group
            group = I64(-1 - board[s, SUM])
            diagonal = token - index.places[q] + SHIFT
            key = U64(group) << U64(DIAGONAL_BITS + TOKEN_BITS)
            room.keys[progress[2]] = key | U64(diagonal) << U64(TOKEN_BITS) | U64(token)
            progress[2] += 1


@kernel
def _pair(hits: Hits, index: Index, half: int, work: tuple[_Seen, _Pairs, Int64s]) -> None:
    """Fill in pairs from where progress stands, as many whole blocks as fit.

    progress: hits done, blocks done of the text of the next hit, pairs and groups used, pairs that the next needs.
    """
    seen, room, progress = work
    board, touched = seen
    progress[2], progress[3], progress[4] = 0, 0, 0
    while progress[0] < len(hits.text):
        start = progress[1] * half
        low, high = _of_block(hits, progress[0], (start, start + 2 * half))
        count, pairs = _estimate(hits, (low, high), index, seen)
        fits = progress[2] + pairs <= len(room.keys) and progress[3] + count <= MOST_GROUPS
        if fits and pairs > 0:
            _emit(hits, (low, high, start), index, work)
        for k in range(count):
            board[touched[k], SUM] = 0
        if not fits:
            progress[4] = pairs
            return
        x = hits.text[progress[0]]
        if high == len(hits.text) or hits.text[high] != x:
            progress[0], progress[1] = high, 0
        else:
            progress[0], progress[1] = low, progress[1] + 1


class _Stretches(NamedTuple):
    """Where text and item go together, int64: group; first and last token of the block; first and last of the item."""

    group: Int64s
    first: Int64s
    last: Int64s
    begins: Int64s
    ends: Int64s


@kernel
def _join(keys: Uint64s, segments: Int64s, index: Index, out: tuple[_Stretches, Int64s]) -> None:
    """Stretches of pairs in order of group, diagonal and token."""
    made, used = out
    n = -1
    before = -1
    for k in range(len(keys)):
        line = I64(keys[k] >> U64(TOKEN_BITS))
        group = line >> DIAGONAL_BITS
        token = I64(keys[k]) & TOKENS
        place = token - (line & ((1 << DIAGONAL_BITS) - 1)) + SHIFT
        length = np.int64(index.lengths[index.first[segments[group]] + place])
        if line != before or token - length > made.last[n]:
            n += 1
            made.group[n], made.first[n], made.begins[n] = group, token - length + 1, place - length + 1
        made.first[n] = min(made.first[n], token - length + 1)
        made.begins[n] = min(made.begins[n], place - length + 1)
        made.last[n], made.ends[n] = token, place
        before = line
    used[0] = n + 1


@called
def _chain(
    found: _Stretches, span: tuple[int, int], part: tuple[Float64s, int, int], work: tuple[Float64s, Int64s]
) -> tuple[float, int, int]:
    """Bits of the best chain of the stretches of a group in order, and its first and last token."""
    low, high = span
    sums, base, window = part
    bits, starts = work
    best, first, last = 0.0, 0, 0
    for r in range(low, high):
        begin, end = found.begins[r], found.ends[r]
        bits[r], starts[r] = sums[base + end + 1] - sums[base + begin], found.first[r]
        for j in range(r - 1, max(low, r - LOOK_BACK) - 1, -1):
            if found.last[r] - found.last[j] > window:
                break
            overlap = max(0, found.ends[j] + 1 - begin, found.last[j] + 1 - found.first[r])
            if begin + overlap > end or found.ends[j] >= end or found.last[r] - starts[j] > window:
                continue
            value = bits[j] + sums[base + end + 1] - sums[base + begin + overlap] - BREAK_BITS
            if value > bits[r]:
                bits[r], starts[r] = value, starts[j]
        if bits[r] > best:
            best, first, last = bits[r], starts[r], found.last[r]
    return best, first, last


@inlined
def _count(counts: Int32s, span: tuple[int, int], step: int, sums: tuple[Float64s, int, int]) -> tuple[float, float]:
    """Count tokens in or out; the bits by which the cover changes, and those of them beyond the input."""
    begin, end = span
    values, base, own = sums
    change, beyond = 0.0, 0.0
    for t in range(begin, end + 1):
        if (counts[t] == 0 and step > 0) or (counts[t] == 1 and step < 0):
            weight = values[base + t + 1] - values[base + t]
            change += weight
            beyond += weight if t >= own else 0.0
        counts[t] += step
    return change, beyond


@called
def _cover(
    found: _Stretches, span: tuple[int, int], part: tuple[Float64s, int, int], work: tuple[int, Int32s]
) -> tuple[float, float, int, int]:
    """Bits of the best window over the stretches of a group, in any order; of those beyond the input; its ends."""
    low, high = span
    own, counts = work
    sums, base, window = part
    bits, beyond = 0.0, 0.0
    best, more, first, last = 0.0, 0.0, 0, 0
    left = low
    for r in range(low, high):
        change, extra = _count(counts, (found.begins[r], found.ends[r]), 1, (sums, base, own))
        bits, beyond = bits + change, beyond + extra
        while left < r and found.last[r] - found.first[left] > window:
            change, extra = _count(counts, (found.begins[left], found.ends[left]), -1, (sums, base, own))
            bits, beyond = bits - change, beyond - extra
            left += 1
        if bits > best:
            best, more, first, last = bits, beyond, found.first[left], found.last[r]
    for r in range(left, high):
        _count(counts, (found.begins[r], found.ends[r]), -1, (sums, base, own))
    return best, more, first, last


@kernel
def _weigh(
    found: _Stretches,
    segments: Int64s,
    index: Index,
    work: tuple[tuple[Float64s, Int64s], Int32s, tuple[Float64s, Float64s, Int64s, Int64s]],
) -> None:
    """What each group covers; stretches in order of group and last token."""
    chains, counts, (bits, beyond, firsts, lasts) = work
    low = 0
    while low < len(found.group):
        group = found.group[low]
        high = low
        while high < len(found.group) and found.group[high] == group:
            high += 1
        s = segments[group]
        part = (index.sums, index.first[s] + s, index.window[s])
        if index.kind[s] == INPUT_OUTPUT:
            best, more, first, last = _cover(found, (low, high), part, (index.own[s], counts))
        else:
            best, first, last = _chain(found, (low, high), part, chains)
            more = 0.0
        bits[group], beyond[group], firsts[group], lasts[group] = best, more, first, last
        low = high


def _ordered(found: _Stretches) -> _Stretches:
    """Stretches by group, last token, first token and place: as one number each, which sorts faster than many keys."""
    size = found.last - found.first
    low = MASK - size << PLACE_BITS | found.begins
    keys = found.group.astype(np.uint64) << U64(TOKEN_BITS + 2 * PLACE_BITS)
    keys |= (found.last << 2 * PLACE_BITS | low).astype(np.uint64)
    keys.sort()
    group = (keys >> U64(TOKEN_BITS + 2 * PLACE_BITS)).astype(np.int64)
    rest = keys.astype(np.int64)
    last, size, begins = rest >> 2 * PLACE_BITS & TOKENS, MASK - (rest >> PLACE_BITS & MASK), rest & MASK
    return _Stretches(*map(readonly, (group, last - size, last, begins, begins + size)))


def _weighed(room: _Pairs, pairs: int, groups: int, index: Index) -> Matches:
    """What the groups of some pairs cover."""
    keys = np.sort(room.keys[:pairs])
    segments = readonly(room.segment[:groups])
    made, used = _Stretches(*(np.empty(pairs, np.int64) for _ in _Stretches._fields)), np.zeros(1, np.int64)
    _join(readonly(keys), segments, index, (made, used))
    stretches = _ordered(_Stretches(*(part[: used[0]] for part in made)))
    longest = int(np.diff(index.first).max(initial=0)) + 1
    chains = (np.empty(used[0]), np.empty(used[0], np.int64))
    found = (np.zeros(groups), np.zeros(groups), np.zeros(groups, np.int64), np.zeros(groups, np.int64))
    _weigh(stretches, segments, index, (chains, np.zeros(longest, np.int32), found))
    bits, beyond, firsts, lasts = found
    start = room.start[:groups]
    return Matches(room.text[:groups].copy(), segments.copy(), bits, beyond, firsts + start, lasts + start)


def match_items(view: BytesView, index: Index, fold: Fold) -> Matches:
    """The parts of items that stand in texts, with at least the bits of their floor."""
    hits = hit_grams(view, fold, LENGTHS, index.table)
    half = int(index.window.max(initial=1))
    board = np.zeros((len(index.kind), 8), np.float32)
    board[:, WINDOW], board[:, GATE] = index.window, index.gate
    seen = _Seen(board, np.empty(len(index.kind), np.int64))
    progress = np.zeros(5, np.int64)
    size = CHUNK
    found: list[Matches] = []
    while progress[0] < len(hits.text):
        size = max(size, int(progress[4]))
        room = _Pairs(np.empty(size, np.uint64), *(np.empty(size, np.int64) for _ in range(3)))
        _pair(hits, index, half, (seen, room, progress))
        if progress[2]:
            found.append(_best(_weighed(room, int(progress[2]), int(progress[3]), index), index))
    if not found:
        return _nothing()
    return align(hits, index, _best(Matches(*map(np.concatenate, zip(*found, strict=True))), index))


def _best(matches: Matches, index: Index) -> Matches:
    """Of each text and part the best place, the first of equal ones, if it reaches the gate."""
    order = np.lexsort((matches.first, -matches.bits, matches.segment, matches.text))
    text, segment = matches.text[order], matches.segment[order]
    new = np.append(True, (text[1:] != text[:-1]) | (segment[1:] != segment[:-1]))[: len(text)]
    kept = order[new & (matches.bits[order] >= index.gate[segment])]
    parts: Any = (part[kept] for part in matches)
    return Matches(*parts)


def _nothing() -> Matches:
    whole, real = np.zeros(0, np.int64), np.zeros(0)
    return Matches(whole, whole, real, real, whole, whole)
