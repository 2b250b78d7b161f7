"""What of item parts stands in texts beside the runs that were found: single words in order, and short options.

What: a change in every tenth word leaves few runs whole. Where runs of a part stand in a text, the words around them
are aligned with those of its input: the best order-keeping match, of the bits of the words that agree, less so many for
each break, within the part's window. Of an input with options or a short answer those that are too short for a run of
their own count if they stand whole behind the place where it begins.
Why only there: of an item without a run in place a text holds nothing but single words, which prove nothing.
Costs tokens of the texts in which runs were found, and words of the input times tokens of the window for each part
found; inputs over 160 words are left as they are, for they have runs enough.
Source: Smith and Waterman 1981, with a constant cost of a break; the costs were chosen on planted items
(tests/real/test_decontaminate.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from datapipe.algo.item_grams import Hits, Uint32s
from datapipe.algo.item_index import INPUT, INPUT_OUTPUT, Index
from datapipe.algo.item_rules import LOOSE, strengths
from datapipe.text.buffers import readonly
from datapipe.text.jit import Float64s, Int64s, Uint8s, called, kernel

__all__ = ["Matches", "align"]

Bools = npt.NDArray[np.bool_]

BREAK_BITS = 5.0
MOST_WORDS = 160  # of an input that is aligned
LEAST_OWN = LOOSE[1]  # cover of the input without which its options prove nothing
BAG = np.uint32(0xFFF)  # of a token's hash: words that are compared in any order


class Matches(NamedTuple):
    """Item parts found, sorted by text and segment, one of each pair.

    text int64; segment int64; bits float64, covered; beyond float64, those of them that are not of the input; first
    and last int64, tokens of the text.
    """

    text: Int64s
    segment: Int64s
    bits: Float64s
    beyond: Float64s
    first: Int64s
    last: Int64s


class _Rows(NamedTuple):
    """By token of the window: bits of the best match that ends there, or of the best up to there; where they begin."""

    ends: Float64s
    begins: Int64s
    best: Float64s
    since: Int64s


@called
def _aligned(tokens: Uint32s, index: Index, part: tuple[int, int, int], rows: _Rows) -> tuple[float, int, int]:
    """Bits of the best match of a segment's input with tokens in order, and its first and last token.

    `part`: segment, words of its input, window.
    """
    s, words, window = part
    base = index.first[s]
    most, first, last = 0.0, 0, 0
    count = len(tokens)
    for j in range(count + 1):
        rows.ends[j] = rows.best[j] = 0.0
    for i in range(words):
        weight = index.sums[base + s + i + 1] - index.sums[base + s + i]
        word = index.words[base + i]
        corner, corner_since, before, before_since = 0.0, 0, 0.0, 0  # of the row above: best to the left, and ends
        for j in range(1, count + 1):
            up, up_since = rows.ends[j], rows.begins[j]
            above, above_since = rows.best[j], rows.since[j]
            ends, begins = 0.0, j - 1
            if tokens[j - 1] == word:
                ends = weight
                if before > 0 and before >= corner - BREAK_BITS and j - 1 - before_since <= window:
                    ends, begins = weight + before, before_since
                elif corner > BREAK_BITS and j - 1 - corner_since <= window:
                    ends, begins = weight + corner - BREAK_BITS, corner_since
            rows.ends[j], rows.begins[j] = ends, begins
            if ends > above:
                rows.best[j], rows.since[j] = ends, begins
            if rows.best[j - 1] > rows.best[j]:
                rows.best[j], rows.since[j] = rows.best[j - 1], rows.since[j - 1]
            if ends > most:
                most, first, last = ends, begins, j - 1
            before, before_since, corner, corner_since = up, up_since, above, above_since
    return most, first, last


@called
def _short(tokens: Uint32s, index: Index, s: int) -> float:
    """Bits of the options of a segment, or its answer, that have no run and stand whole among tokens."""
    bits = 0.0
    base = index.first[s]
    for place in range(index.own[s], index.first[s + 1] - base):
        size = np.int64(index.short[base + place])
        found = False
        for j in range(len(tokens) - size + 1 if size > 0 else 0):
            k = 0
            while k < size and tokens[j + k] == index.words[base + place + k]:
                k += 1
            found = found or k == size
        if found:
            bits += index.sums[base + s + place + size] - index.sums[base + s + place]
    return bits


@called
def _hopeless(tokens: Uint32s, index: Index, part: tuple[int, int], bag: Uint8s) -> bool:
    """Whether even all words of a segment's input that stand among tokens, in any order, are too few."""
    s, words = part
    for j in range(len(tokens)):
        bag[tokens[j] & BAG] = 1
    base, most = index.first[s], 0.0
    for i in range(words):
        most += bag[index.words[base + i] & BAG] * (index.sums[base + s + i + 1] - index.sums[base + s + i])
    for j in range(len(tokens)):
        bag[tokens[j] & BAG] = 0
    hopeless: bool = most < index.floor[s]
    return hopeless


@called
def _raise_input(matches: Matches, m: int, index: Index, work: tuple[tuple[Uint32s, Int64s], _Rows, Uint8s]) -> None:
    """Align an input with the words around its runs."""
    (tokens, bounds), rows, bag = work
    s = matches.segment[m]
    start, end = bounds[matches.text[m]], bounds[matches.text[m] + 1]
    low = max(start, start + matches.last[m] - index.window[s])
    near = tokens[low : min(end, start + matches.first[m] + index.window[s] + 1)]
    if _hopeless(near, index, (s, index.own[s]), bag):
        return
    bits, first, last = _aligned(near, index, (s, index.own[s], index.window[s]), rows)
    if bits > matches.bits[m]:
        matches.bits[m] = bits
        matches.first[m], matches.last[m] = first + low - start, last + low - start


@called
def _raise_both(matches: Matches, m: int, index: Index, text: tuple[Uint32s, Int64s]) -> None:
    """Give an input with options or an answer what the match before it, its input, has, and short options."""
    tokens, bounds = text
    s, before = matches.segment[m], m - 1
    own, window = index.input[s], index.window[s]
    if before < 0 or matches.text[before] != matches.text[m] or matches.segment[before] != own:
        return
    start, end = bounds[matches.text[m]], bounds[matches.text[m] + 1]
    first = matches.first[before]
    if matches.bits[before] < LEAST_OWN * index.bits[own] or first + window < matches.last[m]:
        return
    of_input = max(matches.bits[m] - matches.beyond[m], matches.bits[before])
    matches.beyond[m] += _short(tokens[start + first : min(end, start + first + window)], index, s)
    matches.bits[m] = of_input + matches.beyond[m]
    matches.first[m] = min(matches.first[m], first)
    matches.last[m] = max(matches.last[m], matches.last[before])


@kernel
def _align(
    matches: Matches, index: Index, text: tuple[Uint32s, Int64s, Bools], work: tuple[_Rows, Uint8s, Uint8s]
) -> None:
    """Raise the bits of matches.

    text: tokens of texts; the first of each text; of each match whether it is strong enough. Where an input is found
    surely others, of the same template, are left as they are.
    """
    tokens, bounds, strong = text
    rows, bag, sure = work
    for m in range(len(matches.text)):
        start = bounds[matches.text[m]]
        if strong[m] and index.kind[matches.segment[m]] == INPUT:
            sure[start + matches.first[m] : start + matches.last[m] + 1] = 1
    for m in range(len(matches.text)):
        s = matches.segment[m]
        if index.kind[s] == INPUT and index.own[s] <= MOST_WORDS and not strong[m]:
            if not sure[bounds[matches.text[m]] + (matches.first[m] + matches.last[m]) // 2]:
                _raise_input(matches, m, index, ((tokens, bounds), rows, bag))
        elif index.kind[s] == INPUT_OUTPUT:
            _raise_both(matches, m, index, (tokens, bounds))


def align(hits: Hits, index: Index, matches: Matches) -> Matches:
    """Matches with the bits of what stands around their runs, if they reach their floor."""
    if not len(matches.text):
        return matches
    widest = 2 * int(index.window[matches.segment].max()) + 2
    rows = _Rows(np.zeros(widest), np.zeros(widest, np.int64), np.zeros(widest), np.zeros(widest, np.int64))
    copies: Any = [np.array(each) for each in matches]
    raised: Any = Matches(*copies)
    strong = readonly(strengths(index, matches) >= 1)
    work = (rows, np.zeros(int(BAG) + 1, np.uint8), np.zeros(len(hits.words), np.uint8))
    _align(raised, index, (hits.words, hits.bounds, strong), work)
    kept = np.flatnonzero(raised.bits >= index.floor[raised.segment])
    told: Any = [each[kept] for each in raised]
    return Matches(*told)
